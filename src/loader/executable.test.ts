import { expect, it } from "vitest";
import { parseElf } from "./elf.ts";
import { makeExecutable } from "./executable.ts";

it.each(["little", "big"] as const)(
  "makes %s-endian executables that are read as they were meant",
  (endian) => {
    const pieces = [
      { address: 0x4000_0000, words: [0x1234_5678] },
      { address: 0x4000_1000, words: Uint32Array.of(1, 2, 0xffff_ffff) },
    ];
    const image = parseElf(makeExecutable({ entry: 0x4000_1004, endian, pieces }));
    expect(image).toMatchObject({ endian, entry: 0x4000_1004 });
    for (const [n, { vaddr, paddr, data, memsize }] of image.segments.entries()) {
      const { address, words } = pieces[n]!;
      expect([vaddr, paddr, memsize]).toEqual([address, address, 4 * words.length]);
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      const read = Array.from(words, (_, i) => view.getUint32(4 * i, endian === "little"));
      expect(read).toEqual([...words]);
    }
    expect(image.segments.length).toBe(2);
  },
);

it.each([
  ["no pieces", { entry: 0x4000_0000, pieces: [] }],
  ["an odd entry", { entry: 0x4000_0002, pieces: [{ address: 0x4000_0000, words: [0] }] }],
  ["a piece beyond the end", { entry: 0x4000_0000, pieces: [{ address: 2 ** 32, words: [0] }] }],
])("refuses %s", (_, program) => {
  expect(() => makeExecutable(program)).toThrow(RangeError);
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ElfError, parseElf, type ElfEndian } from "./elf.ts";

interface Options {
  endian?: ElfEndian;
  entry?: number;
  type?: number;
  machine?: number;
  flags?: number;
  vaddr?: number;
  memsize?: number;
  data?: Uint8Array;
  programType?: number;
  second?: { paddr: number };
  symbols?: Readonly<Record<string, number>>;
}

/** Layout of what `build` makes: header, program headers, data, names, symbols, section headers. */
function build(options: Options = {}): Uint8Array {
  const endian = options.endian ?? "little";
  const little = endian === "little";
  const data = options.data ?? Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const vaddr = options.vaddr ?? 0x8010_0000;
  const programs = options.second === undefined ? 1 : 2;
  const dataAt = 52 + 32 * programs;
  const names = Object.keys(options.symbols ?? {});
  const text = `\0${names.join("\0")}\0`;
  const textAt = dataAt + data.length;
  const symbolsAt = textAt + text.length;
  const sectionsAt = symbolsAt + 16 * (names.length + 1);
  const file = new Uint8Array(options.symbols === undefined ? textAt : sectionsAt + 3 * 40);
  const view = new DataView(file.buffer);
  const half = (at: number, value: number): void => view.setUint16(at, value, little);
  const word = (at: number, ...values: number[]): void =>
    values.forEach((value, i) => view.setUint32(at + 4 * i, value, little));
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, little ? 1 : 2, 1]);
  half(16, options.type ?? 2);
  half(18, options.machine ?? 8);
  word(20, 1, options.entry ?? vaddr, 52, 0, options.flags ?? 0x7000_1001);
  half(40, 52);
  half(42, 32);
  half(44, programs);
  const memsize = options.memsize ?? data.length + 8;
  word(52, options.programType ?? 1, dataAt, vaddr, vaddr, data.length, memsize, 7, 0x1000);
  if (options.second !== undefined)
    word(84, 1, dataAt, options.second.paddr, options.second.paddr, data.length, data.length, 7, 4);
  file.set(data, dataAt);
  if (options.symbols !== undefined) {
    for (let i = 0; i < text.length; i++) file[textAt + i] = text.charCodeAt(i);
    let name = 1;
    names.forEach((symbol, i) => {
      word(symbolsAt + 16 * (i + 1), name, options.symbols![symbol]!);
      name += symbol.length + 1;
    });
    word(32, sectionsAt);
    half(46, 40);
    half(48, 3);
    word(sectionsAt + 40, 0, 2, 0, 0, symbolsAt, 16 * (names.length + 1), 2, 0, 4, 16);
    word(sectionsAt + 80, 0, 3, 0, 0, textAt, text.length);
  }
  return file;
}

function edited(at: number, ...bytes: number[]): Uint8Array {
  const file = build();
  file.set(bytes, at);
  return file;
}

describe("parseElf", () => {
  it.each(["little", "big"] as const)("reads a %s-endian executable", (endian) => {
    const image = parseElf(build({ endian, symbols: { start: 0x8010_0000, _end: 0x8010_0010 } }));
    expect(image.endian).toBe(endian);
    expect(image.entry).toBe(0x8010_0000);
    expect(image.segments).toHaveLength(1);
    expect(image.segments[0]).toMatchObject({ vaddr: 0x8010_0000, paddr: 0x8010_0000, memsize: 16 });
    expect([...image.segments[0]!.data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...image.symbols()]).toEqual([
      ["start", 0x8010_0000],
      ["_end", 0x8010_0010],
    ]);
  });

  it("reads a file that is a view into a larger buffer", () => {
    const file = build();
    const larger = new Uint8Array(file.length + 3);
    larger.set(file, 3);
    expect(parseElf(larger.subarray(3)).entry).toBe(0x8010_0000);
  });

  it("has no symbols in a stripped file", () => {
    expect(parseElf(build()).symbols().size).toBe(0);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(), /is empty/],
    ["text", new TextEncoder().encode("hello, this is not a kernel"), /not an ELF file.*give a MIPS ELF/],
    ["gzip", Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip-compressed: decompress/],
    ["a package", new TextEncoder().encode("!<arch>\ndebian-binary"), /archive or Debian package/],
    ["an initramfs", new TextEncoder().encode("070701000000"), /cpio archive: give it as the initrd/],
    ["a script", new TextEncoder().encode("#!/bin/sh\n"), /is a script/],
    ["half a header", build().subarray(0, 30), /truncated: it has 30 bytes/],
    ["a 64-bit file", edited(4, 2), /64-bit ELF file.*32-bit/],
    ["a strange class", edited(4, 9), /unknown ELF class 9/],
    ["a strange byte order", edited(5, 7), /unknown byte order 7/],
    ["a strange version", edited(6, 0), /unknown ELF version 0/],
    ["an x86 file", build({ machine: 3 }), /for x86 \(32-bit\), not for MIPS/],
    ["an x86-64 file of 32 bits", build({ machine: 62 }), /for x86-64, not for MIPS/],
    ["an unknown machine", build({ machine: 4711 }), /for machine number 4711/],
    ["an object file", build({ type: 1 }), /relocatable object file.*link it/],
    ["a shared object", build({ type: 3 }), /shared object.*-no-pie/],
    ["a core dump", build({ type: 4 }), /core dump/],
    ["a strange type", build({ type: 77 }), /unknown ELF type 77/],
    ["n32", build({ flags: 0x6000_0020 }), /n32 ABI/],
    ["MIPS64 code", build({ flags: 0x8000_0000 }), /MIPS64 release 2 code/],
    ["release 6 code", build({ flags: 0x9000_0000 }), /MIPS32 release 6 code/],
    ["no program headers", edited(44, 0, 0), /no program headers/],
    ["small program headers", edited(42, 16, 0), /program headers are 16 bytes each/],
    ["a program header table outside", edited(28, 0, 0, 0, 0x10), /truncated: the program header table/],
    ["a truncated segment", build().subarray(0, 88), /truncated: segment 0 ends at byte 92.*has 88/],
    ["no loadable segment", build({ programType: 4 }), /no loadable segment/],
    ["an empty segment only", build({ memsize: 0, data: new Uint8Array() }), /no loadable segment/],
    ["a dynamic executable", build({ programType: 2 }), /dynamically linked/],
    ["less memory than file", build({ memsize: 4 }), /8 bytes in the file but only 4 in memory/],
    [
      "wrapping around",
      build({ vaddr: 0xffff_fff0, memsize: 0x100 }),
      /runs past the end of the address space/,
    ],
    ["overlapping segments", build({ second: { paddr: 0x8010_0004 } }), /80100000 and 80100004 overlap/],
    ["microMIPS code", build({ entry: 0x8010_0001 }), /MIPS16 or microMIPS/],
    ["an unaligned entry", build({ entry: 0x8010_0002 }), /not word-aligned/],
    ["an entry outside", build({ entry: 0x8020_0000 }), /80200000 lies in no loadable segment/],
    [
      "cut-off sections",
      build({ symbols: { a: 1 } }).subarray(0, -10),
      /truncated: the section header table/,
    ],
  ])("refuses %s", (_name, file, message) => {
    expect(() => parseElf(file)).toThrow(ElfError);
    expect(() => parseElf(file)).toThrow(message);
    expect(() => parseElf(file)).not.toThrow(/\n/);
  });

  it("throws nothing but ElfError, whatever bytes are changed or cut off", () => {
    const good = build({ symbols: { start: 0x8010_0000, other: 4, x: 0 }, second: { paddr: 0x8020_0000 } });
    const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 });
    let accepted = 0;
    fc.assert(
      fc.property(changes, fc.nat(good.length), (edits, length) => {
        const file = good.slice(0, edits.length % 2 === 0 ? good.length : length);
        for (const [at, byte] of edits) file[at] = byte;
        try {
          const image = parseElf(file);
          image.symbols();
          accepted++;
          for (const { data, memsize } of image.segments) expect(data.length).toBeLessThanOrEqual(memsize);
        } catch (error) {
          if (!(error instanceof ElfError)) throw error;
        }
      }),
      { numRuns: 3000, seed: 20 },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});

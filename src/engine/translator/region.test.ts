import { expect, test } from "vitest";
import { decoderFor } from "../../isa/decode.ts";
import { GPR } from "../../isa/registers.ts";
import { Assembler } from "../../uasm/assembler.ts";
import { findRegion, type Region } from "./region.ts";

const { v0, v1, a0, a1, ra } = GPR;
const BASE = 0x8010_0000;

/** The region at the start of a page of code that has all been executed. */
function regionOf(build: (a: Assembler) => void): Region {
  const a = new Assembler({ level: "mips32r2", baseAddress: BASE });
  build(a);
  const words = a.words();
  const page = {
    va: BASE,
    decode: decoderFor("mips32r2"),
    word: (offset: number) => words[offset >>> 2]! | 0,
    executed: (offset: number) => offset >>> 2 < words.length,
    hasBreakpoint: () => false,
  };
  return findRegion(page, [0]);
}

test("what stands behind a branch that is always taken is not reached through it", () => {
  const { blocks } = regionOf((a) => {
    const end = a.label();
    a.addiu(v0, v0, 1);
    a.b(end);
    a.addiu(v1, v1, 1);
    // Another function, say.
    a.addiu(a0, a0, 1);
    a.addiu(a0, a0, 2);
    a.bind(end);
    a.jr(ra);
    a.addiu(a1, a1, 1);
  });
  expect([...blocks.keys()]).toEqual([0, 0x14]);
  expect(blocks.get(0)!.ending).toEqual({ kind: "goto", target: 0x14 });
});

test("registers that instructions use are bits, and $zero is none", () => {
  const { blocks } = regionOf((a) => {
    a.addu(v0, v1, GPR.zero);
    a.mult(a0, a1);
    a.jr(ra);
    a.nop();
  });
  const use = blocks.get(0)!.body.map(({ reads, writes }) => [reads, writes]);
  expect(use).toEqual([
    [1 << v1, 1 << v0],
    [(1 << a0) | (1 << a1), 1],
  ]);
});

const sizeOf = ({ blocks }: Region): number =>
  [...blocks.values()].reduce((sum, { length }) => sum + length, 0);

test("code that goes straight on is cut off, and one that comes back is not", () => {
  const long = (a: Assembler, count: number): void => {
    for (let n = 0; n < count; n++) a.addiu(v0, v0, 1);
  };
  const loop =
    (before: number, inside: number) =>
    (a: Assembler): void => {
      long(a, before);
      const top = a.bind();
      long(a, inside);
      a.bne(v0, v1, top);
      a.nop();
      a.jr(ra);
      a.nop();
    };
  expect(sizeOf(regionOf((a) => long(a, 400)))).toBe(150);
  expect(sizeOf(regionOf(loop(0, 400)))).toBe(404);
  expect(sizeOf(regionOf(loop(100, 100)))).toBe(204);
  // Less than a quarter of it turns.
  expect(sizeOf(regionOf(loop(400, 100)))).toBe(150);
  // Where it turns is too far away.
  expect(sizeOf(regionOf(loop(0, 900)))).toBe(150);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AmbiguousRowsError, checkAmbiguity, decode, decoderFor, INSTRUCTIONS } from "./decode.ts";
import { encodingOf, operandValue, parsePattern, PatternError } from "./operands.ts";
import { levelIncludes, row } from "./row.ts";
import { ALL_INSTRUCTIONS, rowIndex, rowOf } from "./instructions.ts";

const nothing = (): void => {};

describe("patterns", () => {
  test("fixed, unchecked and field bits add up to a word", () => {
    const encoding = parsePattern("000000 rs:5 ----- rd:5 00001 001001");
    expect(encoding.mask).toBe(0xfc0007ff);
    expect(encoding.match).toBe(0x49);
    expect(encoding.unchecked).toBe(0x001f0000);
    expect(encoding.fields.map(({ name, position, width }) => [name, position, width])).toEqual([
      ["rs", 21, 5],
      ["rd", 11, 5],
    ]);
  });

  test("a pattern of another length, an unknown field and a repeated field are refused", () => {
    expect(() => parsePattern("000000 rs:5")).toThrow(PatternError);
    expect(() => parsePattern("000000 xy:26")).toThrow(/unknown field/);
    expect(() => parsePattern("000000 imm:13 imm:13")).toThrow(/twice/);
    expect(() => parsePattern("000000 index:26 0")).toThrow(/spells 33 bits/);
  });
});

describe("the table", () => {
  test.each(["mips1", "mips2", "mips32", "mips32r2", "mips32r5", "mips64r2"] as const)(
    "has no two rows whose order is undecided (%s)",
    (level) => {
      const rows = ALL_INSTRUCTIONS.filter((entry) => levelIncludes(level, entry.level));
      expect(() => checkAmbiguity(rows)).not.toThrow();
    },
  );

  test("mnemonics are unique", () => {
    const names = ALL_INSTRUCTIONS.map((entry) => entry.mnemonic);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test("ambiguous rows are found", () => {
    const first = row("one", "mips1", "000000 rs:5 00000 imm:16", "", nothing);
    const second = row("two", "mips1", "000000 00000 rt:5 imm:16", "", nothing);
    expect(() => checkAmbiguity([first, second])).toThrow(AmbiguousRowsError);
    expect(() => checkAmbiguity([first, { ...first, mnemonic: "same" }])).toThrow(AmbiguousRowsError);
  });
});

describe("decode", () => {
  test("agrees with a search of all rows for the most specific match", () => {
    const bits = (value: number): number => value.toString(2).replaceAll("0", "").length;
    const sorted = INSTRUCTIONS.map((entry) => ({ entry, ...encodingOf(entry) })).sort(
      (a, b) => bits(b.mask) - bits(a.mask),
    );
    const search = (word: number) =>
      sorted.find(({ mask, match }) => (word & mask) >>> 0 === match)?.entry ?? null;
    const nearARow = fc
      .tuple(fc.constantFrom(...INSTRUCTIONS), fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(0xffffffff))
      .map(([entry, noise, a, b]) => (encodingOf(entry).match ^ (noise & a & b)) >>> 0);
    fc.assert(
      fc.property(fc.oneof(nearARow, fc.nat(0xffffffff)), (word) => {
        expect(decode(word)).toBe(search(word));
      }),
      { numRuns: 5000 },
    );
  });

  test("takes signed and unsigned words", () => {
    expect(decode(0xafbf0010)?.mnemonic).toBe("sw");
    expect(decode(0xafbf0010 | 0)?.mnemonic).toBe("sw");
  });

  test("every row can be reached, and its index is its place", () => {
    INSTRUCTIONS.forEach((entry, index) => {
      expect(rowIndex(entry)).toBe(index);
      const { mask, match, unchecked } = encodingOf(entry);
      // Fields of all ones, and of ones below a zero: at least one is not taken by a more specific row.
      const ones = match | (~mask & ~unchecked);
      const lower = match | (~mask & ~unchecked & 0x01ff_ffff);
      expect([decode(ones), decode(lower)]).toContain(entry);
    });
  });

  test("reserved encodings decode to nothing", () => {
    for (const word of [0x00000005, 0x04050000, 0x60000000, 0x70000003, 0x7c000001, 0xfc000000, 0x18010000]) {
      expect(decode(word)).toBeNull();
    }
  });

  test("a CPU does not decode what came after it", () => {
    const names = (word: number) => [decode(word)?.mnemonic, decoderFor("mips32r2")(word)?.mnemonic];
    expect(names(0x7ca4ff6f)).toEqual(["lwe", undefined]);
    expect(names(0x42000058)).toEqual(["eretnc", "c0"]);
    expect(names(0x42000018)).toEqual(["eret", "eret"]);
    expect(names(0x42000003)).toEqual(["tlbinv", "c0"]);
    expect(names(0x40441000)).toEqual(["mfhc0", "cop0"]);
    for (const entry of INSTRUCTIONS)
      if (levelIncludes("mips32r2", entry.level)) {
        const { match } = encodingOf(entry);
        expect(decoderFor("mips32r2")(match)).toBe(decode(match));
      }
  });

  test("unchecked bits do not matter to the decoder", () => {
    expect(decode(0x00851fe0 | 0)?.mnemonic).toBe("add");
    expect(decode(0x03e00008 | (7 << 6))?.mnemonic).toBe("jr");
    expect(decode(0x03e00008 | (16 << 6))?.mnemonic).toBe("jr.hb");
  });
});

describe("operand values", () => {
  test("immediates extend as the row says", () => {
    expect(operandValue(rowOf("addiu"), 0x2484ffff, "imm")).toBe(-1);
    expect(operandValue(rowOf("ori"), 0x3484ffff, "imm")).toBe(0xffff);
    expect(operandValue(rowOf("ori"), 0x3484ffff, "uimm")).toBe(0xffff);
  });

  test("displacements and jump indexes are in bytes", () => {
    expect(operandValue(rowOf("beq"), 0x1000ffff, "offset")).toBe(-4);
    expect(operandValue(rowOf("beq"), 0x10007fff, "offset")).toBe(0x1fffc);
    expect(operandValue(rowOf("j"), 0x0bffffff, "index")).toBe(0x0ffffffc);
  });

  test("shadow registers are numbers to a lowering", () => {
    expect(operandValue(rowOf("wrpgpr"), 0x41dd2800, "rdNumber")).toBe(5);
    expect(operandValue(rowOf("rdpgpr"), 0x41596800, "rtNumber")).toBe(25);
  });

  test("a field that the row lacks is a host mistake", () => {
    expect(() => operandValue(rowOf("jr"), 0, "imm")).toThrow(/jr has no field "imm"/);
  });
});

test("levels are ordered", () => {
  expect(levelIncludes("mips32r2", "mips1")).toBe(true);
  expect(levelIncludes("mips32", "mips32")).toBe(true);
  expect(levelIncludes("mips32", "mips32r2")).toBe(false);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode } from "./decode.ts";
import { encode, EncodeError, encodeRow, fieldRange, type OperandValues } from "./encode.ts";
import { INSTRUCTIONS, rowOf } from "./instructions.ts";
import { encodingOf, fieldValue, NoSuchFieldError, type Field } from "./operands.ts";
import type { InstructionRow } from "./row.ts";

/** Random operands for a row: any value that its fields hold. */
function operandsOf(row: InstructionRow): fc.Arbitrary<OperandValues> {
  const value = (field: Field) => {
    const { min, max, step } = fieldRange(field);
    return fc.integer({ min: min / step, max: max / step }).map((raw) => raw * step);
  };
  return fc.record(Object.fromEntries(encodingOf(row).fields.map((field) => [field.name, value(field)])));
}

describe("encode", () => {
  test.each(INSTRUCTIONS.map((row) => [row.mnemonic, row] as const))(
    "%s: decoding gives the operands back",
    (_, row) => {
      fc.assert(
        fc.property(operandsOf(row), (operands) => {
          const word = encodeRow(row, operands);
          expect((word & encodingOf(row).mask) >>> 0).toBe(encodingOf(row).match);
          for (const field of encodingOf(row).fields)
            expect(fieldValue(field, word)).toBe(operands[field.name]);
          // A decoded word encodes to itself, whichever row it belongs to, but for the bits that nobody checks.
          const decoded = decode(word);
          expect(decoded).not.toBeNull();
          if (decoded === null) return;
          const values = Object.fromEntries(
            encodingOf(decoded).fields.map((field) => [field.name, fieldValue(field, word)]),
          );
          expect(encodeRow(decoded, values)).toBe((word & ~encodingOf(decoded).unchecked) >>> 0);
        }),
        { numRuns: 40 },
      );
    },
  );

  test("known words", () => {
    expect(encode("addiu", { rt: 29, rs: 29, imm: -32 })).toBe(0x27bdffe0);
    expect(encode("sw", { rt: 31, imm: 28, rs: 29 })).toBe(0xafbf001c);
    expect(encode("lui", { rt: 26, uimm: 0x8000 })).toBe(0x3c1a8000);
    expect(encode("beq", { rs: 0, rt: 0, offset: -4 })).toBe(0x1000ffff);
    expect(encode("jal", { index: 0x100 })).toBe(0x0c000040);
    expect(encode("mfc0", { rt: 27, rdNumber: 4 })).toBe(0x401b2000);
    expect(encode("mtc0", { rt: 27, rdNumber: 31, sel: 2 })).toBe(0x409bf802);
    expect(encode("ext", { rt: 4, rs: 20, lsb: 9, extSize: 5 })).toBe(0x7e842240);
    expect(encode("ins", { rt: 4, rs: 20, lsb: 9, insSize: 5 })).toBe(0x7e846a44);
    expect(encode("clz", { rd: 2, rs: 4 })).toBe(0x70821020);
    expect(encode("eret", {})).toBe(0x42000018);
    expect(encode("break", { code: 7 })).toBe(0x0007000d);
    expect(encode("c.eq.d", { fs: 2, ft: 4, cc: 1 })).toBe(0x46241132);
  });

  test("a value out of range names the field, the value and the range", () => {
    const attempt = () => encode("addiu", { rt: 29, rs: 29, imm: 0x8000 });
    expect(attempt).toThrow(EncodeError);
    expect(attempt).toThrow("addiu: imm is 32768, must be -32768 to 32767");
    expect(() => encode("beq", { rs: 0, rt: 0, offset: 2 })).toThrow(
      "beq: offset is 2, must be -131072 to 131068 and a multiple of 4",
    );
    expect(() => encode("sll", { rd: 1, rt: 1, sa: 32 })).toThrow("sll: sa is 32, must be 0 to 31");
    expect(() => encode("ori", { rt: 1, rs: 1, uimm: -1 })).toThrow("ori: uimm is -1, must be 0 to 65535");
    expect(() => encode("ins", { rt: 1, rs: 1, lsb: 30, insSize: 3 })).toThrow(
      "insSize is 3, must be 1 to 2",
    );
    expect(() => encode("addu", { rd: 1, rs: 0.5, rt: 1 })).toThrow("addu: rs is 0.5");
  });

  test("a missing operand and one that the instruction lacks are told", () => {
    expect(() => encodeRow(rowOf("addu"), { rd: 1, rs: 1 })).toThrow("addu: rt is missing");
    expect(() => encodeRow(rowOf("addu"), { rd: 1, rs: 1, rt: 1, sa: 1 })).toThrow(NoSuchFieldError);
    // @ts-expect-error: the type checker sees it too
    expect(() => encode("addu", { rd: 1, rs: 1 })).toThrow(EncodeError);
    // @ts-expect-error: no such operand
    expect(() => encode("jr", { rs: 31, rt: 1 })).toThrow(NoSuchFieldError);
  });
});

import type { GprField, ImmField } from "./ir.ts";
import type { InstructionRow } from "./row.ts";

/** How an operand is written in assembly. */
export type OperandFormat =
  | "gpr"
  | "fpr"
  | "fcr" // floating-point control register
  | "register" // $0..$31 of another register file, or a register of CP0
  | "hex"
  | "decimal"
  | "cc"
  | "target"; // absolute address of a branch or jump

/** How the bits of a field become its value. */
interface FieldRule {
  /** Sign-extended; otherwise zero-extended. */
  readonly signed?: true;
  /** The value is the field shifted left by this many bits. */
  readonly shift?: number;
  /** The value is the field and this. */
  readonly base?: number;
  /** Name under which a lowering reads the field, where it is not its own. */
  readonly readAs?: ImmField;
  /** The field repeats another one: the encoder copies it, and lowerings do not read it. */
  readonly copyOf?: string;
  readonly format: OperandFormat;
}

/**
 * Every field name that a pattern may use. Where a field lies is stated by the pattern; how it is read is
 * stated here, once. Lowerings read `imm` for both `imm` (sign-extended) and `uimm` (zero-extended): the
 * row's pattern decides.
 */
const FIELD_RULES = {
  rs: { format: "gpr" },
  rt: { format: "gpr" },
  rd: { format: "gpr" },
  /** rt of CLZ and CLO, which must equal rd. */
  rdCopy: { format: "gpr", copyOf: "rd" },
  /** Register number in rd or rt that names no GPR of the current set. */
  rdNumber: { format: "register" },
  rtNumber: { format: "register" },
  /** A GPR of the previous shadow set, which lowerings know by number. */
  rdShadow: { format: "gpr", readAs: "rdNumber" },
  rtShadow: { format: "gpr", readAs: "rtNumber" },
  sel: { format: "decimal" },
  imm: { format: "decimal", signed: true },
  uimm: { format: "hex", readAs: "imm" },
  /** Branch displacement in bytes, from the delay slot. */
  offset: { format: "target", signed: true, shift: 2 },
  /** Low 28 bits of a jump target. */
  index: { format: "target", shift: 2 },
  sa: { format: "hex" },
  lsb: { format: "hex" },
  /** The same of a bit field in the upper word. */
  lsbUpper: { format: "hex", base: 32 },
  msb: { format: "hex" },
  op: { format: "hex" },
  hint: { format: "hex" },
  stype: { format: "hex" },
  code: { format: "hex" },
  /** Second half of BREAK's code. */
  code2: { format: "hex" },
  cofun: { format: "hex" },
  fs: { format: "fpr" },
  ft: { format: "fpr" },
  fd: { format: "fpr" },
  fr: { format: "fpr" },
  fcr: { format: "fcr" },
  cc: { format: "cc" },
} as const satisfies Record<string, FieldRule>;

/** Name of a field of a pattern. */
export type FieldName = keyof typeof FIELD_RULES;

/** The size of a bit field, which assembly shows in place of the field `msb`. */
interface ComputedSize {
  readonly sizeOf: (msb: number, lsb: number) => number;
  readonly msbOf: (size: number, lsb: number) => number;
  /** The sizes that can be written for a bit field that begins at `lsb`. */
  readonly sizes: (lsb: number) => { readonly min: number; readonly max: number };
}

/** EXT and its like hold size - 1, INS and its like the last bit; from `base` on. */
const extracted = (base: 0 | 32, sizes: ComputedSize["sizes"]): ComputedSize => ({
  sizeOf: (msb) => msb + base + 1,
  msbOf: (size) => size - base - 1,
  sizes,
});
const inserted = (base: 0 | 32, sizes: ComputedSize["sizes"]): ComputedSize => ({
  sizeOf: (msb, lsb) => msb + base - lsb + 1,
  msbOf: (size, lsb) => lsb + size - base - 1,
  sizes,
});
const withinWord: ComputedSize["sizes"] = (lsb) => ({ min: 1, max: 32 - lsb });
const withinDoubleword: ComputedSize["sizes"] = (lsb) => ({ min: 1, max: 64 - lsb });

/**
 * Operands that assembly shows and no field holds: the sizes of bit fields. Which of the three spellings for
 * doublewords there is to use depends on where the field begins and ends (MIPS64 BIS, DEXT and DINS).
 */
export const COMPUTED_OPERANDS = {
  extSize: extracted(0, withinWord),
  insSize: inserted(0, withinWord),
  dextSize: extracted(0, () => ({ min: 1, max: 32 })),
  dextmSize: extracted(32, (lsb) => ({ min: 33, max: 64 - lsb })),
  dextuSize: extracted(0, withinDoubleword),
  dinsmSize: inserted(32, (lsb) => ({ min: 33 - lsb, max: 64 - lsb })),
  dinsuSize: inserted(32, withinDoubleword),
} as const satisfies Record<string, ComputedSize>;

/** Name of an operand that is not a field. */
export type ComputedOperand = keyof typeof COMPUTED_OPERANDS;

/** Anything that `asm` may name, but for the literal `zero`. */
export type OperandName = FieldName | ComputedOperand;

/** One operand of a row as written. */
export interface AsmOperand {
  /** `zero` stands for the text itself. */
  readonly name: OperandName | "zero";
  /** May be left out when it is 0. */
  readonly optional: boolean;
  /** What stands before and after it: separators and brackets. */
  readonly before: string;
  readonly after: string;
}

const asmCache = new Map<string, readonly AsmOperand[]>();

/** Parses the operand list of a row, e.g. `"rt, imm(rs)"` (kept after the first call). */
export function parseAsm(asm: string): readonly AsmOperand[] {
  let operands = asmCache.get(asm);
  if (operands === undefined) {
    operands = [...asm.matchAll(/(, |\()?(\w+)(\?)?(\))?/g)].map((part) => ({
      name: part[2] as OperandName,
      optional: part[3] !== undefined,
      before: part[1] === "(" ? "(" : part[1] === undefined ? "" : ",",
      after: part[4] ?? "",
    }));
    asmCache.set(asm, operands);
  }
  return operands;
}

/** A field of one row: its place in the word and its rule. */
export interface Field {
  readonly name: FieldName;
  /** Bit number of the least significant bit. */
  readonly position: number;
  readonly width: number;
  readonly rule: FieldRule;
  /** What the rule says of the value, for whoever asks often: see `fieldValue`. */
  readonly signed: boolean;
  readonly shift: number;
  readonly base: number;
  /** By how many bits its own are shifted to the top of the word, and from there to the bottom. */
  readonly up: number;
  readonly down: number;
}

/** A pattern, parsed. */
export interface Encoding {
  /** Bits that are fixed, and their values (unsigned). */
  readonly mask: number;
  readonly match: number;
  /** Bits that must be zero by the manual and are not checked (unsigned). */
  readonly unchecked: number;
  readonly fields: readonly Field[];
}

/** A pattern that does not spell 32 bits, or uses an unknown or repeated field. */
export class PatternError extends Error {
  override readonly name = "PatternError";
  readonly pattern: string;
  constructor(pattern: string, reason: string) {
    super(`pattern "${pattern}": ${reason}`);
    this.pattern = pattern;
  }
}

/** The row has no such field. */
export class NoSuchFieldError extends Error {
  override readonly name = "NoSuchFieldError";
  readonly mnemonic: string;
  readonly field: string;
  constructor(mnemonic: string, field: string) {
    super(`${mnemonic} has no field "${field}"`);
    this.mnemonic = mnemonic;
    this.field = field;
  }
}

/** Parses a pattern. Throws {@link PatternError}. */
export function parsePattern(pattern: string): Encoding {
  let mask = 0;
  let match = 0;
  let unchecked = 0;
  let position = 32;
  const fields: Field[] = [];
  for (const token of pattern.split(" ")) {
    if (/^[01-]+$/.test(token)) {
      for (const bit of token) {
        position -= 1;
        const value = position < 0 ? 0 : 2 ** position;
        if (bit === "-") unchecked += value;
        else mask += value;
        if (bit === "1") match += value;
      }
      continue;
    }
    const [name, widthText] = token.split(":");
    const width = Number(widthText);
    if (name === undefined || !(name in FIELD_RULES))
      throw new PatternError(pattern, `unknown field "${token}"`);
    if (!Number.isInteger(width) || width < 1) throw new PatternError(pattern, `bad width in "${token}"`);
    const fieldName = name as FieldName;
    if (fields.some((field) => field.name === fieldName)) throw new PatternError(pattern, `"${name}" twice`);
    position -= width;
    const rule: FieldRule = FIELD_RULES[fieldName];
    const { signed = false, shift = 0, base = 0 } = rule;
    const [up, down] = [32 - position - width, 32 - width];
    fields.push({ name: fieldName, position, width, rule, signed, shift, base, up, down });
  }
  if (position !== 0) throw new PatternError(pattern, `spells ${32 - position} bits`);
  return { mask, match, unchecked, fields };
}

const encodings = new Map<InstructionRow, Encoding>();

/** The parsed pattern of a row (kept after the first call). */
export function encodingOf(row: InstructionRow): Encoding {
  let encoding = encodings.get(row);
  if (encoding === undefined) {
    encoding = parsePattern(row.pattern);
    encodings.set(row, encoding);
  }
  return encoding;
}

/** The value of a field in a word: extended and shifted as its rule says. */
export function fieldValue(field: Field, word: number): number {
  const raw = word << field.up;
  const value = field.signed ? raw >> field.down : raw >>> field.down;
  return (value << field.shift) + field.base;
}

/** Finds a field by its pattern name or by the name under which lowerings read it. */
export function findField(row: InstructionRow, name: FieldName | GprField | ImmField): Field | undefined {
  return encodingOf(row).fields.find((field) => field.name === name || field.rule.readAs === name);
}

/**
 * The value of an operand of a decoded word, as a lowering's `field` or `gpr` expression names it: register
 * numbers, extended immediates, displacements and jump indexes in bytes. Throws {@link NoSuchFieldError}.
 */
export function operandValue(
  row: InstructionRow,
  word: number,
  name: FieldName | GprField | ImmField,
): number {
  const field = findField(row, name);
  if (field === undefined) throw new NoSuchFieldError(row.mnemonic, name);
  return fieldValue(field, word);
}

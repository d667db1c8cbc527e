import { rowOf, type Mnemonic, type TypedInstruction } from "./instructions.ts";
import {
  COMPUTED_OPERANDS,
  encodingOf,
  NoSuchFieldError,
  parseAsm,
  type ComputedOperand,
  type Field,
  type OperandName,
} from "./operands.ts";
import type { InstructionRow } from "./row.ts";

/** An operand that does not fit its field, or is missing. Carries the range that would have been right. */
export class EncodeError extends Error {
  override readonly name = "EncodeError";
  readonly mnemonic: string;
  readonly field: string;
  /** The refused value; undefined if the operand is missing. */
  readonly value: number | undefined;
  readonly min: number;
  readonly max: number;
  /** Values must be multiples of this. */
  readonly step: number;
  constructor(mnemonic: string, field: string, value: number | undefined, range: FieldRange) {
    const { min, max, step } = range;
    const multiple = step === 1 ? "" : ` and a multiple of ${step}`;
    super(
      `${mnemonic}: ${field} ${value === undefined ? "is missing" : `is ${value}`}, must be ${min} to ${max}${multiple}`,
    );
    this.mnemonic = mnemonic;
    this.field = field;
    this.value = value;
    this.min = min;
    this.max = max;
    this.step = step;
  }
}

/** The values that a field can hold. */
export interface FieldRange {
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

/** The values that a field can hold, as `operandValue` returns them. */
export function fieldRange(field: Field): FieldRange {
  const step = 2 ** (field.rule.shift ?? 0);
  const count = 2 ** field.width;
  const min = field.rule.signed ? -count / 2 : 0;
  const { base = 0 } = field.rule;
  return { min: min * step + base, max: (min + count - 1) * step + base, step };
}

/** Operand values by name. Values are those that `operandValue` reads: displacements in bytes, and so on. */
export type OperandValues = { readonly [name in OperandName]?: number | undefined };

type Split<S extends string> = S extends `${infer Head}, ${infer Tail}`
  ? [...SplitBase<Head>, ...Split<Tail>]
  : SplitBase<S>;
type SplitBase<S extends string> = S extends "" | "zero"
  ? []
  : S extends `${infer Displacement}(${infer Base})`
    ? [Displacement, Base]
    : [S];

type Row<M extends Mnemonic> = Extract<TypedInstruction, { readonly mnemonic: M }>;

/** The operands of a mnemonic in the order of assembly, `?` marking those that may be left out. */
export type AsmOperands<M extends Mnemonic> = Split<Row<M>["asm"]>;

type Optional<T extends string> = T extends `${infer Name}?` ? Name : never;
type Required<T extends string> = T extends `${string}?` ? never : T;

/** The operands that a mnemonic takes, by name. `Target` is what may stand for a branch or jump target. */
export type OperandsOf<M extends Mnemonic, Target = number> = {
  readonly [Name in Required<AsmOperands<M>[number]>]: Name extends "offset" | "index" ? Target : number;
} & { readonly [Name in Optional<AsmOperands<M>[number]>]?: number };

/** Encodes a row. Operands marked `?` default to 0. Throws {@link EncodeError} and {@link NoSuchFieldError}. */
export function encodeRow(row: InstructionRow, operands: OperandValues): number {
  const encoding = encodingOf(row);
  const values = new Map<string, number>();
  for (const [name, value] of Object.entries(operands)) if (value !== undefined) values.set(name, value);
  const asm = parseAsm(row.asm);

  for (const { name } of asm) {
    const size = values.get(name);
    if (!(name in COMPUTED_OPERANDS) || size === undefined) continue;
    const lsb = values.get("lsb") ?? values.get("lsbUpper") ?? 0;
    const { sizes, msbOf } = COMPUTED_OPERANDS[name as ComputedOperand];
    const range = { ...sizes(lsb), step: 1 };
    if (!Number.isInteger(size) || size < range.min || size > range.max) {
      throw new EncodeError(row.mnemonic, name, size, range);
    }
    values.delete(name);
    values.set("msb", msbOf(size, lsb));
  }

  let word = encoding.match;
  for (const field of encoding.fields) {
    const range = fieldRange(field);
    let value = values.get(field.name);
    if (value === undefined && field.rule.copyOf !== undefined) value = values.get(field.rule.copyOf);
    if (value === undefined && asm.some((operand) => operand.name === field.name && operand.optional))
      value = 0;
    const fits =
      value !== undefined && Number.isInteger(value / range.step) && value >= range.min && value <= range.max;
    if (!fits) throw new EncodeError(row.mnemonic, field.name, value, range);
    const raw = ((value as number) - (field.rule.base ?? 0)) / range.step;
    word += (raw < 0 ? raw + 2 ** field.width : raw) * 2 ** field.position;
  }
  for (const name of values.keys()) {
    if (!encoding.fields.some((field) => field.name === name)) throw new NoSuchFieldError(row.mnemonic, name);
  }
  return word;
}

/** Encodes an instruction. Throws {@link EncodeError}, and for an unchecked caller {@link NoSuchFieldError}. */
export function encode<M extends Mnemonic>(mnemonic: M, operands: OperandsOf<M>): number {
  return encodeRow(rowOf(mnemonic), operands);
}

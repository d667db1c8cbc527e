import type { AsmOperands } from "../isa/encode.ts";
import { ALL_INSTRUCTIONS, type Mnemonic } from "../isa/instructions.ts";
import type { InstructionRow } from "../isa/row.ts";
import type { Label } from "./label.ts";

/** Where a branch or jump goes: a label, or an absolute address. */
export type Target = Label | number;

type Argument<Name extends string> = Name extends "offset" | "index" ? Target : number;

/** Arguments in the order of assembly; those with a `?` and nothing required after them may be left out. */
type Arguments<Names extends readonly string[]> = Names extends readonly [
  infer Head extends string,
  ...infer Rest extends readonly string[],
]
  ? Head extends `${string}?`
    ? [] extends Arguments<Rest>
      ? [number?, ...Arguments<Rest>]
      : [number, ...Arguments<Rest>]
    : [Argument<Head>, ...Arguments<Rest>]
  : [];

/**
 * A method for each mnemonic of the instruction table, with the operands in the order of assembly: `lw rt,
 * imm(rs)` is `lw(rt, imm, rs)`. Registers are numbers (`GPR.k0`); a CP0 register may be spread:
 * `mfc0(GPR.k0, ...cp0Operands(CP0.EntryHi))`.
 */
export type Emitters = { readonly [M in Mnemonic]: (...operands: Arguments<AsmOperands<M>>) => void };

abstract class OrderedEmitter {
  /** Appends a row with operands in the order of assembly. */
  abstract appendOrdered(row: InstructionRow, operands: readonly (Target | undefined)[]): void;
}

for (const row of ALL_INSTRUCTIONS) {
  Object.defineProperty(OrderedEmitter.prototype, row.mnemonic, {
    value(this: OrderedEmitter, ...operands: readonly (Target | undefined)[]): void {
      this.appendOrdered(row, operands);
    },
  });
}

/** Has the methods of {@link Emitters}: their types come from the table's texts, their bodies from its rows. */
export const EmitterBase = OrderedEmitter as abstract new () => OrderedEmitter & Emitters;

import { Lowering, type Statement } from "./ir.ts";
import { DOUBLEWORDS } from "./instructions-64.ts";
import { ALU } from "./instructions-alu.ts";
import { BRANCHES } from "./instructions-branches.ts";
import { COP2 } from "./instructions-cop2.ts";
import { FPU } from "./instructions-fpu.ts";
import { MEMORY } from "./instructions-memory.ts";
import { SYSTEM } from "./instructions-system.ts";
import type { InstructionRow } from "./row.ts";

const typed32 = [...ALU, ...MEMORY, ...BRANCHES, ...SYSTEM, ...COP2, ...FPU] as const;
const typedInstructions = [...typed32, ...DOUBLEWORDS] as const;

/** All instructions of MIPS32 up to release 5: what engines execute. The position of a row is its index. */
export const INSTRUCTIONS: readonly InstructionRow[] = typed32;

/** The same and those of MIPS64: what can be assembled and disassembled. */
export const ALL_INSTRUCTIONS: readonly InstructionRow[] = typedInstructions;

/** The rows with their texts as literal types, from which operand types are derived. */
export type TypedInstruction = (typeof typedInstructions)[number];

/** The mnemonics of the table. */
export type Mnemonic = TypedInstruction["mnemonic"];

const indexes = new Map<InstructionRow, number>(INSTRUCTIONS.map((row, index) => [row, index]));
const byMnemonic = new Map<string, InstructionRow>(ALL_INSTRUCTIONS.map((row) => [row.mnemonic, row]));
const lowered: (readonly Statement[])[] = [];

/** A row that is not in {@link INSTRUCTIONS}, or a mnemonic that no row has. */
export class UnknownInstructionError extends Error {
  override readonly name = "UnknownInstructionError";
  readonly mnemonic: string;
  constructor(mnemonic: string) {
    super(`no instruction "${mnemonic}" in the table`);
    this.mnemonic = mnemonic;
  }
}

/** The dense index of a row, from 0 to `INSTRUCTIONS.length - 1`. Throws {@link UnknownInstructionError}. */
export function rowIndex(row: InstructionRow): number {
  const index = indexes.get(row);
  if (index === undefined) throw new UnknownInstructionError(row.mnemonic);
  return index;
}

/** The row of a mnemonic. Throws {@link UnknownInstructionError}. */
export function rowOf(mnemonic: string): InstructionRow {
  const row = byMnemonic.get(mnemonic);
  if (row === undefined) throw new UnknownInstructionError(mnemonic);
  return row;
}

/** The recorded meaning of a row. Recorded at the first call and kept. */
export function lowerRow(row: InstructionRow): readonly Statement[] {
  const index = rowIndex(row);
  let statements = lowered[index];
  if (statements === undefined) {
    const lowering = new Lowering();
    row.lower(lowering);
    statements = lowering.statements;
    lowered[index] = statements;
  }
  return statements;
}

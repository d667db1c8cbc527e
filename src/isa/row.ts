import type { Lowering } from "./ir.ts";

/** The level of the architecture at which an instruction appeared. Later levels include earlier ones. */
export type IsaLevel = "mips1" | "mips2" | "mips32" | "mips32r2";

/**
 * One instruction, stated once.
 *
 * `pattern` spells the 32-bit word from the most significant bit: runs of `0` and `1` are fixed, `name:width`
 * is a field, e.g. `"000000 rs:5 rt:5 rd:5 00000 100001"`. The field names are those of `operands.ts`.
 * `asm` is the operand list as written in assembly, e.g. `"rd, rs, rt"` or `"rt, imm(rs)"`.
 */
export interface InstructionRow {
  readonly mnemonic: string;
  readonly pattern: string;
  readonly asm: string;
  readonly level: IsaLevel;
  /** What the instruction is, where consumers treat it apart from the others. */
  readonly kind?: "branch" | "jump" | "cp0" | "fpu";
  /** The meaning. Absent only for FPU rows: they raise through `coprocessorUnusable`. */
  readonly lower: (l: Lowering) => void;
}

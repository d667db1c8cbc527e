import type { Lowering } from "./ir.ts";

/**
 * The level of the architecture at which an instruction appeared. Later levels include earlier ones. Release 5
 * stands here for what its 32-bit cores have together: the user-access instructions of EVA and TLBINV of
 * release 3, MFHC0 and MTHC0 of XPA, and ERETNC. The level of 64-bit CPUs is one for which code can be generated,
 * and not executed.
 */
export type IsaLevel = "mips1" | "mips2" | "mips32" | "mips32r2" | "mips32r5" | "mips64r2";

/** What each level was made from. */
const PREDECESSOR: Readonly<Record<IsaLevel, IsaLevel | null>> = {
  mips1: null,
  mips2: "mips1",
  mips32: "mips2",
  mips32r2: "mips32",
  mips32r5: "mips32r2",
  mips64r2: "mips32r2",
};

/** Whether a CPU of level `cpu` has the instructions that appeared at `instruction`. */
export function levelIncludes(cpu: IsaLevel, instruction: IsaLevel): boolean {
  for (let level: IsaLevel | null = cpu; level !== null; level = PREDECESSOR[level])
    if (level === instruction) return true;
  return false;
}

/**
 * What an instruction is, where consumers treat it apart from the others. `branch` is PC-relative and
 * `jump` is not; both have a delay slot. `cp0` needs access to coprocessor 0. FPU and coprocessor 2
 * branches are `fpu` and `cop2`, whose lowerings tell.
 */
export type InstructionKind = "branch" | "jump" | "cp0" | "fpu" | "cop2";

/**
 * One instruction, stated once.
 *
 * `pattern` spells the 32-bit word from the most significant bit: runs of `0` and `1` are fixed, `name:width`
 * is a field, e.g. `"000000 rs:5 rt:5 rd:5 ----- 100001"`. The field names are those of `operands.ts`.
 * A `-` is a bit that the manual wants to be zero and that decoders do not check: the word decodes whatever
 * it is, the encoder writes 0, and the disassembler (which is strict, like binutils) shows a `.word`.
 *
 * `asm` is the operand list as written in assembly, e.g. `"rd, rs, rt"` or `"rt, imm(rs)"`. An operand with
 * a `?` may be left out when it is zero, and `zero` is a register that is written but not encoded. A row
 * whose `asm` does not show all its fields has no spelling in assembly: it only gives words a meaning.
 *
 * Two patterns may overlap if one fixes all bits that the other fixes, and more: the more specific one wins.
 */
export interface InstructionRow {
  readonly mnemonic: string;
  readonly pattern: string;
  readonly asm: string;
  readonly level: IsaLevel;
  readonly kind?: InstructionKind;
  /** The meaning. Coprocessor 2, and what no FPU has, raise through `coprocessorUnusable`. */
  readonly lower: (l: Lowering) => void;
}

/** A row whose texts are known to the type checker, so that operand types can be derived from them. */
export interface TypedRow<M extends string, P extends string, A extends string> extends InstructionRow {
  readonly mnemonic: M;
  readonly pattern: P;
  readonly asm: A;
}

/** Builds a row in one line of a table. */
export function row<M extends string, P extends string, A extends string>(
  mnemonic: M,
  level: IsaLevel,
  pattern: P,
  asm: A,
  lower: (l: Lowering) => void,
  kind?: InstructionKind,
): TypedRow<M, P, A> {
  return { mnemonic, pattern, asm, level, lower, ...(kind === undefined ? {} : { kind }) };
}

import { decode } from "../../isa/decode.ts";
import { evaluate } from "./evaluate.ts";

/**
 * Where control goes after the delay slot of the branch `word` at `pc`, or null if it is no branch of a guest's CPU.
 * Registers are as after the branch: the CPU has executed it, so links are written already. `fcsr` is the guest's, for
 * branches of the FPU.
 */
export function branchTarget(word: number, pc: number, gpr: Int32Array, fcsr: number): number | null {
  const row = decode(word);
  if (row === null) return null;
  const effect = evaluate(row, word, pc, gpr, fcsr);
  return effect?.kind === "branch" ? effect.target : null;
}

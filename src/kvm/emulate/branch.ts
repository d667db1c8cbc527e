import { decode } from "../../isa/decode.ts";
import { evaluate } from "./evaluate.ts";

/**
 * Where control goes after the delay slot of the branch `word` at `pc`, or null if it is no branch that can
 * be worked out from the general registers (COP1 and COP2 branches). Registers are as after the branch: the
 * CPU has executed it, so links are written already.
 */
export function branchTarget(word: number, pc: number, gpr: Int32Array): number | null {
  const row = decode(word);
  if (row === null || (row.kind !== "branch" && row.kind !== "jump")) return null;
  const effect = evaluate(row, word, pc, gpr);
  return effect?.kind === "branch" ? effect.target : null;
}

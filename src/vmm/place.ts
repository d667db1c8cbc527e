import type { DebugView } from "../debug.ts";

/** A place in a run: in front of an instruction, whoever's it is. */
export interface Place {
  /** Instructions that the machine has executed. */
  readonly executed: number;
  /** Guest time in ticks. Instructions that exceptions end are counted late, so that it may go back by two. */
  readonly time: number;
  /** Address of the machine's next instruction. */
  readonly pc: number;
  /** Instructions that the guest has retired, and the address of its next. */
  readonly instructions: number;
  readonly guestPc: number;
}

/**
 * True if `a` is behind `b` in the same run. Places between which nothing was executed, as in front of an instruction
 * that raises and at the vector that it leads to, cannot be told apart so.
 */
export function isBehind(a: Place, b: Place): boolean {
  return a.executed > b.executed || (a.executed === b.executed && a.time > b.time);
}

/**
 * True if `a` and `b` are the same place to who looks at the guest, or at its host: the guest does not see how often the
 * host lets it try an instruction.
 */
export function isSame(view: DebugView["name"], a: Place, b: Place): boolean {
  if (view === "guest") return a.instructions === b.instructions && a.guestPc === b.guestPc;
  return a.executed === b.executed && a.time === b.time && a.pc === b.pc;
}

import { GPR } from "../../isa/registers.ts";

/** Host registers that a call preserves and that guest entry therefore keeps on the stack. */
// prettier-ignore
export const CALLEE_SAVED: readonly number[] = [
  GPR.s0, GPR.s1, GPR.s2, GPR.s3, GPR.s4, GPR.s5, GPR.s6, GPR.s7, GPR.gp, GPR.sp, GPR.s8, GPR.ra,
];

/** The host stack frame below the caller's stack pointer while a guest runs, as byte offsets. */
export const FRAME = {
  /** The callee-saved registers in the order of {@link CALLEE_SAVED}. */
  saved: 0,
  status: 4 * CALLEE_SAVED.length,
  vcpuScratch: 4 * CALLEE_SAVED.length + 4,
  tempScratch: 4 * CALLEE_SAVED.length + 8,
  /** A multiple of 8, as o32 asks of stack frames. */
  bytes: 4 * CALLEE_SAVED.length + 16,
} as const;

/** Room for the arguments of a called function below the frame (o32 asks for 16, twice that is customary). */
export const ARGUMENT_AREA = 32;

import { CP0 } from "../../isa/cp0.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import { mfc0 } from "./target.ts";

/** Where the host's kernel keeps the number of a CPU: at the top of Context, which exceptions leave alone. */
const SHIFT = 25;
/** log2 of the bytes of a word. */
const WORD_SHIFT = 2;

/** Context of host CPU `cpu`, to be set when that starts. */
export function contextOf(cpu: number): number {
  return (cpu << SHIFT) | 0;
}

/** Emits: `reg` = offset of this CPU's word in an array with a word for each. */
export function emitCpuOffset(asm: Assembler, reg: number): void {
  mfc0(asm.comment("the CPU's number is in Context"), reg, CP0.Context);
  asm.comment("its word in an array").srl(reg, reg, SHIFT - WORD_SHIFT);
}

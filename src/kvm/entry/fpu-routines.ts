import { CP0 } from "../../isa/cp0.ts";
import { FCR } from "../../isa/fpu.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { HostVa } from "../addresses.ts";
import { FPU_AREA } from "../layout.ts";
import { mfc0, mtc0 } from "./target.ts";

/** The host's routines for the FPU, which must be on, with registers of 64 bits but for the last. Each ends in host call `end`. */
export const FPU_ROUTINE = {
  /** Stores all registers at a0 (FPU_AREA). */
  save: "fpu_save",
  /** Loads them from there. */
  restore: "fpu_restore",
  /** FCSR = a0. */
  restoreFcsr: "fpu_restore_fcsr",
} as const;
export type FpuRoutine = keyof typeof FPU_ROUTINE;

/** Bytes of an FPU register. */
const REGISTER_BYTES = 8;

/** Emits the routines of {@link FPU_ROUTINE}. */
export function emitFpuRoutines(asm: Assembler, end: number): void {
  const { a0 } = GPR;
  asm.bind(FPU_ROUTINE.save);
  for (let n = 0; n < 32; n++) asm.sdc1(n, FPU_AREA.fpr + n * REGISTER_BYTES, a0);
  asm.sdbbp(end);
  asm.bind(FPU_ROUTINE.restore);
  for (let n = 0; n < 32; n++) asm.ldc1(n, FPU_AREA.fpr + n * REGISTER_BYTES, a0);
  asm.sdbbp(end);
  asm.bind(FPU_ROUTINE.restoreFcsr);
  asm.comment("may raise what a guest has enabled").ctc1(a0, FCR.FCSR);
  asm.sdbbp(end);
}

/**
 * Emits what the host's general vector does with an exception that the guest's FCSR raised where it was restored: the
 * register is written, so that it goes on behind. Falls through if the exception was raised anywhere else.
 */
export function emitFcsrFixup(asm: Assembler, labels: Readonly<Record<string, HostVa>>): void {
  const { k0, k1 } = GPR;
  const elsewhere = asm.label("no_fcsr");
  mfc0(asm, k0, CP0.EPC);
  asm.comment("where FCSR is restored").loadAddress(k1, labels[FPU_ROUTINE.restoreFcsr]!);
  asm.bne(k0, k1, elsewhere);
  asm.addiu(k0, k0, 4);
  mtc0(asm.comment("step over it"), k0, CP0.EPC);
  asm.clearHazard();
  asm.eret();
  asm.bind(elsewhere);
}

import type { HostVa } from "../addresses.ts";
import { labelsOf, section, type GeneratedCode } from "./code-block.ts";
import { VECTOR } from "./exception-vectors.ts";
import { emitFcsrFixup, emitFpuRoutines, FPU_ROUTINE, type FpuRoutine } from "./fpu-routines.ts";
import { emitHostRefill } from "./refill.ts";
import { emitSetPgd } from "./set-pgd.ts";
import type { CodeTarget } from "./target.ts";
import { emitFixup, emitUserAccess, USER_ACCESS, type UserAccess } from "./user-access.ts";
import { GPR } from "../../isa/registers.ts";

/** Codes of SDBBP with which host code calls out to TypeScript. */
export const HOST_CALL = {
  /** vcpu_run returned: v0 holds its result. */
  vcpuReturned: 0,
  /** A guest exited: the VCPU pointer is in a0, the answer belongs in v0. */
  exit: 1,
  /** The host kernel itself took an exception: a mistake of the hypervisor. */
  fault: 2,
  /** A routine for user memory ended: v0 holds its result. */
  userAccess: 3,
  /** A routine for the FPU ended. */
  fpu: 4,
} as const;

/** Where the routines lie behind the vectors, from the host's EBase. */
const ROUTINES = 0xa00;
const USER_ROUTINES = 0xb00;
const FPU_ROUTINES = 0xd00;

/** Bytes of the host's code. */
export const HOST_CODE_BYTES = 0x1000;

/** The host kernel's vectors and the routines that the code of all vcpus uses. */
export interface HostCode extends GeneratedCode {
  readonly ebase: HostVa;
  readonly setPgd: HostVa;
  readonly handleExit: HostVa;
  /** Return address for a call of vcpu_run from TypeScript. */
  readonly vcpuReturned: HostVa;
  readonly userAccess: Readonly<Record<UserAccess, HostVa>>;
  /** Null on a host without FPU. */
  readonly fpu: Readonly<Record<FpuRoutine, HostVa>> | null;
}

/** Generates the host kernel's code at `ebase` (one 4 KiB page in kseg0). */
export function buildHostCode(target: CodeTarget, ebase: HostVa, pgdCurrent: HostVa): HostCode {
  const { level } = target;
  const userRoutines = section(
    "user_access",
    ebase + USER_ROUTINES,
    level,
    (FPU_ROUTINES - USER_ROUTINES) / 4,
    (asm) => emitUserAccess(asm, target, HOST_CALL.userAccess),
  );
  const fpuRoutines = target.fpu
    ? [
        section("fpu", ebase + FPU_ROUTINES, level, (HOST_CODE_BYTES - FPU_ROUTINES) / 4, (asm) =>
          emitFpuRoutines(asm, HOST_CALL.fpu),
        ),
      ]
    : [];
  const labels = labelsOf([userRoutines, ...fpuRoutines]);
  const sections = [
    section("host_tlb_refill", ebase, level, 0x100 / 4, (asm) => {
      asm.bind("host_tlb_refill");
      emitHostRefill(asm, target, pgdCurrent);
    }),
    section("host_general", ebase + VECTOR.general, level, (VECTOR.interrupt - VECTOR.general) / 4, (asm) => {
      asm.bind("host_general");
      emitFixup(asm, labels);
      if (target.fpu) emitFcsrFixup(asm, labels);
      asm.sdbbp(HOST_CALL.fault);
    }),
    section("host_interrupt", ebase + VECTOR.interrupt, level, VECTOR.spacing / 4, (asm) => {
      asm.bind("host_interrupt");
      asm.sdbbp(HOST_CALL.fault);
    }),
    section("host_routines", ebase + ROUTINES, level, (USER_ROUTINES - ROUTINES) / 4, (asm) => {
      asm.bind("set_pgd");
      emitSetPgd(asm, target, pgdCurrent);
      asm.bind("handle_exit");
      asm.sdbbp(HOST_CALL.exit);
      asm.jr(GPR.ra);
      asm.nop();
      asm.bind("vcpu_returned");
      asm.sdbbp(HOST_CALL.vcpuReturned);
    }),
    userRoutines,
    ...fpuRoutines,
  ];
  const entries = labelsOf(sections);
  return {
    sections,
    entries,
    ebase,
    setPgd: entries["set_pgd"]!,
    handleExit: entries["handle_exit"]!,
    vcpuReturned: entries["vcpu_returned"]!,
    userAccess: {
      loadWord: entries[USER_ACCESS.loadWord]!,
      storeInstruction: entries[USER_ACCESS.storeInstruction]!,
      flushData: entries[USER_ACCESS.flushData]!,
      flushInstruction: entries[USER_ACCESS.flushInstruction]!,
    },
    fpu: target.fpu
      ? {
          save: entries[FPU_ROUTINE.save]!,
          restore: entries[FPU_ROUTINE.restore]!,
          restoreFcsr: entries[FPU_ROUTINE.restoreFcsr]!,
        }
      : null,
  };
}

import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { HostVa } from "../addresses.ts";
import { emitCpuOffset } from "./cpu-number.ts";
import { nativeOps, type CodeTarget } from "./target.ts";

/**
 * Emits the host's routine that makes a0 (kseg0 address of a root) the current pgd: for handlers without a
 * pgd register in this CPU's word of the array at `pgdCurrent`, else in the register too. Clobbers a1 and, with
 * several CPUs, a2 only: guest entry calls it with live values in k0 and k1.
 */
export function emitSetPgd(asm: Assembler, target: CodeTarget, pgdCurrent: HostVa): void {
  const { pgd } = target.scratch;
  if (target.cpus > 1) emitCpuOffset(asm, GPR.a2);
  const low = asm.comment("publish the root in memory").loadAddressMostly(GPR.a1, pgdCurrent);
  if (target.cpus > 1) asm.addu(GPR.a1, GPR.a1, GPR.a2);
  const native = nativeOps(asm, target);
  native.store(GPR.a0, low, GPR.a1);
  if (pgd !== null) {
    asm.comment("and in its register");
    native.moveTo(GPR.a0, pgd);
  }
  asm.jr(GPR.ra);
  if (pgd === null) asm.nop();
  else asm.ehb();
}

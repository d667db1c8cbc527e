import type { Gva } from "../addresses.ts";
import { faultingBranch } from "../guest-memory.ts";
import type { VcpuState } from "../vcpu-state.ts";
import { branchTarget } from "./branch.ts";

/**
 * Where the guest goes on once the instruction of this exit is finished: the next word, or behind the branch
 * in whose delay slot it is. Null if that branch cannot be read or worked out.
 */
export function resumePc(vcpu: VcpuState): Gva | null {
  const { pc, gpr } = vcpu.regs;
  if (!vcpu.inDelaySlot) return (pc + 4) >>> 0;
  const branch = faultingBranch(vcpu);
  return branch === null ? null : branchTarget(branch, pc, gpr, vcpu.fpu?.fcsr ?? 0);
}

import type { Gva, Hpa } from "./addresses.ts";
import { backingPage, translate } from "./translate.ts";
import { faultingPc, inUserMode, type VcpuState } from "./vcpu-state.ts";

/**
 * Host address behind `gva` as a load of the guest's current mode would reach it, or -1. The live GVA table
 * answers if it can; else guest TLB and memslots do, without an exception in the guest.
 */
function guestHpa(vcpu: VcpuState, gva: Gva, write = false): Hpa {
  const user = inUserMode(vcpu);
  const { mmu, pageSize } = vcpu;
  const { format } = mmu.tables;
  if (mmu.refill === "fast" && !write) {
    const pte = mmu.lookup(gva, user);
    if (format.present(pte) && format.valid(pte)) return format.hpa(pte) + (gva & (pageSize - 1));
  }
  const found = translate(vcpu, gva, user);
  if (found.kind === "commpage") return vcpu.regs.commpage + (gva & (pageSize - 1));
  if (found.kind !== "direct" && found.kind !== "mapped") return -1;
  if (found.kind === "mapped" && (!found.valid || (write && !found.dirty))) return -1;
  const page = backingPage(vcpu, found.gpa, write);
  if (page === null || (write && !page.writable)) return -1;
  return page.hpa + (gva & (pageSize - 1));
}

/** The word at `gva` (word aligned) as the guest sees it, unsigned, or null if it cannot read there. */
export function readGuestWord(vcpu: VcpuState, gva: Gva): number | null {
  if ((gva & 3) !== 0) return null;
  const hpa = guestHpa(vcpu, gva);
  return hpa < 0 ? null : vcpu.machine.memory.read32(hpa);
}

/**
 * Replaces the instruction at `gva` in guest memory; what was decoded of it is forgotten. False, and nothing
 * changed, if the guest itself could not write there.
 */
export function writeGuestInstruction(vcpu: VcpuState, gva: Gva, word: number): boolean {
  const hpa = guestHpa(vcpu, gva, true);
  if (hpa < 0) return false;
  vcpu.machine.write32(hpa, word);
  return true;
}

/**
 * The instruction that caused the exit, or null if it cannot be read any more. It is read from guest memory even
 * on hosts with BadInstr: that register is stale where a fetch was at fault.
 */
export function faultingInstruction(vcpu: VcpuState): number | null {
  return readGuestWord(vcpu, faultingPc(vcpu));
}

/** The branch in whose delay slot the exit was caused, or null if it cannot be read. */
export function faultingBranch(vcpu: VcpuState): number | null {
  return readGuestWord(vcpu, vcpu.regs.pc);
}

import type { Gva } from "./addresses.ts";
import type { UserAccess } from "./entry/user-access.ts";
import { HostFaultError } from "./errors.ts";
import { fill, type Fill } from "./fill.ts";
import { peekTranslation } from "./translate.ts";
import { faultingPc, guestAsid, inUserMode, type VcpuState } from "./vcpu-state.ts";

/**
 * The hypervisor's own accesses to guest memory. They are made by host code, on the machine's CPU, as a kernel
 * accesses the memory of its processes: in the guest's address space, which stays live after an exit, through host
 * TLB and refill handler. A fault comes back as a value, and the page is then filled as if the guest had touched it.
 */

/**
 * Makes the address space of the guest's mode live, if the exit that is being handled has changed mode or ASID since
 * the guest was entered.
 */
function makeLive(vcpu: VcpuState): void {
  const { host } = vcpu.mmu;
  const user = inUserMode(vcpu);
  const mm = vcpu.mmu.mmOf(user);
  if (host.isLive(mm)) return;
  vcpu.mmu.beforeEntry(user, guestAsid(vcpu));
  host.activate(mm);
}

/**
 * Has the host execute a routine for user memory on `gva`, as the guest's current mode sees it. Returns the word that
 * was loaded (unsigned, 0 where none is), or why the guest itself could not make that access. To be used in guest
 * context only: the guest's address space is live afterwards.
 */
export function accessGuest(
  vcpu: VcpuState,
  access: UserAccess,
  gva: Gva,
  value = 0,
): number | Exclude<Fill, { kind: "filled" }> {
  makeLive(vcpu);
  const first = attempt(vcpu, access, gva, value);
  if (first !== null) return first;
  const outcome = fill(vcpu, gva, access === "storeInstruction");
  if (outcome.kind !== "filled") return outcome;
  const second = attempt(vcpu, access, gva, value);
  // What was just filled is there.
  if (second === null) throw new HostFaultError(vcpu.machine);
  return second;
}

/** The same once, in the live address space: null if the access raised. */
function attempt({ mmu, map }: VcpuState, access: UserAccess, gva: Gva, value: number): number | null {
  // Host code on addresses beyond the guest's would reach the host's kernel.
  return gva <= map.lastGva ? mmu.host.accessUser(access, gva, value) : null;
}

/** The word at `gva` (word aligned) as the guest sees it, unsigned, or null if it cannot read there. */
export function readGuestWord(vcpu: VcpuState, gva: Gva): number | null {
  if ((gva & 3) !== 0) return null;
  const word = accessGuest(vcpu, "loadWord", gva);
  return typeof word === "number" ? word : null;
}

/**
 * As {@link readGuestWord}, for someone who only looks: the host executes nothing, and nothing is filled or counted. It
 * never throws, whatever state host and guest are in.
 */
export function peekGuestWord(vcpu: VcpuState, gva: Gva): number | null {
  if ((gva & 3) !== 0) return null;
  const found = peekTranslation(vcpu, gva, inUserMode(vcpu));
  if (found.kind === "commpage") return vcpu.cp0[(gva % vcpu.pageSize) >>> 2]! >>> 0;
  if (!("gpa" in found) || (found.kind === "mapped" && !found.valid)) return null;
  const hpa = vcpu.slots.gpaToHpa(found.gpa, false);
  return hpa < 0 ? null : vcpu.machine.memory.read32(hpa);
}

/**
 * Replaces the instruction at `gva` in guest memory, and has the host fetch it anew. False, and nothing changed, if
 * the guest itself could not write there.
 */
export function writeGuestInstruction(vcpu: VcpuState, gva: Gva, word: number): boolean {
  return typeof accessGuest(vcpu, "storeInstruction", gva, word) === "number";
}

/**
 * The word that the host has kept in a BadInstr register, else the one in guest memory. 0, a NOP, neither raises nor
 * branches: the register holds it where the CPU could not see the word any more.
 */
function instruction(vcpu: VcpuState, kept: number, gva: Gva): number | null {
  return vcpu.mmu.host.target.badInstr && kept !== 0 ? kept : readGuestWord(vcpu, gva);
}

/**
 * The instruction that caused the exit, or null if the guest cannot fetch it any more: then it has to try, and takes
 * the exception itself. Not meaningful where the fetch raised.
 */
export function faultingInstruction(vcpu: VcpuState): number | null {
  return instruction(vcpu, vcpu.regs.badInstr, faultingPc(vcpu));
}

/** The branch in whose delay slot the exit was caused, or null if the guest cannot fetch it any more. */
export function faultingBranch(vcpu: VcpuState): number | null {
  return instruction(vcpu, vcpu.regs.badInstrP, vcpu.regs.pc);
}

import { CP0, ENTRY_HI, ENTRY_LO, STATUS } from "../isa/cp0.ts";
import type { Gva } from "./addresses.ts";
import { InvariantError } from "./errors.ts";
import { GUEST_MODE_MASK, GUEST_USER_MODE } from "./guest-mode.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { BackingPage } from "./shadow-mmu.ts";
import { backingPage, translate } from "./translate.ts";
import { guestAsid, type VcpuState } from "./vcpu-state.ts";

/**
 * What must hold whenever the hypervisor proper runs, by number:
 *
 * 1. right before a guest is entered, the address space of its mode has a current host ASID;
 * 2. in the host, EBase, HWREna and Status are the host's; EntryHi.ASID and the live root belong to one
 *    address space: the VMM's outside guest context, after an exit that of the guest's mode at entry;
 * 3. a valid host TLB entry in a guest ASID says what that mode's GVA table says (with `refill: "slow"`:
 *    what guest TLB and memslots say);
 * 4. a present GVA PTE has a valid guest mapping to the same page;
 * 5. a GVA PTE that lets stores through has a guest mapping that does, and memory that may be written;
 * 6. the host's half of a guest root is that of the host kernel's root.
 *
 * That a walk under an update never allocates, and that refills keep k0 and k1, is the business of unit tests.
 */
export type Moment =
  | "outside" // in the host, no guest context
  | "exit-kernel" // after an exit, the guest having been entered in kernel mode
  | "exit-user";

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

function fail(invariant: number, what: string): never {
  throw new InvariantError(invariant, what);
}

function checkHost(vcpu: VcpuState, host: HostKernel, moment: Moment): void {
  const { cp0 } = vcpu.machine.cpu;
  const { regs } = vcpu;
  if (cp0[CP0.EBase]! >>> 0 !== host.code.ebase) fail(2, `EBase is ${hex(cp0[CP0.EBase]!)} in the host`);
  if (cp0[CP0.HWREna]! !== host.target.hwrena) fail(2, `HWREna is ${hex(cp0[CP0.HWREna]!)} in the host`);
  const status = cp0[CP0.Status]!;
  const gate = STATUS.CU0 | STATUS.BEV | STATUS.UM | STATUS.EXL | STATUS.ERL;
  if ((status & gate) !== STATUS.CU0) fail(2, `Status is ${hex(status)} in the host`);
  const mm = moment === "outside" ? host.vmmMm : moment === "exit-user" ? regs.userMm : regs.kernelMm;
  if (host.liveAsid !== host.asids.asid(mm)) fail(2, `ASID ${host.liveAsid} is live at ${moment}`);
  if (host.livePgd !== mm.pgd) fail(2, `root ${hex(host.livePgd)} is live at ${moment}`);
}

/** What the guest itself has mapped at the host page at `gva`: the truth that everything else derives from. */
function truth(vcpu: VcpuState, gva: Gva, user: boolean): BackingPage | null {
  const found = translate(vcpu, gva, user);
  switch (found.kind) {
    case "commpage":
      return { hpa: vcpu.regs.commpage, writable: true };
    case "direct":
      return backingPage(vcpu, found.gpa, true);
    case "mapped":
      return found.valid ? backingPage(vcpu, found.gpa, found.dirty) : null;
    default:
      return null;
  }
}

function checkTable(vcpu: VcpuState, user: boolean): void {
  const { tables } = vcpu.mmu;
  const { format } = tables;
  const where = user ? "user" : "kernel";
  tables.forEachPte(vcpu.mmu.mmOf(user).pgd, (gva, pte) => {
    const page = truth(vcpu, gva, user);
    if (page === null || page.hpa !== format.hpa(pte))
      fail(4, `the ${where} table maps ${hex(gva)} to ${hex(format.hpa(pte))}, the guest does not`);
    if (format.hardwareWritable(pte) && !page.writable)
      fail(5, `${hex(gva)} is writable in the ${where} table`);
  });
}

/** EntryLo fields that translation depends on. */
const COMPARED = ENTRY_LO.PFN | ENTRY_LO.V | ENTRY_LO.D;

function checkHalf(vcpu: VcpuState, gva: Gva, lo: number, user: boolean): void {
  if ((lo & ENTRY_LO.V) === 0) return;
  const where = `the host TLB entry of ${hex(gva)} in ${user ? "user" : "kernel"} mode`;
  if (vcpu.mmu.refill === "fast") {
    const pte = vcpu.mmu.lookup(gva, user);
    const expected = vcpu.mmu.tables.format.toEntryLo(pte);
    if (((expected ^ lo) & COMPARED) !== 0) fail(3, `${where} is ${hex(lo)}, its PTE is ${hex(pte)}`);
    return;
  }
  const page = truth(vcpu, gva, user);
  const hpa = ((lo & ENTRY_LO.PFN) >>> ENTRY_LO.PFN_SHIFT) * 4096;
  if (page?.hpa !== hpa) fail(3, `${where} maps ${hex(hpa)}, the guest does not`);
  if ((lo & ENTRY_LO.D) !== 0 && !page.writable) fail(3, `${where} is writable`);
}

function checkHostTlb(vcpu: VcpuState, host: HostKernel, user: boolean): void {
  const mm = vcpu.mmu.mmOf(user);
  if (!host.asids.isCurrent(mm)) return;
  const { tlb } = vcpu.machine.cpu;
  for (let index = 0; index < tlb.entries; index++) {
    const { entryHi, entryLo0, entryLo1 } = tlb.read(index);
    if (!tlb.isUsed(index) || (entryHi & ENTRY_HI.ASID) !== host.asids.asid(mm)) continue;
    const base = (entryHi & ENTRY_HI.VPN2 & ~(2 * vcpu.pageSize - 1)) >>> 0;
    checkHalf(vcpu, base, entryLo0, user);
    checkHalf(vcpu, base + vcpu.pageSize, entryLo1, user);
  }
}

function checkHostHalf(vcpu: VcpuState, host: HostKernel, user: boolean): void {
  const { tables } = vcpu.mmu;
  const { memory } = vcpu.machine;
  const { pgd } = vcpu.mmu.mmOf(user);
  const { pgdEntries, pgdShift } = tables.geometry;
  for (let slot = (tables.map.lastGva >>> pgdShift) + 1; slot < pgdEntries; slot++)
    if (memory.read32(pgd + 4 * slot) !== memory.read32(host.pgd + 4 * slot))
      fail(6, `slot ${slot} of a guest root is ${hex(memory.read32(pgd + 4 * slot))}`);
}

/** Checks invariants 2 to 6. Throws {@link InvariantError}. Counters are as before. */
export function checkInvariants(vcpu: VcpuState, moment: Moment): void {
  const { host } = vcpu.mmu;
  const { guestTlbLookups } = vcpu.stats;
  checkHost(vcpu, host, moment);
  for (const user of [false, true]) {
    checkHostHalf(vcpu, host, user);
    // A table is emptied before it is used with another guest ASID: the kernel's at the next exit (the guest can
    // store to its EntryHi without one), the user's when user mode is entered.
    if (vcpu.mmu.guestAsidOf(user) !== guestAsid(vcpu)) continue;
    checkTable(vcpu, user);
    checkHostTlb(vcpu, host, user);
  }
  vcpu.stats.guestTlbLookups = guestTlbLookups;
}

/** Checks invariant 1 right before an entry, and that the generated code will choose the mode's address space. */
export function checkEntry(vcpu: VcpuState): void {
  const { regs } = vcpu;
  const user = (vcpu.cp0[CP0.Status]! & GUEST_MODE_MASK) === GUEST_USER_MODE;
  const mm = user ? regs.userMm : regs.kernelMm;
  if (!vcpu.mmu.host.asids.isCurrent(mm)) fail(1, `the guest's address space has a stale ASID at entry`);
  if (vcpu.mmu.guestAsidOf(user) !== guestAsid(vcpu)) fail(1, "the mode's table is of another guest ASID");
  if (regs.cop0 !== regs.commpage) fail(1, "the vcpu structure points at another register array");
}

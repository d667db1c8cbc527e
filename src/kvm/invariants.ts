import { CP0, EBASE, ENTRY_HI, ENTRY_LO, STATUS } from "../isa/cp0.ts";
import type { Tlb } from "../machine/tlb.ts";
import type { Gva, Hpa } from "./addresses.ts";
import { InvariantError } from "./errors.ts";
import { GUEST_MODE_MASK, GUEST_USER_MODE } from "./guest-mode.ts";
import type { GvaRoot } from "./gva-roots.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { BackingPage } from "./shadow-mmu.ts";
import { backingPage, peekTranslation } from "./translate.ts";
import { guestAsid, type VcpuState } from "./vcpu-state.ts";

/**
 * What must hold whenever the hypervisor proper runs, by number. Each root of GVA tables is looked at, used at the
 * moment or not, and compared with what the guest has mapped in the guest ASID that the root belongs to:
 *
 * 1. right before a guest is entered, the address space of its mode has a current host ASID, and no other has it;
 * 2. in the host, EBase, HWREna and Status are the host's, but for the FPU after an exit of a guest that has it; EntryHi.ASID and the live root belong to one
 *    address space: the VMM's outside guest context, after an exit that of the guest's mode at entry; and the CPU
 *    counts as running the VMM's outside guest context only;
 * 3. a valid entry of any CPU's host TLB in a root's ASID there says what that root's tables say (with `refill:
 *    "slow"`: what guest TLB and memslots say), and is not global;
 * 4. a present GVA PTE has a valid guest mapping to the same page;
 * 5. a GVA PTE that lets stores through has a guest mapping that does, and memory that may be written;
 * 6. the host's half of a guest root is that of the host kernel's root;
 * 7. all roots of a mode link to the same tables in direct segments, and to different ones elsewhere.
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
  if ((cp0[CP0.EBase]! & ~EBASE.CPUNUM) >>> 0 !== host.code.ebase)
    fail(2, `EBase is ${hex(cp0[CP0.EBase]!)} in the host`);
  if (cp0[CP0.HWREna]! !== host.target.hwrena) fail(2, `HWREna is ${hex(cp0[CP0.HWREna]!)} in the host`);
  const status = cp0[CP0.Status]!;
  const gate = STATUS.CU0 | STATUS.BEV | STATUS.UM | STATUS.EXL | STATUS.ERL;
  if ((status & gate) !== STATUS.CU0) fail(2, `Status is ${hex(status)} in the host`);
  const hasFpu = moment !== "outside" && vcpu.fpu?.isLive === true;
  if ((status & STATUS.CU1) !== 0 && !hasFpu) fail(2, `Status is ${hex(status)}, and no guest has the FPU`);
  const mm = moment === "outside" ? host.vmmMm : moment === "exit-user" ? regs.userMm : regs.kernelMm;
  if (host.liveAsid !== host.asids.asid(mm)) fail(2, `ASID ${host.liveAsid} is live at ${moment}`);
  if (host.livePgd !== mm.pgd) fail(2, `root ${hex(host.livePgd)} is live at ${moment}`);
  if (host.vmmRunsOn.has(host.cpu) !== (moment === "outside"))
    fail(2, `CPU ${host.cpu} is taken for the other kind`);
}

/** A root to look at: whose it is, and what to call it. */
interface Subject {
  readonly vcpu: VcpuState;
  readonly root: GvaRoot;
  readonly user: boolean;
}

const nameOf = ({ root, user }: Subject): string =>
  `the ${user ? "user" : "kernel"} table of ASID ${root.guestAsid}`;

/** What the guest itself has mapped at the host page at `gva`: the truth that everything else derives from. */
function truth({ vcpu, root, user }: Subject, gva: Gva): BackingPage | null {
  const found = peekTranslation(vcpu, gva, user, root.guestAsid, vcpu.mmu.usegIsPhysical);
  switch (found.kind) {
    case "commpage":
      return { hpa: vcpu.regs.cp0Page, writable: true };
    case "direct":
      return backingPage(vcpu, found.gpa, true);
    case "mapped":
      return found.valid ? backingPage(vcpu, found.gpa, found.dirty) : null;
    default:
      return null;
  }
}

function checkPte(subject: Subject, gva: Gva, pte: number): void {
  const { format } = subject.vcpu.mmu.tables;
  const page = truth(subject, gva);
  if (page === null || page.hpa !== format.hpa(pte))
    fail(4, `${nameOf(subject)} maps ${hex(gva)} to ${hex(format.hpa(pte))}, the guest does not`);
  if (format.hardwareWritable(pte) && !page.writable)
    fail(5, `${hex(gva)} is writable in ${nameOf(subject)}`);
}

/** EntryLo fields that translation depends on. */
const COMPARED = ENTRY_LO.PFN | ENTRY_LO.V | ENTRY_LO.D;

function checkHalf(subject: Subject, gva: Gva, lo: number): void {
  const { mmu } = subject.vcpu;
  const where = (): string => `the host TLB entry of ${hex(gva)} for ${nameOf(subject)}`;
  if ((lo & ENTRY_LO.G) !== 0) fail(3, `${where()} is global`);
  if ((lo & ENTRY_LO.V) === 0) return;
  if (mmu.refill === "fast") {
    const pte = mmu.tables.lookup(subject.root.pgd, gva);
    const expected = mmu.tables.format.toEntryLo(pte);
    if (((expected ^ lo) & COMPARED) !== 0) fail(3, `${where()} is ${hex(lo)}, its PTE is ${hex(pte)}`);
    return;
  }
  const page = truth(subject, gva);
  const hpa = ((lo & ENTRY_LO.PFN) >>> ENTRY_LO.PFN_SHIFT) * 4096;
  if (page?.hpa !== hpa) fail(3, `${where()} maps ${hex(hpa)}, the guest does not`);
  if ((lo & ENTRY_LO.D) !== 0 && !page.writable) fail(3, `${where()} is writable`);
}

/** Looks at all entries of the host TLB that are in an ASID of `byAsid`. */
function checkHostTlb(vcpu: VcpuState, tlb: Tlb, byAsid: ReadonlyMap<number, Subject>): void {
  for (let index = 0; index < tlb.entries; index++) {
    if (!tlb.isUsed(index)) continue;
    const { entryHi, entryLo0, entryLo1 } = tlb.read(index);
    const subject = byAsid.get(entryHi & ENTRY_HI.ASID);
    if (subject === undefined) continue;
    const base = (entryHi & ENTRY_HI.VPN2 & ~(2 * vcpu.pageSize - 1)) >>> 0;
    checkHalf(subject, base, entryLo0);
    checkHalf(subject, base + vcpu.pageSize, entryLo1);
  }
}

function checkHostHalf(subject: Subject): void {
  const { vcpu, root } = subject;
  const { tables, host } = vcpu.mmu;
  const { u32, plan } = vcpu.machine.memory;
  const { pgdEntries, pgdShift } = tables.geometry;
  const at = (plan.ram + root.pgd) >>> 2;
  const hostAt = (plan.ram + host.pgd) >>> 2;
  for (let slot = (tables.map.lastGva >>> pgdShift) + 1; slot < pgdEntries; slot++)
    if (u32[at + slot] !== u32[hostAt + slot])
      fail(6, `slot ${slot} of the root of ${nameOf(subject)} is ${hex(u32[at + slot]!)}`);
}

/**
 * The tables of one mode's roots. `owners` gathers the tables that only one root may have; what is shared is
 * looked into once.
 */
function checkTables(subjects: readonly Subject[], owners: Set<Hpa>): void {
  const shared = new Map<number, Hpa>();
  for (const [n, subject] of subjects.entries()) {
    const { tables } = subject.vcpu.mmu;
    let links = 0;
    tables.forEachTable(subject.root.pgd, (slot, table) => {
      if (tables.isShared(slot << tables.geometry.pgdShift)) {
        links++;
        if (n === 0) shared.set(slot, table);
        else if (shared.get(slot) === table) return;
        else fail(7, `${nameOf(subject)} does not share what it has in slot ${slot}`);
      } else if (owners.has(table)) fail(7, `${nameOf(subject)} has someone else's in slot ${slot}`);
      owners.add(table);
      tables.forEachPteOf(slot, table, (gva, pte) => checkPte(subject, gva, pte));
    });
    if (links !== shared.size) fail(7, `${nameOf(subject)} lacks shared tables`);
  }
}

/**
 * Checks invariants 2 to 7, or without `tables`, which take long to go through, 2 and 3. Throws
 * {@link InvariantError}. Nothing changes.
 */
export function checkInvariants(vcpu: VcpuState, moment: Moment, tables = true): void {
  checkHost(vcpu, vcpu.mmu.host, moment);
  checkMappings(vcpu, tables);
}

/** Checks invariants 3 to 7, or without `tables` 3: they hold at any moment. As {@link checkInvariants}. */
export function checkMappings(vcpu: VcpuState, tables = true): void {
  const { host } = vcpu.mmu;
  const all: Subject[] = [];
  const owners = new Set<Hpa>();
  for (const user of [false, true]) {
    const subjects = vcpu.mmu.roots(user).map((root) => ({ vcpu, root, user }));
    if (tables) checkTables(subjects, owners);
    for (const subject of subjects) {
      if (tables) checkHostHalf(subject);
      all.push(subject);
    }
  }
  for (const { number, tlb } of vcpu.machine.cpus) {
    const current = all.filter(({ root }) => host.asids.isCurrent(root, number));
    checkHostTlb(
      vcpu,
      tlb,
      new Map(current.map((subject) => [host.asids.asid(subject.root, number), subject])),
    );
  }
}

/** Checks invariant 1 right before an entry, and that the generated code will choose the mode's address space. */
export function checkEntry(vcpu: VcpuState): void {
  const { regs, mmu } = vcpu;
  const { asids, cpu } = mmu.host;
  const user = (vcpu.cp0[CP0.Status]! & GUEST_MODE_MASK) === GUEST_USER_MODE;
  const mm = user ? regs.userMm : regs.kernelMm;
  if (!asids.isCurrent(mm)) fail(1, `the guest's address space has a stale ASID at entry`);
  const same = [...mmu.roots(false), ...mmu.roots(true)].filter(
    (root) => root.context(cpu) === mm.context(cpu),
  );
  if (same.length !== 1 || same[0]!.pgd !== mm.pgd)
    fail(1, "the ASID at entry is not that of the root alone");
  if (mmu.guestAsidOf(user) !== guestAsid(vcpu)) fail(1, "the mode's table is of another guest ASID");
  if (regs.cop0 !== regs.cp0Page) fail(1, "the vcpu structure points at another register array");
}

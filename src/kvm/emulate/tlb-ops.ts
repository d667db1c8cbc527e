import { CP0, ENTRY_HI, ENTRY_LO, INDEX, STATUS } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { legalPageMask, randomIndex } from "../../machine/tlb.ts";
import { deliver } from "../deliver.ts";
import { guestAsid, type VcpuState } from "../vcpu-state.ts";

/** Writes the guest's EntryHi. A new ASID changes what the guest's mapped addresses mean. */
export function writeEntryHi(vcpu: VcpuState, value: number): void {
  vcpu.cp0[CP0.EntryHi] = value & vcpu.guestCpu.write(vcpu.cp0, CP0.EntryHi).mask;
  syncGuestAsid(vcpu);
}

/** Follows the ASID in the guest's EntryHi, which the guest can also change by a store to its commpage. */
function syncGuestAsid(vcpu: VcpuState): void {
  const asid = guestAsid(vcpu);
  const old = vcpu.mmu.setGuestAsid(asid);
  if (old === asid) return;
  vcpu.stats.asidChanges++;
  vcpu.tracer.kvm_asid_change?.(vcpu.regs.pc, old, asid);
}

/** Follows what the guest's Status and EntryHi mean to its address space, which it can also store to its commpage. */
export function syncAddressSpace(vcpu: VcpuState): void {
  vcpu.mmu.setUsegPhysical((vcpu.cp0[CP0.Status]! & STATUS.ERL) !== 0);
  syncGuestAsid(vcpu);
}

/** TLBP: Index names the entry that matches EntryHi, or has its P bit set. */
export function tlbp(vcpu: VcpuState): void {
  const { cp0 } = vcpu;
  vcpu.stats.guestTlbLookups++;
  const index = vcpu.guestTlb.lookup(cp0[CP0.EntryHi]!, guestAsid(vcpu));
  cp0[CP0.Index] = index >= 0 ? index : cp0[CP0.Index]! | INDEX.P;
}

function indexRegister(vcpu: VcpuState): number {
  return vcpu.cp0[CP0.Index]! & (vcpu.guestTlb.size - 1);
}

/** TLBR: EntryHi, EntryLo0, EntryLo1 and PageMask are those of entry Index; EHINV says that it matches nothing. */
export function tlbr(vcpu: VcpuState): void {
  const { cp0, guestTlb } = vcpu;
  const index = indexRegister(vcpu);
  const entry = guestTlb.read(index);
  cp0[CP0.PageMask] = entry.pageMask;
  cp0[CP0.EntryLo0] = entry.entryLo0;
  cp0[CP0.EntryLo1] = entry.entryLo1;
  // Where the guest's CPU has no EHINV, it is not written either.
  writeEntryHi(vcpu, guestTlb.isUsed(index) ? entry.entryHi : ENTRY_HI.EHINV);
}

/**
 * Random, as on the machine ({@link randomIndex}), by the instructions that the guest retires. So it depends on what
 * the guest did and on nothing else.
 */
export function random(vcpu: VcpuState): number {
  const { size } = vcpu.guestTlb;
  const wired = vcpu.cp0[CP0.Wired]! & (size - 1);
  return randomIndex(size, wired, vcpu.machine.timeline.retired - vcpu.randomStart);
}

/** How the write of a guest TLB entry ended. */
export type TlbWrite =
  | { readonly kind: "written" }
  /** The guest was given an exception. */
  | { readonly kind: "exception" }
  /** The hypervisor cannot carry it out, and `why`. */
  | { readonly kind: "unsupported"; readonly why: string };

/** Writes entry `index` from the guest's registers. One that matches what another matches is a machine check. */
function writeEntry(vcpu: VcpuState, index: number): TlbWrite {
  const { cp0, guestTlb, pageSize } = vcpu;
  const entry = {
    entryHi: cp0[CP0.EntryHi]!,
    pageMask: legalPageMask(cp0[CP0.PageMask]!),
    entryLo0: vcpu.guestCpu.entryLo(cp0, CP0.EntryLo0),
    entryLo1: vcpu.guestCpu.entryLo(cp0, CP0.EntryLo1),
  };
  if (guestTlb.conflicts(index, entry)) {
    cp0[CP0.Status] = cp0[CP0.Status]! | STATUS.TS;
    deliver(vcpu, EXC_CODE.MCheck);
    return { kind: "exception" };
  }
  const guestPage = ((entry.pageMask | 0x1fff) + 1) >>> 1;
  if (guestPage < pageSize && ((entry.entryLo0 | entry.entryLo1) & ENTRY_LO.V) !== 0) {
    const why = `the guest maps a page of ${guestPage} bytes, but the host's pages have ${pageSize}: run it on smaller host pages`;
    return { kind: "unsupported", why };
  }
  // Nothing is derived from the new entry yet.
  dropDerived(vcpu, index);
  guestTlb.write(index, entry);
  return { kind: "written" };
}

/** Drops what is derived from entry `index`, which is about to go. */
function dropDerived({ mmu, guestTlb }: VcpuState, index: number): void {
  if (guestTlb.isValid(index))
    mmu.dropRange(guestTlb.base(index), 2 * guestTlb.pageSize(index), guestTlb.asid(index));
}

/** TLBWI; with EntryHi.EHINV it invalidates the entry. */
export function tlbwi(vcpu: VcpuState): TlbWrite {
  const index = indexRegister(vcpu);
  if ((vcpu.cp0[CP0.EntryHi]! & ENTRY_HI.EHINV) === 0) return writeEntry(vcpu, index);
  dropDerived(vcpu, index);
  vcpu.guestTlb.invalidate(index);
  return { kind: "written" };
}

/** TLBINV: invalidates the entries of the ASID in EntryHi that are not global, wired ones included. */
export function tlbinv(vcpu: VcpuState): void {
  const { guestTlb } = vcpu;
  const asid = guestAsid(vcpu);
  vcpu.mmu.dropMapped(asid);
  for (let index = 0; index < guestTlb.size; index++)
    if (guestTlb.isUsed(index) && guestTlb.asid(index) === asid) guestTlb.invalidate(index);
}

/** TLBINVF: invalidates all entries, wired ones included. */
export function tlbinvf(vcpu: VcpuState): void {
  const { guestTlb } = vcpu;
  vcpu.mmu.dropMapped(null);
  for (let index = 0; index < guestTlb.size; index++) guestTlb.invalidate(index);
}

/** TLBWR: as TLBWI, into the entry that Random names, which is never a wired one. */
export function tlbwr(vcpu: VcpuState): TlbWrite {
  return writeEntry(vcpu, random(vcpu));
}

import { CP0, ENTRY_HI, ENTRY_LO } from "../../isa/cp0.ts";
import { legalPageMask } from "../../machine/tlb.ts";
import { guestAsid, type VcpuState } from "../vcpu-state.ts";

const PROBE_FAILED = 0x8000_0000;

/** Writes the guest's EntryHi. A new ASID changes what the guest's mapped addresses mean. */
export function writeEntryHi(vcpu: VcpuState, value: number): void {
  vcpu.cp0[CP0.EntryHi] = value & (ENTRY_HI.VPN2 | ENTRY_HI.ASID);
  syncGuestAsid(vcpu);
}

/** Follows the ASID in the guest's EntryHi, which the guest can also change by a store to the commpage. */
export function syncGuestAsid(vcpu: VcpuState): void {
  const asid = guestAsid(vcpu);
  const old = vcpu.mmu.setGuestAsid(asid);
  if (old === asid) return;
  vcpu.stats.asidChanges++;
  vcpu.tracer.kvm_asid_change?.(vcpu.regs.pc, old, asid);
}

/** TLBP: Index names the entry that matches EntryHi, or has its P bit set. */
export function tlbp(vcpu: VcpuState): void {
  const { cp0 } = vcpu;
  vcpu.stats.guestTlbLookups++;
  const index = vcpu.guestTlb.lookup(cp0[CP0.EntryHi]!, guestAsid(vcpu));
  cp0[CP0.Index] = index >= 0 ? index : cp0[CP0.Index]! | PROBE_FAILED;
}

function indexRegister(vcpu: VcpuState): number {
  return vcpu.cp0[CP0.Index]! & (vcpu.guestTlb.size - 1);
}

/** TLBR: EntryHi, EntryLo0, EntryLo1 and PageMask are those of entry Index. */
export function tlbr(vcpu: VcpuState): void {
  const { cp0 } = vcpu;
  const entry = vcpu.guestTlb.read(indexRegister(vcpu));
  cp0[CP0.PageMask] = entry.pageMask;
  cp0[CP0.EntryLo0] = entry.entryLo0;
  cp0[CP0.EntryLo1] = entry.entryLo1;
  writeEntryHi(vcpu, entry.entryHi);
}

/**
 * Random (PRA): falls with each instruction that the guest retires, from the last entry down to Wired. So it
 * depends on what the guest did and on nothing else.
 */
export function random(vcpu: VcpuState): number {
  const last = vcpu.guestTlb.size - 1;
  const wired = vcpu.cp0[CP0.Wired]! & last;
  return last - (vcpu.machine.timeline.retired % (last - wired + 1));
}

/** Writes entry `index` from the guest's registers. Returns why the hypervisor cannot, or null. */
function writeEntry(vcpu: VcpuState, index: number): string | null {
  const { cp0, guestTlb, pageSize } = vcpu;
  const entryLo0 = cp0[CP0.EntryLo0]!;
  const entryLo1 = cp0[CP0.EntryLo1]!;
  const pageMask = legalPageMask(cp0[CP0.PageMask]!);
  const guestPage = ((pageMask | 0x1fff) + 1) >>> 1;
  if (guestPage < pageSize && ((entryLo0 | entryLo1) & ENTRY_LO.V) !== 0)
    return `the guest maps a page of ${guestPage} bytes, but the host's pages have ${pageSize}: run it on smaller host pages`;
  const drop = (): void => vcpu.mmu.dropRange(guestTlb.base(index), 2 * guestTlb.pageSize(index));
  if (guestTlb.isValid(index)) drop();
  guestTlb.write(index, { entryHi: cp0[CP0.EntryHi]!, pageMask, entryLo0, entryLo1 });
  // Nothing is derived from the new entry yet, but it may hide another entry from which something is.
  if (guestTlb.overlaps(index)) drop();
  return null;
}

/** TLBWI. Returns why the hypervisor cannot carry it out, or null. */
export function tlbwi(vcpu: VcpuState): string | null {
  return writeEntry(vcpu, indexRegister(vcpu));
}

/** TLBWR: as TLBWI, into the entry that Random names, which is never a wired one. */
export function tlbwr(vcpu: VcpuState): string | null {
  return writeEntry(vcpu, random(vcpu));
}

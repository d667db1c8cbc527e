import { CP0, ENTRY_HI, ENTRY_LO, STATUS } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { legalPageMask } from "../../machine/tlb.ts";
import { deliver } from "../deliver.ts";
import { guestEntryLo } from "../guest-cp0.ts";
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
    entryLo0: guestEntryLo(cp0, CP0.EntryLo0),
    entryLo1: guestEntryLo(cp0, CP0.EntryLo1),
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
  if (guestTlb.isValid(index))
    vcpu.mmu.dropRange(guestTlb.base(index), 2 * guestTlb.pageSize(index), guestTlb.asid(index));
  guestTlb.write(index, entry);
  return { kind: "written" };
}

/** TLBWI. */
export function tlbwi(vcpu: VcpuState): TlbWrite {
  return writeEntry(vcpu, indexRegister(vcpu));
}

/** TLBWR: as TLBWI, into the entry that Random names, which is never a wired one. */
export function tlbwr(vcpu: VcpuState): TlbWrite {
  return writeEntry(vcpu, random(vcpu));
}

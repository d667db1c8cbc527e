import { CP0, ENTRY_LO, STATUS } from "../isa/cp0.ts";
import type { Gpa, Gva } from "./addresses.ts";
import { directGpa, segmentOf } from "./guest-map.ts";
import type { BackingPage } from "./shadow-mmu.ts";
import { guestAsid, type VcpuState } from "./vcpu-state.ts";

/** What a guest virtual address means to the guest at this moment. */
export type Translation =
  /** The kernel's window onto its virtual CP0, if it has one. */
  | { readonly kind: "commpage"; readonly gva: Gva }
  /** Guest KSeg0, or with Status.ERL useg: always mapped, to `gpa`. */
  | { readonly kind: "direct"; readonly gpa: Gpa }
  /** Entry `index` of the guest TLB translates it to `gpa`; `valid` and `dirty` are V and D of its half. */
  | {
      readonly kind: "mapped";
      readonly gpa: Gpa;
      readonly index: number;
      readonly valid: boolean;
      readonly dirty: boolean;
    }
  /** No entry of the guest TLB matches. */
  | { readonly kind: "miss" }
  /** Addresses that guest drivers use for devices. */
  | { readonly kind: "mmio"; readonly gpa: Gpa }
  /** The guest's current mode may not go there: an address error. */
  | { readonly kind: "forbidden" }
  /** Addresses that no guest can use. */
  | { readonly kind: "illegal" };

/** True if `gva` lies on the commpage. */
function isCommpage({ commpage, pageSize }: VcpuState, gva: Gva): boolean {
  return commpage !== null && gva >= commpage && gva - commpage < pageSize;
}

/** What `address` means whatever the guest's TLB says, or null if that decides. */
function withoutTlb(
  vcpu: VcpuState,
  address: Gva,
  user: boolean,
  usegIsPhysical: boolean,
): Translation | null {
  const segment = segmentOf(vcpu.map, address);
  if (user && !segment.user) return { kind: "forbidden" };
  switch (segment.kind) {
    case "kseg0":
      return { kind: "direct", gpa: directGpa(segment, address) };
    case "mmio":
      return { kind: "mmio", gpa: directGpa(segment, address) };
    case "illegal":
      return { kind: "illegal" };
    case "mapped":
      if (!user && isCommpage(vcpu, address)) return { kind: "commpage", gva: address };
      if (!user && segment.user && usegIsPhysical) return { kind: "direct", gpa: address };
      return null;
  }
}

/** What entry `index` of the guest's TLB, or -1 for none, makes of `address`. */
function byEntry({ guestTlb }: VcpuState, index: number, address: Gva): Translation {
  if (index < 0) return { kind: "miss" };
  const lo = guestTlb.entryLo(index, address);
  const valid = (lo & ENTRY_LO.V) !== 0;
  const dirty = (lo & ENTRY_LO.D) !== 0;
  return { kind: "mapped", gpa: guestTlb.gpa(index, address), index, valid, dirty };
}

/** Translates `gva` as the guest's hardware would, in guest user or kernel mode and in ASID `asid`. */
export function translate(
  vcpu: VcpuState,
  gva: Gva,
  user: boolean,
  asid: number = guestAsid(vcpu),
): Translation {
  const address = gva >>> 0;
  const found = withoutTlb(vcpu, address, user, vcpu.mmu.usegIsPhysical);
  if (found !== null) return found;
  vcpu.stats.guestTlbLookups++;
  return byEntry(vcpu, vcpu.guestTlb.lookup(address, asid), address);
}

/** Whether useg is physical in kernel mode. With its registers mapped the guest can have changed that by itself. */
const hasPhysicalUseg = ({ cp0 }: VcpuState): boolean => (cp0[CP0.Status]! & STATUS.ERL) !== 0;

/** As {@link translate}, for someone who only looks: nothing is counted or remembered. */
export function peekTranslation(
  vcpu: VcpuState,
  gva: Gva,
  user: boolean,
  asid: number = guestAsid(vcpu),
  usegIsPhysical: boolean = hasPhysicalUseg(vcpu),
): Translation {
  const address = gva >>> 0;
  const found = withoutTlb(vcpu, address, user, usegIsPhysical);
  return found ?? byEntry(vcpu, vcpu.guestTlb.find(address, asid), address);
}

/** The host page behind GPA `gpa`, or null if no memslot holds it. Read-only slots are never writable. */
export function backingPage(vcpu: VcpuState, gpa: Gpa, writable: boolean): BackingPage | null {
  const page = gpa - (gpa % vcpu.pageSize);
  const hpa = vcpu.slots.gpaToHpa(page, false);
  if (hpa < 0) return null;
  return { hpa, writable: writable && vcpu.slots.isWritable(page) };
}

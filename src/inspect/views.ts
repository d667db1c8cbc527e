/**
 * What can be seen of a guest: plain data, which can be sent to another thread. All numbers that are addresses or
 * register values are unsigned. Looking changes nothing: no counter, no TLB, no register.
 */
import type { Explanation } from "./explanation.ts";

/** A mode of the guest. */
export type GuestMode = "kernel" | "user";

/** The registers of the program that is looked at. */
export interface RegistersView {
  readonly pc: number;
  /** `pc` is in the delay slot of the branch before it, which has been executed. */
  readonly inDelaySlot: boolean;
  readonly hi: number;
  readonly lo: number;
  /** $0 to $31. */
  readonly gpr: readonly number[];
  readonly mode: GuestMode;
  /** The guest's own ASID. */
  readonly asid: number;
}

/** A CP0 register as MFC0 reads it. */
export interface Cp0View {
  readonly name: string;
  /** Number and select. */
  readonly register: readonly [number: number, select: number];
  readonly value: number;
  /** Its fields, right-aligned; empty if it is one number. */
  readonly fields: Readonly<Record<string, number>>;
}

/** One of the two pages of a TLB entry. */
export interface TlbHalfView {
  /** First virtual and first physical address. */
  readonly virtual: number;
  readonly physical: number;
  readonly valid: boolean;
  /** D: may be stored to. */
  readonly dirty: boolean;
  readonly cache: number;
  readonly readInhibit: boolean;
  readonly executeInhibit: boolean;
}

/** A TLB entry that matches something. */
export interface TlbEntryView {
  readonly index: number;
  /** First address of the pair of pages. */
  readonly vpn2: number;
  readonly asid: number;
  readonly global: boolean;
  /** Bytes of one of the two pages. */
  readonly pageSize: number;
  readonly halves: readonly [TlbHalfView, TlbHalfView];
}

/** Whose address space a host ASID is: the VMM's, or that of a root of the guest's. */
export type AddressSpace =
  | { readonly of: "host" }
  | { readonly of: "guest"; readonly mode: GuestMode; readonly guestAsid: number }
  /** No one's any more: nothing matches it until the ASID is given out again. */
  | { readonly of: "none" };

/** An entry of the host TLB. */
export interface HostTlbEntryView extends TlbEntryView {
  /** Bare machines have one kernel and do not say whose an ASID is: null. */
  readonly space: AddressSpace | null;
}

/** A root of GVA tables. */
export interface RootView {
  readonly mode: GuestMode;
  readonly guestAsid: number;
  /** Host physical address of its first level. */
  readonly pgd: number;
  /** The host ASID that it has now; null if its last one is stale, so that it gets another before it is used. */
  readonly hostAsid: number | null;
  /** It is the one that its mode uses. */
  readonly inUse: boolean;
  /** Refills of this moment walk it. */
  readonly live: boolean;
  /** Its tables of PTEs. */
  readonly tables: number;
}

/** Which root: that of a mode and a guest ASID; without an ASID the one that the mode uses. */
export interface RootName {
  readonly mode: GuestMode;
  readonly guestAsid?: number;
}

/** A PTE of a GVA table. */
export interface PteView {
  readonly gva: number;
  /** Where it is in host memory. */
  readonly at: number;
  readonly value: number;
  /** The host page that it names. */
  readonly hpa: number;
  readonly present: boolean;
  readonly young: boolean;
  readonly valid: boolean;
  /** May be stored to, and D: stores go through at once. */
  readonly writable: boolean;
  readonly dirty: boolean;
}

/** How the pages of a range of addresses are mapped by a root, in so many buckets of equal size. */
export interface GvaMapView {
  readonly first: number;
  /** Bytes of a bucket. */
  readonly bucketSize: number;
  readonly pageSize: number;
  /** For each bucket: present PTEs, and how many of them let stores through and may be used by user mode. */
  readonly present: readonly number[];
  readonly writable: readonly number[];
  readonly user: readonly number[];
  /**
   * For each bucket: how many refills there were since the last one that was for a page there, 0 if it was the last of
   * all; -1 if it is none of those that are kept (`GuestConfig.refillLog`).
   */
  readonly refilled: readonly number[];
}

/** A table of PTEs. */
export interface PageTableView {
  readonly hpa: number;
  /** What it maps begins here. */
  readonly first: number;
  readonly ptes: readonly PteView[];
}

/** What lies at physical addresses of the guest. */
export interface PhysicalRegionView {
  readonly kind: "memory" | "device";
  /** The memslot's number, or the device's name. */
  readonly name: string;
  readonly first: number;
  readonly size: number;
  /** Host memory that backs it; null for a device. */
  readonly host: number | null;
  readonly readonly: boolean;
}

/** An instruction in guest memory. */
export interface CodeView {
  readonly address: number;
  readonly word: number;
  readonly text: string;
}

/** What can be seen of a guest. Everything is as it is at this moment. */
export interface Inspection {
  /** Registers of the guest. */
  registers(): RegistersView;
  /** CP0 registers that the guest has, as it reads them. */
  cp0(): Cp0View[];
  /** CP0 registers of the machine's CPU. Of a bare machine the same as {@link cp0}. */
  hostCp0(): Cp0View[];
  /** Entries of the machine's TLB that were written and match something. */
  hostTlb(): HostTlbEntryView[];
  /** Those of the TLB that the guest sees. Of a bare machine the machine's. */
  guestTlb(): TlbEntryView[];
  /** Roots of GVA tables, those used longest ago first in each mode. A bare machine has none. */
  roots(): RootView[];
  /**
   * What a root maps from `first` to `last`, in buckets of `bucketSize` bytes (a multiple of the page size). Null if
   * there is no such root. Throws RangeError.
   */
  gvaMap(root: RootName, first: number, last: number, bucketSize: number): GvaMapView | null;
  /** The table of PTEs in which a root has `gva`; null if there is none. */
  pageTable(root: RootName, gva: number): PageTableView | null;
  /** Memory and devices. */
  physical(): PhysicalRegionView[];
  /**
   * Instructions of the guest at `gva`, `before` words before it and `after` behind it, as far as its current mode
   * has memory there.
   */
  code(gva: number, before: number, after: number): CodeView[];
  /** Everything on the way of an access to `gva`, and what a load, a store and a fetch would do there now. */
  explain(gva: number): Explanation;
}

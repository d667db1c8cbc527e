/** TLB entries, decoded. */
import { ENTRY_HI, ENTRY_LO, fieldOf } from "../isa/cp0.ts";
import type { TlbEntry } from "../machine/tlb.ts";
import type { TlbEntryView, TlbHalfView } from "./views.ts";

/** What of an EntryLo is about the page. */
export function halfView(virtual: number, lo: number, high = 0): TlbHalfView {
  return {
    virtual,
    physical: fieldOf(lo, ENTRY_LO.PFN) * 4096 + high * 2 ** 36,
    valid: (lo & ENTRY_LO.V) !== 0,
    dirty: (lo & ENTRY_LO.D) !== 0,
    cache: fieldOf(lo, ENTRY_LO.C),
    readInhibit: (lo & ENTRY_LO.RI) !== 0,
    executeInhibit: (lo & ENTRY_LO.XI) !== 0,
  };
}

/** An entry as TLBR reads it. */
export function tlbEntryView(index: number, entry: TlbEntry): TlbEntryView {
  const pageSize = ((entry.pageMask | 0x1fff) + 1) >>> 1;
  const vpn2 = (entry.entryHi & ENTRY_HI.VPN2 & ~entry.pageMask) >>> 0;
  return {
    index,
    vpn2,
    asid: entry.entryHi & ENTRY_HI.ASID,
    global: (entry.entryLo0 & entry.entryLo1 & ENTRY_LO.G) !== 0,
    pageSize,
    halves: [
      halfView(vpn2, entry.entryLo0, entry.high0),
      halfView(vpn2 + pageSize, entry.entryLo1, entry.high1),
    ],
  };
}

/** The half of `entry` that maps `va`, which it matches. */
export function halfFor(entry: TlbEntryView, va: number): TlbHalfView {
  return entry.halves[(va & entry.pageSize) === 0 ? 0 : 1];
}

import { ENTRY_HI, ENTRY_LO } from "../isa/cp0.ts";
import { legalPageMask, type TlbEntry } from "../machine/tlb.ts";
import type { Gpa, Gva } from "./addresses.ts";

/** Entries of the TLB that a guest sees; Config1 of the guest says so. */
export const GUEST_TLB_SIZE = 64;

/**
 * The TLB that the guest thinks it has: the source of truth for what its mapped addresses mean. The host TLB
 * and the GVA page tables only cache what follows from it.
 *
 * It behaves as the PRA describes: G is the AND of both halves, an entry that was never written matches
 * nothing. No two entries match the same address: a write that would lead to that is a machine check.
 */
export class GuestTlb {
  readonly size = GUEST_TLB_SIZE;
  private readonly pageMask = new Int32Array(GUEST_TLB_SIZE);
  private readonly entryHi = new Int32Array(GUEST_TLB_SIZE);
  private readonly entryLo0 = new Int32Array(GUEST_TLB_SIZE);
  private readonly entryLo1 = new Int32Array(GUEST_TLB_SIZE);
  private readonly used = new Uint8Array(GUEST_TLB_SIZE);
  /** Lookups since creation. */
  lookups = 0;

  read(index: number): TlbEntry {
    return {
      entryHi: this.entryHi[index]! >>> 0,
      pageMask: this.pageMask[index]! >>> 0,
      entryLo0: this.entryLo0[index]! >>> 0,
      entryLo1: this.entryLo1[index]! >>> 0,
    };
  }

  /** True once entry `index` was written. */
  isUsed(index: number): boolean {
    return this.used[index] !== 0;
  }

  /** Writes an entry as TLBWI does. Whoever calls drops first what was derived from the old entry. */
  write(index: number, entry: TlbEntry): void {
    const mask = legalPageMask(entry.pageMask);
    const global = entry.entryLo0 & entry.entryLo1 & ENTRY_LO.G;
    const kept = ENTRY_LO.V | ENTRY_LO.D | ENTRY_LO.C | (ENTRY_LO.PFN & ~(mask >>> 7));
    this.pageMask[index] = mask;
    this.entryHi[index] = entry.entryHi & (ENTRY_HI.VPN2 | ENTRY_HI.ASID);
    this.entryLo0[index] = (entry.entryLo0 & kept) | global;
    this.entryLo1[index] = (entry.entryLo1 & kept) | global;
    this.used[index] = 1;
  }

  /** Index of the first entry that matches `gva` in guest ASID `asid`, or -1. */
  lookup(gva: Gva, asid: number): number {
    this.lookups++;
    for (let index = 0; index < GUEST_TLB_SIZE; index++) {
      const hi = this.entryHi[index]!;
      if (((hi ^ gva) & ENTRY_HI.VPN2 & ~this.pageMask[index]!) !== 0) continue;
      if ((this.entryLo0[index]! & ENTRY_LO.G) === 0 && ((hi ^ asid) & ENTRY_HI.ASID) !== 0) continue;
      if (this.used[index] !== 0) return index;
    }
    return -1;
  }

  /** True if some entry other than `index` matches an address and ASID that `entry` would match there too. */
  conflicts(index: number, entry: TlbEntry): boolean {
    const mask = legalPageMask(entry.pageMask);
    const global = (entry.entryLo0 & entry.entryLo1 & ENTRY_LO.G) !== 0;
    for (let other = 0; other < GUEST_TLB_SIZE; other++) {
      const differ = entry.entryHi ^ this.entryHi[other]!;
      if ((differ & ENTRY_HI.VPN2 & ~mask & ~this.pageMask[other]!) !== 0) continue;
      if (other === index || this.used[other] === 0) continue;
      if (global || (this.entryLo0[other]! & ENTRY_LO.G) !== 0 || (differ & ENTRY_HI.ASID) === 0) return true;
    }
    return false;
  }

  /** Bytes of one of the two pages that entry `index` maps. */
  pageSize(index: number): number {
    return ((this.pageMask[index]! | 0x1fff) + 1) >>> 1;
  }

  /** First address of the pair of pages that entry `index` maps, unsigned. */
  base(index: number): Gva {
    return (this.entryHi[index]! & ENTRY_HI.VPN2 & ~this.pageMask[index]!) >>> 0;
  }

  /** The guest ASID that entry `index` belongs to; null if it is global. */
  asid(index: number): number | null {
    return (this.entryLo0[index]! & ENTRY_LO.G) !== 0 ? null : this.entryHi[index]! & ENTRY_HI.ASID;
  }

  /** EntryLo of the half of entry `index` that maps `gva`: the entry's own page size decides which. */
  entryLo(index: number, gva: Gva): number {
    return (gva & this.pageSize(index)) === 0 ? this.entryLo0[index]! : this.entryLo1[index]!;
  }

  /** True if either half of entry `index` is valid. */
  isValid(index: number): boolean {
    return this.used[index] !== 0 && ((this.entryLo0[index]! | this.entryLo1[index]!) & ENTRY_LO.V) !== 0;
  }

  /** The GPA that entry `index` translates `gva` to. */
  gpa(index: number, gva: Gva): Gpa {
    const frame = ((this.entryLo(index, gva) & ENTRY_LO.PFN) >>> ENTRY_LO.PFN_SHIFT) * 4096;
    return frame + (gva & (this.pageSize(index) - 1));
  }
}

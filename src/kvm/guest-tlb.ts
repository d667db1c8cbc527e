import { ENTRY_HI, ENTRY_LO } from "../isa/cp0.ts";
import { NONE, TlbLists } from "../machine/tlb-lists.ts";
import { legalPageMask, type TlbEntry } from "../machine/tlb.ts";
import { i32, integer, record, words, type Field } from "../state/fields.ts";
import type { Gpa, Gva } from "./addresses.ts";
import { NO_PROBE } from "./layout.ts";

/** Sizes that the TLB that a guest sees may have: what Config1.MMUSize and Config4.MMUSizeExt can say. */
export const GUEST_TLB_SIZES: readonly number[] = [64, 128, 256, 512, 1024, 2048, 4096];

/** A guest TLB as plain data. */
export interface GuestTlbSnapshot {
  /** Five words an entry: whether it is used, PageMask, EntryHi, EntryLo0, EntryLo1. */
  readonly entries: Int32Array;
  readonly lastEntryHi: number;
  readonly lastIndex: number;
}

const ENTRY_WORDS = 5;

/** How that of a TLB of `size` entries is kept. */
export const guestTlbSnapshot = (size: number): Field<GuestTlbSnapshot> =>
  record<GuestTlbSnapshot>({
    entries: words(size * ENTRY_WORDS),
    lastEntryHi: i32,
    lastIndex: integer(NONE, size - 1),
  });

/**
 * The TLB that the guest thinks it has: the source of truth for what its mapped addresses mean. The host TLB
 * and the GVA page tables only cache what follows from it.
 *
 * It behaves as the PRA describes: G is the AND of both halves, an entry that was never written or was invalidated
 * matches nothing. No two entries match the same address: a write that would lead to that is a machine check. (A
 * VMM can bring it about; then the lowest index counts.)
 *
 * Entries are found by the page number that their own page size leaves, through lists by hash: a look-up costs one
 * list for each page size that is in use, whatever the size of the TLB.
 */
export class GuestTlb {
  readonly size: number;
  private readonly pageMask: Int32Array;
  private readonly entryHi: Int32Array;
  private readonly entryLo0: Int32Array;
  private readonly entryLo1: Int32Array;
  private readonly used: Uint8Array;
  private readonly lists: TlbLists;
  /** What the last lookup was for, as an EntryHi, and found (-1: nothing); NO_PROBE if the TLB was written since. */
  lastEntryHi = NO_PROBE;
  lastIndex = NONE;

  /** `size` is one of {@link GUEST_TLB_SIZES}. */
  constructor(size: number) {
    if (!GUEST_TLB_SIZES.includes(size)) throw new RangeError(`a guest TLB of ${size} entries`);
    this.size = size;
    this.pageMask = new Int32Array(size);
    this.entryHi = new Int32Array(size);
    this.entryLo0 = new Int32Array(size);
    this.entryLo1 = new Int32Array(size);
    this.used = new Uint8Array(size);
    this.lists = new TlbLists(size);
  }

  /** All entries, and what the last lookup found. */
  snapshot(): GuestTlbSnapshot {
    const entries = new Int32Array(this.size * ENTRY_WORDS);
    for (let index = 0; index < this.size; index++)
      entries.set(
        [
          this.used[index]!,
          this.pageMask[index]!,
          this.entryHi[index]!,
          this.entryLo0[index]!,
          this.entryLo1[index]!,
        ],
        index * ENTRY_WORDS,
      );
    return { entries, lastEntryHi: this.lastEntryHi, lastIndex: this.lastIndex };
  }

  /** Takes over the snapshot of a TLB of this size. */
  restore({ entries, lastEntryHi, lastIndex }: GuestTlbSnapshot): void {
    for (let index = 0; index < this.size; index++) {
      const [used, pageMask, entryHi, entryLo0, entryLo1] = entries.subarray(
        index * ENTRY_WORDS,
      ) as unknown as [number, number, number, number, number];
      this.invalidate(index);
      if (used !== 0) this.write(index, { pageMask, entryHi, entryLo0, entryLo1 });
    }
    this.lastEntryHi = lastEntryHi;
    this.lastIndex = lastIndex;
  }

  /** What TLBR reads. All of an entry that matches nothing is 0. */
  read(index: number): TlbEntry {
    return {
      entryHi: this.entryHi[index]! >>> 0,
      pageMask: this.pageMask[index]! >>> 0,
      entryLo0: this.entryLo0[index]! >>> 0,
      entryLo1: this.entryLo1[index]! >>> 0,
    };
  }

  /** True if entry `index` was written and not invalidated since. */
  isUsed(index: number): boolean {
    return this.used[index] !== 0;
  }

  /** Writes an entry as TLBWI does. Whoever calls drops first what was derived from the old entry. */
  write(index: number, entry: TlbEntry): void {
    const mask = legalPageMask(entry.pageMask);
    const global = entry.entryLo0 & entry.entryLo1 & ENTRY_LO.G;
    const kept = ENTRY_LO.V | ENTRY_LO.D | ENTRY_LO.C | (ENTRY_LO.PFN & ~(mask >>> 7));
    this.unlink(index);
    this.pageMask[index] = mask;
    this.entryHi[index] = entry.entryHi & (ENTRY_HI.VPN2 | ENTRY_HI.ASID);
    this.entryLo0[index] = (entry.entryLo0 & kept) | global;
    this.entryLo1[index] = (entry.entryLo1 & kept) | global;
    this.link(index);
    // Linux asks for an entry right after it has written it, for the other page of the pair.
    this.lookup(entry.entryHi, entry.entryHi & ENTRY_HI.ASID);
  }

  /** Makes entry `index` match nothing. Whoever calls drops first what was derived from it. */
  invalidate(index: number): void {
    this.unlink(index);
    this.pageMask[index] = 0;
    this.entryHi[index] = 0;
    this.entryLo0[index] = 0;
    this.entryLo1[index] = 0;
  }

  // --- lists ---

  private link(index: number): void {
    this.lastEntryHi = NO_PROBE;
    this.lists.add(index, this.entryHi[index]!, this.pageMask[index]!);
    this.used[index] = 1;
  }

  private unlink(index: number): void {
    this.lastEntryHi = NO_PROBE;
    if (this.used[index] === 0) return;
    this.lists.remove(index, this.entryHi[index]!, this.pageMask[index]!);
    this.used[index] = 0;
  }

  /** Index of the first entry that matches `gva` in guest ASID `asid`, or -1. Fast exits can do the next TLBP of it. */
  lookup(gva: Gva, asid: number): number {
    this.lastEntryHi = (gva & ENTRY_HI.VPN2) | (asid & ENTRY_HI.ASID);
    this.lastIndex = this.find(gva, asid);
    return this.lastIndex;
  }

  /** As {@link lookup}, for someone who only looks. */
  find(gva: Gva, asid: number): number {
    let found = NONE;
    for (const mask of this.lists.masks) {
      for (let index = this.lists.firstAt(gva, mask); index !== NONE; index = this.lists.behind(index)) {
        if (this.pageMask[index] !== mask) continue;
        const hi = this.entryHi[index]!;
        if (((hi ^ gva) & ENTRY_HI.VPN2 & ~mask) !== 0) continue;
        if ((this.entryLo0[index]! & ENTRY_LO.G) === 0 && ((hi ^ asid) & ENTRY_HI.ASID) !== 0) continue;
        if (found === NONE || index < found) found = index;
      }
    }
    return found;
  }

  /** True if some entry other than `index` matches an address and ASID that `entry` would match there too. */
  conflicts(index: number, entry: TlbEntry): boolean {
    const mask = legalPageMask(entry.pageMask);
    for (const otherMask of this.lists.masks) {
      // Entries of smaller pages can lie in many lists.
      if ((mask & ~otherMask) !== 0) return this.conflictsAnywhere(index, entry, mask);
      const { lists } = this;
      for (let other = lists.firstAt(entry.entryHi, otherMask); other !== NONE; other = lists.behind(other))
        if (other !== index && this.meets(other, entry, mask)) return true;
    }
    return false;
  }

  private conflictsAnywhere(index: number, entry: TlbEntry, mask: number): boolean {
    for (let other = 0; other < this.size; other++)
      if (other !== index && this.isUsed(other) && this.meets(other, entry, mask)) return true;
    return false;
  }

  /** True if entry `other`, which is used, matches an address and ASID that `entry` with page mask `mask` matches. */
  private meets(other: number, entry: TlbEntry, mask: number): boolean {
    const differ = entry.entryHi ^ this.entryHi[other]!;
    if ((differ & ENTRY_HI.VPN2 & ~mask & ~this.pageMask[other]!) !== 0) return false;
    const global = (entry.entryLo0 & entry.entryLo1) | this.entryLo0[other]!;
    return (global & ENTRY_LO.G) !== 0 || (differ & ENTRY_HI.ASID) === 0;
  }

  // --- entries ---

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

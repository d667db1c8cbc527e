import { ENTRY_HI } from "../isa/cp0.ts";

/** Stands for no entry. */
export const NONE = -1;
/** Lists for each entry of the TLB: fewer make lists longer. */
const LISTS_PER_ENTRY = { least: 2, most: 16 } as const;
/** As many lists as small TLBs have: most are empty then, or have one entry, and a look-up takes few branches. */
const SMALL_LISTS = 1024;
/** Spreads page numbers evenly: 2^32 divided by the golden ratio (Knuth, "Sorting and Searching", 6.4). */
export const SPREAD = 0x9e37_79b1;

/** The number of lists of a TLB. */
export function listsFor(entries: number): number {
  const few = Math.min(SMALL_LISTS, entries * LISTS_PER_ENTRY.most);
  return 2 ** Math.ceil(Math.log2(Math.max(few, entries * LISTS_PER_ENTRY.least)));
}

/** A page's list is its number times {@link SPREAD}, shifted to the right by this. */
export const hashShiftFor = (entries: number): number => 32 - Math.log2(listsFor(entries));

/**
 * The entries of a TLB in lists by hash of the page number that their own page size leaves. A look-up costs one list
 * for each page size in use, whatever the size of the TLB.
 */
export class TlbLists {
  /** The page masks in use. */
  readonly masks: number[] = [];
  private readonly counts: number[] = [];
  /** First entry of each list, and for each entry the one behind it in its list. */
  private readonly first: Int32Array;
  private readonly next: Int32Array;
  private readonly hashShift: number;

  /** `first` and `next`: where to keep the lists of a TLB of so many entries, with room for as many as it takes. */
  constructor(
    entries: number,
    first: Int32Array = new Int32Array(listsFor(entries)),
    next: Int32Array = new Int32Array(entries),
  ) {
    this.first = first.fill(NONE);
    this.next = next.fill(NONE);
    this.hashShift = hashShiftFor(entries);
  }

  /** The page mask that all entries have; `NONE` if there are several, or no entries. */
  get onlyMask(): number {
    return this.masks.length === 1 ? this.masks[0]! : NONE;
  }

  private listOf(page: number): number {
    return Math.imul(page >>> 13, SPREAD) >>> this.hashShift;
  }

  /** First entry of the list in which those are whose page is that of `va` with page mask `mask`; or `NONE`. */
  firstAt(va: number, mask: number): number {
    return this.first[this.listOf(va & ENTRY_HI.VPN2 & ~mask)]!;
  }

  /** The entry behind `index` in its list, or `NONE`. */
  behind(index: number): number {
    return this.next[index]!;
  }

  /** Enters entry `index`, which is in no list. */
  add(index: number, entryHi: number, mask: number): void {
    const list = this.listOf(entryHi & ENTRY_HI.VPN2 & ~mask);
    this.next[index] = this.first[list]!;
    this.first[list] = index;
    const known = this.masks.indexOf(mask);
    if (known >= 0) this.counts[known]!++;
    else {
      this.masks.push(mask);
      this.counts.push(1);
    }
  }

  /** Takes entry `index` out, which was entered with the same `entryHi` and `mask`. */
  remove(index: number, entryHi: number, mask: number): void {
    const list = this.listOf(entryHi & ENTRY_HI.VPN2 & ~mask);
    let before = NONE;
    for (let at = this.first[list]!; at !== index; at = this.next[at]!) before = at;
    if (before === NONE) this.first[list] = this.next[index]!;
    else this.next[before] = this.next[index]!;
    const known = this.masks.indexOf(mask);
    if (--this.counts[known]! > 0) return;
    this.masks.splice(known, 1);
    this.counts.splice(known, 1);
  }
}

import { ENTRY_HI, ENTRY_LO } from "../isa/cp0.ts";
import { CPU_STRIDE, TLB_BASE, TLB_ENTRY, TLB_MAX_ENTRIES } from "./state-layout.ts";

/** A joint TLB entry as TLBR reads it: EntryHi, PageMask, EntryLo0, EntryLo1, unsigned. */
export interface TlbEntry {
  /** Upper halves of EntryLo0 and EntryLo1 (XPA); absent means 0. What `read` returns is without them. */
  readonly high0?: number;
  readonly high1?: number;
  readonly entryHi: number;
  readonly pageMask: number;
  readonly entryLo0: number;
  readonly entryLo1: number;
}

/** PageMask bits that can be set: two at a time, from 16K to 256M pages. */
const PAGE_MASK_BITS = 0x1fff_e000;

/** Legal PageMask closest to `value`: ones fill pairs of bits from the bottom up. */
export function legalPageMask(value: number): number {
  let mask = 0;
  for (let pair = 0x6000; (pair & PAGE_MASK_BITS) !== 0; pair <<= 2) {
    if ((value & pair) !== pair) break;
    mask |= pair;
  }
  return mask;
}

/**
 * The joint TLB (MIPS32 PRA, "TLB-Based Virtual Address Translation"). It owns the entries, which lie in the
 * machine's memory as plain words. An entry that was never written matches nothing.
 */
export class Tlb {
  readonly entries: number;
  private readonly words: Int32Array;
  /** Word that the first entry starts at. */
  private readonly first: number;

  /** The TLB of CPU `cpu`. */
  constructor(words: Int32Array, entries: number, cpu: number) {
    if (entries < 1 || entries > TLB_MAX_ENTRIES) throw new RangeError(`a TLB of ${entries} entries`);
    this.words = words;
    this.entries = entries;
    this.first = (TLB_BASE + cpu * CPU_STRIDE) >>> 2;
  }

  private at(index: number): number {
    return this.first + index * TLB_ENTRY.words;
  }

  read(index: number): TlbEntry {
    const at = this.at(index);
    const w = this.words;
    return {
      entryHi: w[at + TLB_ENTRY.entryHi]! >>> 0,
      pageMask: w[at + TLB_ENTRY.pageMask]! >>> 0,
      entryLo0: w[at + TLB_ENTRY.entryLo0]! >>> 0,
      entryLo1: w[at + TLB_ENTRY.entryLo1]! >>> 0,
    };
  }

  /** Upper halves of an entry's EntryLo0 and EntryLo1, unsigned. */
  readHigh(index: number): [high0: number, high1: number] {
    const at = this.at(index);
    return [this.words[at + TLB_ENTRY.high0]! >>> 0, this.words[at + TLB_ENTRY.high1]! >>> 0];
  }

  /** True once entry `index` was written since reset. */
  isUsed(index: number): boolean {
    return this.words[this.at(index) + TLB_ENTRY.used] !== 0;
  }

  /** Makes entry `index` match nothing, as if it had never been written. */
  invalidate(index: number): void {
    const at = this.at(index);
    this.words.fill(0, at, at + TLB_ENTRY.words);
  }

  /** Writes an entry. G is the AND of both halves, the frame numbers lose the bits that PageMask covers. */
  write(index: number, entry: TlbEntry): void {
    const at = this.at(index);
    const mask = legalPageMask(entry.pageMask);
    const global = entry.entryLo0 & entry.entryLo1 & ENTRY_LO.G;
    const frame = ~(mask >>> 7) | ~ENTRY_LO.PFN;
    const w = this.words;
    w[at + TLB_ENTRY.entryHi] = entry.entryHi & (ENTRY_HI.VPN2 | ENTRY_HI.ASID);
    w[at + TLB_ENTRY.pageMask] = mask;
    w[at + TLB_ENTRY.entryLo0] = (entry.entryLo0 & frame & ~ENTRY_LO.G) | global;
    w[at + TLB_ENTRY.entryLo1] = (entry.entryLo1 & frame & ~ENTRY_LO.G) | global;
    w[at + TLB_ENTRY.high0] = entry.high0 ?? 0;
    w[at + TLB_ENTRY.high1] = entry.high1 ?? 0;
    w[at + TLB_ENTRY.used] = 1;
  }

  /** Index of the first entry that matches the virtual page of `va` in `asid`, or -1. */
  probe(va: number, asid: number): number {
    const w = this.words;
    for (let index = 0, at = this.first; index < this.entries; index++, at += TLB_ENTRY.words) {
      const entryHi = w[at + TLB_ENTRY.entryHi]!;
      if (((entryHi ^ va) & ENTRY_HI.VPN2 & ~w[at + TLB_ENTRY.pageMask]!) !== 0) continue;
      if ((w[at + TLB_ENTRY.entryLo0]! & ENTRY_LO.G) === 0 && (entryHi & ENTRY_HI.ASID) !== asid) continue;
      if (w[at + TLB_ENTRY.used] !== 0) return index;
    }
    return -1;
  }

  /**
   * Physical address of `va` by entry `index`, which matches it. `large` takes the upper half of EntryLo into
   * account (XPA).
   */
  physicalAddress(index: number, va: number, large: boolean): number {
    const half = this.halfSize(index);
    const odd = (va & half) !== 0;
    const at = this.at(index);
    const lo = this.words[at + (odd ? TLB_ENTRY.entryLo1 : TLB_ENTRY.entryLo0)]!;
    const address = ((lo & ENTRY_LO.PFN) >>> ENTRY_LO.PFN_SHIFT) * 4096 + (va & (half - 1));
    return large ? address + this.words[at + (odd ? TLB_ENTRY.high1 : TLB_ENTRY.high0)]! * 2 ** 36 : address;
  }

  /** EntryLo word of the half of entry `index` that maps `va`. */
  entryLo(index: number, va: number): number {
    const at = this.at(index);
    const odd = (va & this.halfSize(index)) !== 0;
    return this.words[at + (odd ? TLB_ENTRY.entryLo1 : TLB_ENTRY.entryLo0)]!;
  }

  /** Bytes of one of the two pages that entry `index` maps. */
  halfSize(index: number): number {
    return ((this.words[this.at(index) + TLB_ENTRY.pageMask]! | 0x1fff) + 1) >>> 1;
  }

  /** Index of another entry than `index` that `entry` would also match in some ASID they share, or -1. */
  conflict(index: number, entry: TlbEntry): number {
    const mask = legalPageMask(entry.pageMask);
    const global = (entry.entryLo0 & entry.entryLo1 & ENTRY_LO.G) !== 0;
    const w = this.words;
    for (let other = 0; other < this.entries; other++) {
      const at = this.at(other);
      if (other === index || w[at + TLB_ENTRY.used] === 0) continue;
      const hi = w[at + TLB_ENTRY.entryHi]!;
      const ignored = mask | w[at + TLB_ENTRY.pageMask]!;
      if (((hi ^ entry.entryHi) & ENTRY_HI.VPN2 & ~ignored) !== 0) continue;
      const otherGlobal = (w[at + TLB_ENTRY.entryLo0]! & ENTRY_LO.G) !== 0;
      if (global || otherGlobal || ((hi ^ entry.entryHi) & ENTRY_HI.ASID) === 0) return other;
    }
    return -1;
  }
}

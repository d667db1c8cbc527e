import { CONTEXT, CP0, ENTRY_HI, ENTRY_LO } from "../isa/cp0.ts";
import { FTLB_PAGES, tlbSizeOf, type CpuModel, type FtlbModel } from "./cpu-models.ts";
import {
  CPU_STRIDE,
  FTLB_WORDS,
  TLB_BASE,
  TLB_ENTRY,
  TLB_LISTS,
  TLB_MAX_ENTRIES,
  TLB_USE,
} from "./state-layout.ts";
import { listsFor, NONE, SPREAD, TlbLists } from "./tlb-lists.ts";

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

/**
 * What a TLB exception on `va` leaves in the CP0 registers `cp0`: BadVAddr, and the fields VPN2 of Context and EntryHi.
 * All else in these stays, EHINV too.
 */
export function setTlbExceptionRegisters(cp0: Int32Array, va: number): void {
  cp0[CP0.BadVAddr] = va;
  cp0[CP0.Context] = (cp0[CP0.Context]! & ~CONTEXT.BADVPN2) | ((va >>> 9) & CONTEXT.BADVPN2);
  cp0[CP0.EntryHi] = (va & ENTRY_HI.VPN2) | (cp0[CP0.EntryHi]! & ~ENTRY_HI.VPN2);
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
 * Random (PRA), `instructions` instructions after reset or the last write of Wired, which set it to the last entry: it
 * falls by one with each, from the last of `entries` entries down to `wired`, and starts anew.
 */
export function randomIndex(entries: number, wired: number, instructions: number): number {
  const last = entries - 1;
  return last - (instructions % (last - Math.min(wired, last) + 1));
}

/**
 * The way of the FTLB that TLBWR writes, `instructions` instructions after reset or the last write of Wired. Loops come
 * back after equal numbers of instructions, which are spread over all ways.
 */
export function randomWay(ways: number, instructions: number): number {
  return Math.imul(instructions, SPREAD) >>> (32 - Math.log2(ways));
}

/**
 * The joint TLB (MIPS32 PRA, "TLB-Based Virtual Address Translation"). It owns the entries, which lie in the
 * machine's memory as plain words. An entry that was never written matches nothing. Behind the entries for pages of
 * any size lie those of the FTLB, way by way.
 */
export class Tlb {
  /** All entries, those of an FTLB that is not in use among them. */
  readonly entries: number;
  /** Those for pages of any size. */
  readonly vtlbEntries: number;
  readonly ftlb: FtlbModel | null;
  private readonly words: Int32Array;
  /** Word that the first entry starts at. */
  private readonly first: number;
  /** Word that says what page mask all entries have. */
  private readonly onlyMask: number;
  /** Words that say which pages the FTLB holds. */
  private readonly ftlbMask: number;
  private readonly ftlbShift: number;
  /** The entries that were written. */
  private readonly lists: TlbLists;

  /** The TLB of CPU `cpu`, which is one of `model`. */
  constructor(words: Int32Array, model: Pick<CpuModel, "tlbEntries" | "ftlb">, cpu: number) {
    const entries = tlbSizeOf(model);
    if (entries < 1 || entries > TLB_MAX_ENTRIES) throw new RangeError(`a TLB of ${entries} entries`);
    this.words = words;
    this.entries = entries;
    this.vtlbEntries = model.tlbEntries;
    this.ftlb = model.ftlb;
    this.first = (TLB_BASE + cpu * CPU_STRIDE) >>> 2;
    const wordsAt = (at: number, length: number): Int32Array => {
      const start = (at + cpu * CPU_STRIDE) >>> 2;
      return words.subarray(start, start + length);
    };
    const first = wordsAt(TLB_LISTS.first, listsFor(entries));
    this.lists = new TlbLists(entries, first, wordsAt(TLB_LISTS.next, entries));
    this.onlyMask = (TLB_LISTS.onlyMask + cpu * CPU_STRIDE) >>> 2;
    this.ftlbMask = (FTLB_WORDS.pageMask + cpu * CPU_STRIDE) >>> 2;
    this.ftlbShift = (FTLB_WORDS.pairShift + cpu * CPU_STRIDE) >>> 2;
    words[this.ftlbMask] = NONE;
    this.masksChanged();
  }

  /**
   * Has the FTLB hold the pages that `code` stands for in Config4.FTLBPageSize, or none if it is null. True if it held
   * others: then its entries are gone.
   */
  setFtlbPages(code: number | null): boolean {
    const pages = FTLB_PAGES.find((one) => one.code === code);
    const mask = pages?.pageMask ?? NONE;
    if (this.words[this.ftlbMask] === mask) return false;
    this.words[this.ftlbMask] = mask;
    this.words[this.ftlbShift] = pages?.pairShift ?? 0;
    for (let index = this.vtlbEntries; index < this.entries; index++) this.invalidate(index);
    return true;
  }

  /** The entry that the value `index` of CP0 Index names: it starts anew behind the last one that is in use. */
  named(index: number): number {
    const inUse = this.words[this.ftlbMask] === NONE ? this.vtlbEntries : this.entries;
    return (index & 0x7fff_ffff) % inUse;
  }

  /** True if what has this EntryHi and this legal PageMask may be in entry `index`: one of the FTLB is for few. */
  takes(index: number, entryHi: number, pageMask: number): boolean {
    if (index < this.vtlbEntries) return true;
    return this.words[this.ftlbMask] === pageMask && index === this.inSetOf(entryHi, index);
  }

  /** The entry in the same way of the FTLB as entry `index`, in the set that is for `entryHi`. */
  private inSetOf(entryHi: number, index: number): number {
    const { sets } = this.ftlb!;
    const way = Math.floor((index - this.vtlbEntries) / sets);
    return this.vtlbEntries + way * sets + ((entryHi >>> this.words[this.ftlbShift]!) & (sets - 1));
  }

  /** The entry that TLBWR writes, with Wired and the instructions since as for {@link randomIndex}. */
  randomPlace({ entryHi, pageMask }: TlbEntry, wired: number, instructions: number): number {
    const { ftlb, vtlbEntries } = this;
    if (ftlb === null || legalPageMask(pageMask) !== this.words[this.ftlbMask])
      return randomIndex(vtlbEntries, wired, instructions);
    return this.inSetOf(entryHi, vtlbEntries + randomWay(ftlb.ways, instructions) * ftlb.sets);
  }

  /** An entry that could hold the same as entry `index`: the one behind it, or the first that is not wired. */
  alternative(index: number, wired: number): number {
    const { ftlb, vtlbEntries } = this;
    if (ftlb !== null && index >= vtlbEntries)
      return vtlbEntries + ((index - vtlbEntries + ftlb.sets) % (ftlb.ways * ftlb.sets));
    return index + 1 < vtlbEntries ? index + 1 : Math.min(wired, vtlbEntries - 1);
  }

  /** What one TLBINV or TLBINVF deals with (Config4.IE = 2): all of the VTLB, or the set of the FTLB of entry `index`. */
  invalidatedWith(index: number): number[] {
    const { ftlb, vtlbEntries } = this;
    if (ftlb === null || index < vtlbEntries) return Array.from({ length: vtlbEntries }, (_, each) => each);
    const first = vtlbEntries + ((index - vtlbEntries) % ftlb.sets);
    return Array.from({ length: ftlb.ways }, (_, way) => first + way * ftlb.sets);
  }

  /** All entries, as they lie in memory but for what they were used for. */
  snapshot(): Int32Array {
    const saved = this.words.slice(this.first, this.at(this.entries));
    for (let used = TLB_ENTRY.used; used < saved.length; used += TLB_ENTRY.words)
      saved[used] = saved[used]! & TLB_USE.written;
    return saved;
  }

  /** Takes over what {@link snapshot} gave, for a TLB of this size. */
  restore(saved: Int32Array): void {
    for (let index = 0; index < this.entries; index++) {
      this.invalidate(index);
      const word = (field: number): number => saved[index * TLB_ENTRY.words + field]!;
      if (word(TLB_ENTRY.used) === 0) continue;
      this.write(index, {
        entryHi: word(TLB_ENTRY.entryHi),
        pageMask: word(TLB_ENTRY.pageMask),
        entryLo0: word(TLB_ENTRY.entryLo0),
        entryLo1: word(TLB_ENTRY.entryLo1),
        high0: word(TLB_ENTRY.high0),
        high1: word(TLB_ENTRY.high1),
      });
    }
  }

  private masksChanged(): void {
    this.words[this.onlyMask] = this.lists.onlyMask;
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

  /** EntryHi of an entry. */
  entryHi(index: number): number {
    return this.words[this.at(index) + TLB_ENTRY.entryHi]!;
  }

  /** True if entry `index` matches in every ASID. */
  isGlobal(index: number): boolean {
    return (this.words[this.at(index) + TLB_ENTRY.entryLo0]! & ENTRY_LO.G) !== 0;
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

  /**
   * Code is fetched through entry `index`, or data accessed, of which the engine may make a note: until the entry is
   * written again, whoever drops it has to see to that.
   */
  markUsed(index: number, fetched: boolean): void {
    const at = this.at(index) + TLB_ENTRY.used;
    this.words[at] = this.words[at]! | (fetched ? TLB_USE.fetched : TLB_USE.dataOfAllModes);
  }

  /** Makes entry `index` match nothing, as if it had never been written. */
  invalidate(index: number): void {
    this.unlink(index);
    const at = this.at(index);
    this.words.fill(0, at, at + TLB_ENTRY.words);
  }

  private unlink(index: number): void {
    const at = this.at(index);
    const w = this.words;
    if (w[at + TLB_ENTRY.used] === 0) return;
    this.lists.remove(index, w[at + TLB_ENTRY.entryHi]!, w[at + TLB_ENTRY.pageMask]!);
    this.masksChanged();
  }

  /** Writes an entry. G is the AND of both halves, the frame numbers lose the bits that PageMask covers. */
  write(index: number, entry: TlbEntry): void {
    const at = this.at(index);
    const mask = legalPageMask(entry.pageMask);
    const global = entry.entryLo0 & entry.entryLo1 & ENTRY_LO.G;
    const frame = ~(mask >>> 7) | ~ENTRY_LO.PFN;
    const w = this.words;
    this.unlink(index);
    w[at + TLB_ENTRY.entryHi] = entry.entryHi & (ENTRY_HI.VPN2 | ENTRY_HI.ASID);
    w[at + TLB_ENTRY.pageMask] = mask;
    w[at + TLB_ENTRY.entryLo0] = (entry.entryLo0 & frame & ~ENTRY_LO.G) | global;
    w[at + TLB_ENTRY.entryLo1] = (entry.entryLo1 & frame & ~ENTRY_LO.G) | global;
    w[at + TLB_ENTRY.high0] = entry.high0 ?? 0;
    w[at + TLB_ENTRY.high1] = entry.high1 ?? 0;
    w[at + TLB_ENTRY.used] = TLB_USE.written;
    this.lists.add(index, entry.entryHi, mask);
    this.masksChanged();
  }

  /** Index of the first entry that matches the virtual page of `va` in `asid`, or -1. */
  probe(va: number, asid: number): number {
    const { words: w, lists } = this;
    let found = NONE;
    for (const mask of lists.masks) {
      const compared = ENTRY_HI.VPN2 & ~mask;
      for (let index = lists.firstAt(va, mask); index !== NONE; index = lists.behind(index)) {
        const at = this.at(index);
        const entryHi = w[at + TLB_ENTRY.entryHi]!;
        if (((entryHi ^ va) & compared) !== 0 || w[at + TLB_ENTRY.pageMask] !== mask) continue;
        if ((w[at + TLB_ENTRY.entryLo0]! & ENTRY_LO.G) === 0 && (entryHi & ENTRY_HI.ASID) !== asid) continue;
        if (found === NONE || index < found) found = index;
      }
    }
    return found;
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
    for (let other = 0; other < this.entries; other++)
      if (other !== index && this.isUsed(other) && this.meets(other, entry, mask)) return true;
    return false;
  }

  /** True if entry `other`, which was written, matches what `entry` with page mask `mask` matches. */
  private meets(other: number, entry: TlbEntry, mask: number): boolean {
    const at = this.at(other);
    const w = this.words;
    const differ = entry.entryHi ^ w[at + TLB_ENTRY.entryHi]!;
    if ((differ & ENTRY_HI.VPN2 & ~mask & ~w[at + TLB_ENTRY.pageMask]!) !== 0) return false;
    const global = (entry.entryLo0 & entry.entryLo1) | w[at + TLB_ENTRY.entryLo0]!;
    return (global & ENTRY_LO.G) !== 0 || (differ & ENTRY_HI.ASID) === 0;
  }
}

import { CP0, ENTRY_LO } from "../isa/cp0.ts";
import type { SystemOps } from "../machine/system-ops.ts";
import type { Hpa } from "./addresses.ts";

/** Page sizes that the host's page tables can have. */
export type HostPageSize = 4096 | 16384;

/** The shape of a page table. Shifts are bit positions in an address. */
export interface TableGeometry {
  readonly pageSize: HostPageSize;
  readonly pageShift: number;
  /** An address shifted right by this is the index into the pgd. */
  readonly pgdShift: number;
  readonly pgdEntries: number;
  /** The middle level of 64-bit hosts: an address shifted right by `shift`, modulo `entries`, is the index into a pmd. */
  readonly pmd: { readonly shift: number; readonly entries: number } | null;
  /** log2 of the bytes of a pointer to a table, in a pgd or pmd. */
  readonly pointerShift: 2 | 3;
  /** An address shifted right by this is the number of the table of PTEs that maps it. */
  readonly tableShift: number;
  /** log2 of the bytes of a PTE: 2, or 3 for the two words of XPA and the doublewords of 64-bit hosts. */
  readonly pteShift: 2 | 3;
  readonly ptesPerTable: number;
  /** Value of CP0 PageMask for this page size. */
  readonly pageMask: number;
  /** Context shifted right by this and masked with `contextMask` is the byte offset of a PTE pair in its table. */
  readonly contextShift: number;
  readonly contextMask: number;
}

/**
 * The geometry of tables with pages of `pageSize` bytes: one table of PTEs is one page, and shows 4 MiB or 64 MiB,
 * half of that with PTEs of two words.
 */
export function tableGeometry(pageSize: HostPageSize, pteShift: 2 | 3 = 2): TableGeometry {
  const pageShift = Math.log2(pageSize);
  const pgdShift = 2 * pageShift - pteShift;
  return {
    ...{ pgdShift, pgdEntries: 2 ** (32 - pgdShift), pmd: null, pointerShift: 2, tableShift: pgdShift },
    ...lastLevel(pageSize, pteShift),
  };
}

/** Bits of an address that the tables of a 64-bit host translate: what a root of 8 KiB reaches with 4K pages. */
const VIRTUAL_BITS_4K = 40;

/**
 * The geometry of a 64-bit host's tables: three levels, and 8 bytes for each pointer and PTE. A table of PTEs shows
 * 2 MiB, or 32 MiB with pages of 16 KiB; a pmd 1 GiB or 64 GiB.
 */
export function tableGeometry64(pageSize: HostPageSize): TableGeometry {
  const last = lastLevel(pageSize, 3);
  const tableShift = 2 * last.pageShift - 3;
  const entries = pageSize >>> 3;
  const pgdShift = tableShift + Math.log2(entries);
  const pgdEntries = pageSize === 4096 ? 2 ** (VIRTUAL_BITS_4K - pgdShift) : entries;
  return { pgdShift, pgdEntries, pmd: { shift: tableShift, entries }, pointerShift: 3, tableShift, ...last };
}

/** What the pages, and the PTEs that name them, decide alone. */
function lastLevel(pageSize: HostPageSize, pteShift: 2 | 3) {
  const pageShift = Math.log2(pageSize);
  const ptesPerTable = pageSize >>> pteShift;
  return {
    pageSize,
    pageShift,
    pteShift,
    ptesPerTable,
    pageMask: (pageSize * 2 - 1) & ~0x1fff,
    // Context holds VA[31:13] from bit 4 up (MIPS32 PRA, "Context Register").
    contextShift: 4 - (pteShift + 1) + (pageShift - 12),
    contextMask: (ptesPerTable / 2 - 1) << (pteShift + 1),
  };
}

/** True if PTEs are the two words of XPA. */
export function isXpa({ pteShift, pointerShift }: TableGeometry): boolean {
  return pteShift === 3 && pointerShift === 2;
}

/** Where G is in a PTE. On 64-bit hosts a bit for huge pages is below it. */
function defaultGShift(geometry: TableGeometry, rixi: boolean): number {
  if (isXpa(geometry)) return 2;
  return (rixi ? 6 : 5) + (geometry.pmd === null ? 0 : 1);
}

/** How a PTE becomes an EntryLo word. */
export type EntryLoConversion =
  /** One logical shift right: no RI and XI. */
  | "shift"
  /** One rotate right: the software bits land in bits of EntryLo that the hardware ignores. */
  | "rotate"
  /** A shift right down to XI, then a rotate by 2 that brings RI and XI to the top. */
  | "shift-rotate"
  /** XPA: the upper word rotated by 2, and 24 bits of the lower one for the upper half of EntryLo. */
  | "two-words";

/** What a PTE is to allow, and its state. */
export interface PteFlags {
  /** The page may be written: W. */
  readonly write: boolean;
  /** It was used: A, and V if readable. */
  readonly young: boolean;
  /** It was written: M, and D if W. */
  readonly dirty: boolean;
  /** Cache coherency attribute; 3, cacheable, unless told otherwise. */
  readonly cca?: number;
}

/** Cacheable, noncoherent: the host's default coherency attribute. */
const CCA_CACHED = 3;

/** XPA: P to M in the lower word, how far up they go in a PTE that is one number, and what is not theirs there. */
const XPA_SOFTWARE = 0x0f00_0000;
const XPA_SOFTWARE_UP = 3;
const XPA_SOFTWARE_SHIFT = 24 + XPA_SOFTWARE_UP;
const XPA_HARDWARE = 2 ** XPA_SOFTWARE_SHIFT - 1;

/**
 * The layout of a PTE. From the least significant bit, without RI/XI:
 *
 *     P  NR  W  A  M | G  V  D  C C C  PFN...       (G at 5: `gShift`)
 *
 * and with RI/XI:
 *
 *     P  W  A  M  XI  RI | G  V  D  C C C  PFN...   (G at 6)
 *
 * Bits below G (below XI) are for software only; the handler's conversion drops them. Bits that a later
 * version puts between M and G move G up, so its position is a parameter.
 *
 * With XPA (two words for each PTE, low first) a table holds
 *
 *     low:   PFNX (24 bits)  P  W  A  M        high:  XI  RI  G  V  D  C C C  PFN...
 *
 * A PTE is one number here all the same: host RAM ends below 2 GiB, so PFNX is 0 and the upper word's last five
 * bits are; P, W, A and M take their place (`join`, `split`).
 */
export class PteFormat {
  readonly rixi: boolean;
  readonly gShift: number;
  readonly xiShift: number;
  readonly pfnShift: number;
  readonly P: number;
  readonly W: number;
  readonly A: number;
  readonly M: number;
  /** Reads are not allowed: NR, or RI. */
  readonly noRead: number;
  /** Execute inhibit; 0 without RI/XI. */
  readonly XI: number;
  readonly G: number;
  /** May be read silently. */
  readonly V: number;
  /** May be written silently. */
  readonly D: number;
  readonly conversion: EntryLoConversion;
  private readonly cShift: number;
  private readonly pageSize: number;
  /** Bits of a PTE, as a number, that are not software's: all if the software bits are below the others. */
  private readonly hardware: number;

  constructor(geometry: TableGeometry, rixi: boolean, fillBits = 0, gShift = defaultGShift(geometry, rixi)) {
    const wide = isXpa(geometry);
    this.rixi = rixi;
    this.gShift = gShift;
    this.pageSize = geometry.pageSize;
    this.hardware = wide ? XPA_HARDWARE : -1;
    const p = wide ? XPA_SOFTWARE_SHIFT : 0;
    const w = wide ? p + 1 : rixi ? 1 : 2;
    this.P = 1 << p;
    this.W = 1 << w;
    this.A = 1 << (w + 1);
    this.M = 1 << (w + 2);
    this.xiShift = gShift - 2;
    this.noRead = rixi ? 1 << (gShift - 1) : 2;
    this.XI = rixi ? 1 << this.xiShift : 0;
    this.G = 1 << gShift;
    this.V = 2 << gShift;
    this.D = 4 << gShift;
    this.cShift = gShift + ENTRY_LO.C_SHIFT;
    this.pfnShift = gShift + ENTRY_LO.PFN_SHIFT + (geometry.pageShift - 12);
    if (wide) this.conversion = "two-words";
    else if (!rixi) this.conversion = "shift";
    else this.conversion = fillBits >= this.xiShift ? "rotate" : "shift-rotate";
  }

  /** A present PTE of the host page at `hpa`. */
  make(hpa: Hpa, flags: PteFlags): number {
    const pfn = hpa / this.pageSize;
    let pte = (Math.floor(pfn) << this.pfnShift) | ((flags.cca ?? CCA_CACHED) << this.cShift) | this.P;
    if (flags.write) pte |= this.W;
    if (flags.young) pte = this.mkyoung(pte);
    if (flags.dirty) pte = this.mkdirty(pte);
    return pte >>> 0;
  }

  /** Host physical address of the page. */
  hpa(pte: number): Hpa {
    return ((pte & this.hardware) >>> this.pfnShift) * this.pageSize;
  }

  /** The PTE in two words of a table (XPA). */
  join(low: number, high: number): number {
    return ((high & this.hardware) | ((low & XPA_SOFTWARE) << XPA_SOFTWARE_UP)) >>> 0;
  }
  /** The words of a PTE in a table (XPA). */
  split(pte: number): [low: number, high: number] {
    return [(pte >>> XPA_SOFTWARE_UP) & XPA_SOFTWARE, pte & this.hardware];
  }

  present(pte: number): boolean {
    return (pte & this.P) !== 0;
  }
  writable(pte: number): boolean {
    return (pte & this.W) !== 0;
  }
  young(pte: number): boolean {
    return (pte & this.A) !== 0;
  }
  dirty(pte: number): boolean {
    return (pte & this.M) !== 0;
  }
  /** V: the hardware lets reads through. */
  valid(pte: number): boolean {
    return (pte & this.V) !== 0;
  }
  /** D: the hardware lets writes through. */
  hardwareWritable(pte: number): boolean {
    return (pte & this.D) !== 0;
  }

  mkyoung(pte: number): number {
    return (pte | this.A | ((pte & this.noRead) === 0 ? this.V : 0)) >>> 0;
  }
  mkold(pte: number): number {
    return (pte & ~(this.A | this.V)) >>> 0;
  }
  mkdirty(pte: number): number {
    return (pte | this.M | (this.writable(pte) ? this.D : 0)) >>> 0;
  }
  mkclean(pte: number): number {
    return (pte & ~(this.M | this.D)) >>> 0;
  }
  wrprotect(pte: number): number {
    return (pte & ~(this.W | this.D)) >>> 0;
  }

  /** The EntryLo word that the generated handler computes; the hardware ignores its fill bits. */
  toEntryLo(pte: number): number {
    switch (this.conversion) {
      case "shift":
        return pte >>> this.gShift;
      case "rotate":
        return rotateRight(pte, this.gShift);
      case "shift-rotate":
        return rotateRight(pte >>> this.xiShift, 2);
      case "two-words":
        return rotateRight(pte & this.hardware, 2);
    }
  }
}

function rotateRight(value: number, by: number): number {
  return ((value >>> by) | (value << (32 - by))) >>> 0;
}

/**
 * A safe number of bits of EntryLo between PFN and RI/XI that the hardware ignores, found by writing ones: the
 * highest PFN bit that sticks bounds the physical address, and what a word has beyond that is fill, less RI
 * and XI. EntryLo0 is left as it was.
 */
export function probeFillBits(ops: SystemOps): number {
  const saved = ops.readCp0(CP0.EntryLo0);
  ops.writeCp0(CP0.EntryLo0, -1);
  const pfn = ops.readCp0(CP0.EntryLo0) & ENTRY_LO.PFN;
  ops.writeCp0(CP0.EntryLo0, saved);
  const physicalBits = 32 - Math.clz32(pfn) + 6;
  const fill = Math.max(0, 32 - physicalBits);
  return fill - Math.min(2, fill);
}

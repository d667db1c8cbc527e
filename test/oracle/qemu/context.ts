import {
  CODE,
  CODE_REGION,
  DATA,
  DATA_PAGES,
  GIANT_REGION,
  NOWHERE,
  NOWHERE_REGION,
  REGION_BYTES,
  TLB_ENTRIES,
} from "./layout.ts";
import type { Mapping } from "./program.ts";
import type { Random } from "./random.ts";

/** Where a program's code runs. */
export type CodePlace = "kseg0" | "kseg1" | "useg" | "kseg2";

/** Registers that programs treat specially. All others are theirs to change. */
export const REGISTER = {
  /** Pointers into data pages; never written. */
  pointers: [16, 17, 18, 19, 20, 21, 22],
  /** kseg0 address of CODE; never written. */
  codeAlias: 23,
  /** Targets that cannot be fetched from, and targets in the program. */
  badTarget: 24,
  target: 25,
  loopCounter: 30,
  /** Holds legal values of EBase only. */
  ebase: 15,
  /** Hold legal values of PageMask, and of Index and Wired, only. */
  pageMask: 14,
  small: 13,
} as const;

/** What the groups of a program need to know of it. */
export interface Context {
  readonly random: Random;
  readonly place: CodePlace;
  /** The code's own mapping does not depend on the ASID, or there is none. */
  readonly codeIsGlobal: boolean;
  /** Status.ERL may be set: useg is then unmapped. */
  readonly usesErl: boolean;
  /** ERET may be used: after exceptions EPC is the end of the program. */
  readonly mayEret: boolean;
  /**
   * Status.EXL may be set: exceptions then nest, and resume where an earlier one was. Never where the code's
   * mapping depends on the ASID, which an instruction out of its group may change.
   */
  readonly mayNest: boolean;
  readonly regionBases: readonly number[];
  readonly groupCount: number;
}

const ENTRY_V = 2;
const ENTRY_D = 4;
const PAGE_MASKS = [0, 0, 0, 0x6000, 0x1_e000] as const;
const GIANT_PAGE_MASKS = [0x1fff_e000, 0x07ff_e000, 0x1ff_e000, 0] as const;
const ASIDS = [0, 1, 0x7f, 0xff] as const;

export const randomAsid = (random: Random): number =>
  random.chance(80) ? random.pick(ASIDS) : random.below(256);

/** Base address of each region for a program whose code runs at `place`. */
export function regionBasesFor(place: CodePlace): number[] {
  return Array.from({ length: TLB_ENTRIES }, (_, n) => {
    if (n === GIANT_REGION) return 0x4000_0000;
    const offset = n * REGION_BYTES;
    const segment =
      n === 14 ? 0xe200_0000 : n >= 10 || (n === CODE_REGION && place === "kseg2") ? 0xc200_0000 : DATA;
    return segment + offset;
  });
}

/** EntryLo of a data page of the size that `pageMask` gives. */
function dataEntryLo(random: Random, pageMask: number, giant: boolean): number {
  const cache = random.pick([2, 3]) << 3;
  let bits = cache | (random.chance(85) ? ENTRY_V : 0) | (random.chance(80) ? ENTRY_D : 0);
  if (random.chance(30)) bits |= 1;
  const framePages = (pageMask >>> 13) + 1;
  // A page of 256 MiB starts at 0, and its user adds the address of the data.
  const frame = giant && pageMask === 0x1fff_e000 ? 0 : DATA >>> 12;
  const page = framePages < DATA_PAGES ? random.below(DATA_PAGES / framePages) * framePages : 0;
  return ((frame + page) << 6) | bits;
}

/** A mapping for region `n`: of the data pages, of the code, or of nothing. */
export function randomMapping(context: Context, n: number): Mapping {
  const { random } = context;
  if (n === CODE_REGION) {
    const pageMask = random.pick(PAGE_MASKS);
    const bits = (3 << 3) | ENTRY_V | ENTRY_D | (context.codeIsGlobal ? 1 : 0);
    const frame = (CODE >>> 12) & ~(pageMask >>> 13);
    const next = frame + (pageMask >>> 13) + 1;
    return { pageMask, entryLo0: (frame << 6) | bits, entryLo1: (next << 6) | bits };
  }
  if (n === NOWHERE_REGION) {
    const lo = ((NOWHERE >>> 12) << 6) | (2 << 3) | ENTRY_V;
    return { pageMask: 0, entryLo0: lo, entryLo1: lo };
  }
  const giant = n === GIANT_REGION;
  const pageMask = random.pick(giant ? GIANT_PAGE_MASKS : PAGE_MASKS);
  const entryLo0 = dataEntryLo(random, pageMask, giant);
  let entryLo1 = dataEntryLo(random, pageMask, giant);
  if (random.chance(60)) entryLo1 = (entryLo1 & ~1) | (entryLo0 & 1);
  return { pageMask, entryLo0, entryLo1 };
}

/** A virtual address in region `n` whose page lies in the data pages however the region is mapped. */
export function regionAddress(context: Context, n: number): number {
  const { random } = context;
  const page = random.below(DATA_PAGES) * 0x1000;
  const base = context.regionBases[n]!;
  if (n === GIANT_REGION) return base + (random.chance(50) ? 0x1000_0000 : 0) + DATA + page;
  // Region 0 is also used unmapped, where it must be the data pages themselves.
  return base + page + (n !== 0 && random.chance(30) ? 0x1_0000 : 0);
}

export const DATA_REGIONS = [0, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, GIANT_REGION] as const;

/** Regions whose entries a program may write. */
export function pickRegion(context: Context): number {
  return context.random.pick(DATA_REGIONS);
}

import { ENTRY_LO } from "../../src/isa/cp0.ts";
import type { Memslot } from "../../src/kvm/index.ts";
import type { Random } from "./random.ts";
import { entryLoOf, type Style, type Targets } from "./words.ts";

/*
 * Host memory of a fuzzed VM:
 *
 *     0         the hypervisor's pages; those that it does not use hold a canary
 *     HOST_END  the guest's memory, slot by slot, with a page of canaries before and behind each
 */

/** Bytes of host RAM for the host kernel and the hypervisor: two roots full of tables, and more. */
export const HOST_END = 6 << 20;
/** Canaries between slots. A multiple of every host page size. */
const GAP = 0x4000;

/** Bytes of guest RAM at GPA 0. Code lies below {@link CODE_END}, data above. */
const RAM_BYTES = 0x4_0000;
export const CODE_END = 0x1_0000;

/** Guest physical memory, apart from slots that come and go. All sizes fit 4K and 16K pages. */
const REGIONS = [
  { name: "ram", gpa: 0, size: RAM_BYTES, readonly: false },
  { name: "small", gpa: 0x0020_0000, size: 0x4000, readonly: false },
  { name: "rom", gpa: 0x0020_4000, size: 0x8000, readonly: true },
  { name: "boot", gpa: 0x1fc0_0000, size: 0x4000, readonly: false },
  { name: "high", gpa: 0x3000_0000, size: 0x8000, readonly: false },
  { name: "top", gpa: 0xffff_c000, size: 0x4000, readonly: false },
  /** Deleted, made anew, moved and made read-only while the guest runs. */
  { name: "changing", gpa: 0x0030_0000, size: 0x8000, readonly: false },
] as const;

export type RegionName = (typeof REGIONS)[number]["name"];

/** A region of guest memory and where its bytes are. */
export interface Region {
  readonly name: RegionName;
  readonly slot: Memslot;
}

/** Every region, the memory of a second VM, and the first byte behind the last gap. */
export function layOut(): { regions: Region[]; victim: Memslot; end: number } {
  let at = HOST_END + GAP;
  const regions = REGIONS.map(({ name, gpa, size, readonly }, index) => {
    const slot = { slot: index, guestPhysAddr: gpa, memorySize: size, hostPhysAddr: at, readonly };
    at += size + GAP;
    return { name, slot };
  });
  const victim = { slot: 0, guestPhysAddr: 0, memorySize: 0x8000, hostPhysAddr: at };
  at += victim.memorySize + GAP;
  return { regions, victim, end: Math.ceil(at / 0x1_0000) * 0x1_0000 };
}

/** Ranges of host memory outside the hypervisor's part that belong to no slot. */
export function gaps(slots: readonly Memslot[], end: number): { first: number; last: number }[] {
  const found: { first: number; last: number }[] = [];
  let at = HOST_END;
  for (const slot of slots) {
    found.push({ first: at, last: slot.hostPhysAddr });
    at = slot.hostPhysAddr + slot.memorySize;
  }
  found.push({ first: at, last: end });
  return found;
}

const KSEG0 = 0x4000_0000;

/** Mapped addresses that guests like, at different distances from where things happen. */
const MAPPED = [
  ...[0x0001_0000, 0x0002_0000, 0x0010_0000, 0x0012_3000, 0x0100_0000, 0x2000_0000, 0x37ff_8000],
  ...[0x6000_0000, 0x6001_0000, 0x7000_0000, 0x77ff_8000],
];
/** Mapped addresses for code, which have MAPPED_CODE_BIT set; those for data have not. */
const MAPPED_CODE = [0x0800_0000, 0x1800_0000, 0x6800_0000];
/** In wild guests: the neighbourhood of the commpage, and no addresses at all. */
const STRANGE = [
  ...[0x0000_0000, 0x0000_4000, 0x0000_6000, 0x0000_7000, 0x0000_7180, 0x0000_71a0, 0x0000_7150, 0x0000_8000],
  ...[0x5fff_f000, 0x7fff_fffc, 0xbfff_fffc, 0xc000_0000, 0xffff_8000, 0xffff_fffc],
];
const MMIO = [0x8000_1000, 0x9000_0000, 0xa700_0000, 0xb400_03f8, 0xbfff_fff0, 0x4070_0000];

/** What the generators aim at, for a guest of this style and with these page sizes. */
export function targetsFor(style: Style, options: TargetOptions): Targets {
  const { pageSize, commpage, branchesInSlots } = options;
  const wild = style === "wild";
  const inPage = (random: Random): number => (wild && random.chance(30) ? random.below(0x1000) : 0x800);
  const page = (random: Random, bytes: number): number => 0x1000 * random.below(bytes / 0x1000);
  const dataGpa = (random: Random): number =>
    random.weighted([
      [6, () => CODE_END + page(random, RAM_BYTES - CODE_END)],
      [1, () => 0x0020_0000 + page(random, 0x4000)],
      [2, () => 0x0020_4000 + page(random, 0x8000)],
      [1, () => 0x0030_0000 + page(random, 0x8000)],
    ]);
  const anyGpa = (random: Random): number =>
    random.weighted([
      [6, () => dataGpa(random)],
      [wild ? 3 : 0, () => page(random, CODE_END)],
      [1, () => 0x3000_0000 + page(random, 0x8000)],
      [1, () => 0xffff_c000],
      [1, () => 0x0070_0000 + page(random, 0x10000)],
      [wild ? 1 : 0, () => 4096 * random.below(1 << 24)],
    ]);
  const codeAddress = (random: Random): number => {
    const at = 0x400 + 4 * random.below((CODE_END - 0x600) / 4);
    if (random.chance(30)) return random.pick(MAPPED_CODE) + (at & 0xfffc);
    return KSEG0 + at;
  };
  const page4k = pageSize === 4096;
  return {
    style,
    smallestPage: pageSize,
    branchesInSlots,
    data: (random) =>
      (random.weighted([
        [6, () => KSEG0 + dataGpa(random) + inPage(random)],
        [7, () => random.pick(MAPPED) + 0x1000 * random.below(8) + inPage(random)],
        [2, () => random.pick(MMIO) + (wild ? random.below(64) : 0x40)],
        [commpage ? 3 : 0, () => random.pick(STRANGE) + random.below(32)],
        [wild ? 1 : 0, () => KSEG0 + page(random, CODE_END) + inPage(random)],
        [wild && commpage ? 1 : 0, () => random.word()],
      ]) >>>
        0) >>>
      0,
    code: (random) => {
      if (!wild) return codeAddress(random);
      return random.weighted([
        [20, () => codeAddress(random)],
        [1, () => codeAddress(random) + random.below(4)],
        [1, () => KSEG0 + dataGpa(random)],
        [
          1,
          () =>
            random.pick([0x5fc0_0200, 0x5fc0_0000, 0xbfc0_0000, 0x7000, 0x7180, 0xc000_0000, 0x4000_0000]),
        ],
      ]);
    },
    entryLo: (random) => {
      if (wild && random.chance(3)) return random.word();
      // Pages of code are mapped for execution; tame guests never load from there.
      const flags =
        random.pick([0, ENTRY_LO.V, 6, 6, 6, 6, ENTRY_LO.D]) | (random.chance(25) ? ENTRY_LO.G : 0);
      const gpa = random.chance(30) ? page(random, CODE_END) : anyGpa(random);
      return entryLoOf(gpa - (gpa % pageSize), flags);
    },
    entryHi: (random) => {
      const asid = random.chance(70) ? random.below(3) : random.below(256);
      const base = random.weighted([
        [8, () => random.pick(MAPPED) + 0x1000 * random.below(8)],
        [3, () => random.pick(MAPPED_CODE) + page(random, CODE_END)],
        [commpage ? 2 : 0, () => 0x2000 * random.below(8)],
        [commpage ? 1 : 0, () => random.word()],
      ]);
      return ((base & 0xffff_e000) | asid) >>> 0;
    },
    pageMask: (random) => {
      const smallest = page4k ? 0 : 1;
      const largest = wild ? 8 : smallest + 1;
      const pairs = random.chance(wild ? 75 : 90) ? smallest : random.between(smallest, largest);
      if (wild && random.chance(4)) return random.word();
      return ((1 << (2 * pairs)) - 1) << 13;
    },
  };
}

export interface TargetOptions {
  /** Smallest guest page. */
  readonly pageSize: number;
  /** Whether data accesses may aim at the commpage and other strange places. */
  readonly commpage: boolean;
  readonly branchesInSlots: boolean;
}

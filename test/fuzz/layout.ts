import { ENTRY_LO } from "../../src/isa/cp0.ts";
import type { Memslot } from "../../src/kvm/index.ts";
import type { GuestPlan } from "./axes.ts";
import type { Random } from "./random.ts";
import { entryLoOf, type Style, type Targets } from "./words.ts";

/*
 * Host memory of a fuzzed VM:
 *
 *     0         the hypervisor's pages; those that it does not use hold a canary
 *     HOST_END  the guest's memory, slot by slot, with a page of canaries before and behind each
 */

/** Bytes of host RAM for the host kernel and the hypervisor: the tables of two roots of 4 GiB, and more. */
export const HOST_END = 12 << 20;
/** Canaries between slots. A multiple of every host page size. */
const GAP = 0x4000;

/** Bytes of guest RAM at GPA 0. Code lies below {@link CODE_END}, data above. */
const RAM_BYTES = 0x4_0000;
export const CODE_END = 0x1_0000;

/** Guest physical memory, apart from slots that come and go. All sizes fit 4K and 16K pages. */
export const REGIONS = [
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

/** Where guests have what, in each of the maps that they live by. */
interface Places {
  /** First addresses of segments that show physical memory. */
  readonly direct: readonly number[];
  /**
   * Mapped addresses for data that guests like, at different distances from where things happen, and for code,
   * which have MAPPED_CODE_BIT set.
   */
  readonly mapped: readonly number[];
  readonly mappedCode: readonly number[];
  /** The neighbourhood of the commpage and the ends of segments, for wild guests. */
  readonly strange: readonly number[];
  /** What is mapped there collides with the commpage. */
  readonly nearCommpage: number;
  readonly devices: readonly number[];
  /** Jumps go there now and then: boot vectors, and no code at all. */
  readonly strangeCode: readonly number[];
}

const USER_DATA = [0x0001_0000, 0x0002_0000, 0x0010_0000, 0x0012_3000, 0x0100_0000, 0x2000_0000, 0x37ff_8000];

export const PLACES = {
  te: {
    direct: [0x4000_0000],
    mapped: [...USER_DATA, 0x6000_0000, 0x6001_0000, 0x7000_0000, 0x77ff_8000],
    mappedCode: [0x0800_0000, 0x1800_0000, 0x6800_0000],
    strange: [
      ...[0x0000_0000, 0x0000_4000, 0x0000_6000, 0x0000_7000, 0x0000_7180, 0x0000_71a0, 0x0000_7150],
      ...[0x0000_8000, 0x5fff_f000, 0x7fff_fffc, 0xbfff_fffc, 0xc000_0000, 0xffff_8000, 0xffff_fffc],
    ],
    nearCommpage: 0,
    devices: [0x8000_1000, 0x9000_0000, 0xa700_0000, 0xb400_03f8, 0xbfff_fff0, 0x4070_0000],
    strangeCode: [0x5fc0_0200, 0x5fc0_0000, 0xbfc0_0000, 0x7000, 0x7180, 0xc000_0000, 0x4000_0000],
  },
  eva: {
    direct: [0x8000_0000, 0xa000_0000],
    mapped: [...USER_DATA, 0x6000_0000, 0x77ff_8000, 0xc000_0000, 0xc001_0000, 0xd000_0000, 0xf7ff_8000],
    mappedCode: [0x0800_0000, 0x6800_0000, 0xc800_0000],
    strange: [
      ...[0x0000_0000, 0x0000_7000, 0x7fff_fffc, 0x8000_0000, 0x9fff_fffc, 0xbfff_fffc, 0xffff_6000],
      ...[0xffff_8000, 0xffff_8180, 0xffff_81a0, 0xffff_8150, 0xffff_9000, 0xffff_c000, 0xffff_fffc],
    ],
    nearCommpage: 0xffff_0000,
    devices: [0x8070_1000, 0x9000_0000, 0xa700_0000, 0xb400_03f8, 0xbfff_fff0, 0xa070_0000],
    strangeCode: [0xbfc0_0200, 0xbfc0_0000, 0x9fc0_0200, 0xffff_8000, 0xffff_8180, 0x8000_0000, 0xe000_0000],
  },
} as const satisfies Record<GuestPlan["map"], Places>;

/** What the generators aim at, for a guest of this style and with these page sizes. */
export function targetsFor(style: Style, options: TargetOptions): Targets {
  const { pageSize, commpage, branchesInSlots, fpu } = options;
  const places: Places = PLACES[options.map];
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
    if (random.chance(30)) return random.pick(places.mappedCode) + (at & 0xfffc);
    return random.pick(places.direct) + at;
  };
  const page4k = pageSize === 4096;
  return {
    style,
    direct: places.direct[0]!,
    smallestPage: pageSize,
    branchesInSlots,
    fpu,
    data: (random) =>
      (random.weighted([
        [6, () => random.pick(places.direct) + dataGpa(random) + inPage(random)],
        [7, () => random.pick(places.mapped) + 0x1000 * random.below(8) + inPage(random)],
        [2, () => random.pick(places.devices) + (wild ? random.below(64) : 0x40)],
        [commpage ? 3 : 0, () => random.pick(places.strange) + random.below(32)],
        [wild ? 1 : 0, () => random.pick(places.direct) + page(random, CODE_END) + inPage(random)],
        [wild && commpage ? 1 : 0, () => random.word()],
      ]) >>>
        0) >>>
      0,
    code: (random) => {
      if (!wild) return codeAddress(random);
      return random.weighted([
        [20, () => codeAddress(random)],
        [1, () => codeAddress(random) + random.below(4)],
        [1, () => random.pick(places.direct) + dataGpa(random)],
        [1, () => random.pick(places.strangeCode)],
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
        [8, () => random.pick(places.mapped) + 0x1000 * random.below(8)],
        [3, () => random.pick(places.mappedCode) + page(random, CODE_END)],
        [commpage ? 2 : 0, () => places.nearCommpage + 0x2000 * random.below(8)],
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
  readonly map: GuestPlan["map"];
  /** Smallest guest page. */
  readonly pageSize: number;
  /** Whether data accesses may aim at the commpage and other strange places. */
  readonly commpage: boolean;
  readonly branchesInSlots: boolean;
  readonly fpu: boolean;
}

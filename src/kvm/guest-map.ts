import type { Gpa, Gva } from "./addresses.ts";

/** What an access to a guest segment means. */
type SegmentKind =
  /** Translated by the guest TLB. */
  | "mapped"
  /** Direct, as kseg0 and kseg1 are: GPA = GVA & `gpaMask`, in guest kernel mode only. */
  | "kseg0"
  /** Host kernel addresses that guest drivers use for devices: always faults; GPA = GVA & `gpaMask`. */
  | "mmio"
  /** No guest may go there. */
  | "illegal";

/** A range of guest virtual addresses, both ends included. */
export interface GuestSegment {
  readonly first: Gva;
  readonly last: Gva;
  readonly kind: SegmentKind;
  /** True if guest user mode may touch it. */
  readonly user: boolean;
  /** The bits of the GVA that make the GPA, for kinds "kseg0" and "mmio"; 0 for the others. */
  readonly gpaMask: number;
}

/** A range of guest virtual addresses, both ends included. */
export interface GvaRange {
  readonly first: Gva;
  readonly last: Gva;
}

/** Which mode's table a flush is for, and whether what GPAs mean has changed. Values combine with `|`. */
export const KMF = {
  /** The user table, after a change of the guest's ASID. */
  USER: 0,
  /** The kernel table, after a change of the guest's ASID: direct segments survive it. */
  KERN: 1,
  /** Everything that depends on a GPA mapping. */
  GPA: 2,
} as const;

/** Where a guest lives. No other file of the hypervisor states these addresses. */
export interface GuestMap {
  readonly name: string;
  /** Ascending, without gaps, from 0 to FFFFFFFF. */
  readonly segments: readonly GuestSegment[];
  /** Last GVA that GVA tables map. Slots of a root beyond it belong to the host and are never touched. */
  readonly lastGva: Gva;
  /**
   * The half of what a signed 16-bit displacement from `$zero` reaches that has the commpage, at its lower or its
   * upper end: a single load or store of the guest kernel addresses its virtual CP0.
   */
  readonly zeroWindow: GvaRange & { readonly commpage: "lower" | "upper" };
  /** First address beyond what guest user mode may touch; what lies below is in both modes' tables. */
  readonly userLimit: Gva;
  readonly resetPc: Gva;
  /** Reset value of the guest's EBase, without the CPU number. */
  readonly ebase: Gva;
  /** The bits of EBase that a guest can change. */
  readonly ebaseWritable: number;
  /** Base of the exception vectors while the guest's Status.BEV is 1. */
  readonly bevBase: Gva;
  /** What a flush of a GVA table covers, by its {@link KMF} flags (0 to 3). */
  readonly flushRanges: readonly [
    user: readonly GvaRange[],
    kern: readonly GvaRange[],
    gpaUser: readonly GvaRange[],
    gpaKern: readonly GvaRange[],
  ];
}

const USEG: GvaRange = { first: 0x0000_0000, last: 0x3fff_ffff };
const KSEG23: GvaRange = { first: 0x6000_0000, last: 0x7fff_ffff };
const LOW_512M = 0x1fff_ffff;

/** The classic trap-and-emulate guest: a kernel linked for useg, KSeg0 at 40000000, mapped segment at 60000000. */
export const TE_MAP: GuestMap = {
  name: "te",
  segments: [
    { ...USEG, kind: "mapped", user: true, gpaMask: 0 },
    { first: 0x4000_0000, last: 0x5fff_ffff, kind: "kseg0", user: false, gpaMask: LOW_512M },
    { ...KSEG23, kind: "mapped", user: false, gpaMask: 0 },
    { first: 0x8000_0000, last: 0xbfff_ffff, kind: "mmio", user: false, gpaMask: LOW_512M },
    { first: 0xc000_0000, last: 0xffff_ffff, kind: "illegal", user: false, gpaMask: 0 },
  ],
  lastGva: 0x7fff_ffff,
  zeroWindow: { first: 0, last: 0x7fff, commpage: "upper" },
  userLimit: 0x4000_0000,
  resetPc: 0x5fc0_0000,
  ebase: 0x4000_0000,
  ebaseWritable: 0x1fff_f000,
  bevBase: 0x5fc0_0200,
  flushRanges: [[USEG], [USEG, KSEG23], [USEG], [{ first: 0, last: 0x7fff_ffff }]],
};

const EVA_USEG: GvaRange = { first: 0x0000_0000, last: 0x7fff_ffff };
const EVA_KSEG23: GvaRange = { first: 0xc000_0000, last: 0xffff_ffff };

/**
 * An unmodified kernel, at the addresses that the architecture gives it: useg of 2 GiB, kseg0, kseg1, kseg2 and
 * kseg3. The host's own half has to be out of the way, which takes segmentation control ({@link needsEva}).
 *
 * The commpage is at FFFF8000, the lower end of its window: pointers that hold a small negative number by mistake
 * (error codes, members of a structure at address 0) end beyond it, and meet the guest's own TLB as they should.
 */
export const EVA_MAP: GuestMap = {
  name: "eva",
  segments: [
    { ...EVA_USEG, kind: "mapped", user: true, gpaMask: 0 },
    { first: 0x8000_0000, last: 0x9fff_ffff, kind: "kseg0", user: false, gpaMask: LOW_512M },
    { first: 0xa000_0000, last: 0xbfff_ffff, kind: "kseg0", user: false, gpaMask: LOW_512M },
    { ...EVA_KSEG23, kind: "mapped", user: false, gpaMask: 0 },
  ],
  lastGva: 0xffff_ffff,
  zeroWindow: { first: 0xffff_8000, last: 0xffff_ffff, commpage: "lower" },
  userLimit: 0x8000_0000,
  resetPc: 0xbfc0_0000,
  ebase: 0x8000_0000,
  ebaseWritable: 0x1fff_f000,
  bevBase: 0xbfc0_0200,
  flushRanges: [[EVA_USEG], [EVA_USEG, EVA_KSEG23], [EVA_USEG], [{ first: 0x0000_0000, last: 0xffff_ffff }]],
};

/** First address of the half that belongs to the host's kernel, unless its segments are set otherwise. */
const HOST_HALF = 0x8000_0000;

/** True if a guest that lives there needs addresses that only an EVA host gives to user mode. */
export function needsEva(map: GuestMap): boolean {
  return map.lastGva >= HOST_HALF;
}

/** The segment that a GVA lies in. */
export function segmentOf(map: GuestMap, gva: Gva): GuestSegment {
  const address = gva >>> 0;
  for (const segment of map.segments) if (address <= segment.last) return segment;
  throw new RangeError(`guest map ${map.name} has no segment for ${address.toString(16)}`);
}

/** The GPA of an address in a direct or MMIO segment. */
export function directGpa(segment: GuestSegment, gva: Gva): Gpa {
  return (gva & segment.gpaMask) >>> 0;
}

/**
 * Where the commpage lies with host pages of `pageSize` bytes: in the classic map 7000h for 4K, 4000h for 16K, 0
 * beyond 32K.
 */
export function commpageAddress(map: GuestMap, pageSize: number): Gva {
  const { first, last, commpage } = map.zeroWindow;
  const at = commpage === "lower" ? first : Math.max(0, last + 1 - pageSize);
  return at - (at % pageSize);
}

/** The ranges that a flush with `flags` ({@link KMF}) covers. */
export function flushRanges(map: GuestMap, flags: number): readonly GvaRange[] {
  const ranges = map.flushRanges[flags];
  if (ranges === undefined) throw new RangeError(`flush flags ${flags}`);
  return ranges;
}

import { SEG_CTL } from "../isa/cp0.ts";
import { MODE, type Mode } from "./modes.ts";
import { SEGMENT_MAPPED, SEGMENT_OTHER, SEGMENT_ROUTES } from "./state-layout.ts";

/**
 * The segments of the address space (MIPS32 PRA, "Virtual Memory" and "Segmentation Control"), as a table. A CPU
 * without segmentation control has the same table with contents that never change.
 *
 *     CFG  addresses            in
 *     0    E0000000-FFFFFFFF    SegCtl0, lower half
 *     1    C0000000-DFFFFFFF    SegCtl0, upper half
 *     2    A0000000-BFFFFFFF    SegCtl1, lower half
 *     3    80000000-9FFFFFFF    SegCtl1, upper half
 *     4    40000000-7FFFFFFF    SegCtl2, lower half
 *     5    00000000-3FFFFFFF    SegCtl2, upper half
 */
const SEGMENTS = 6;

/** Where the kernel finds the first bytes of physical memory, unmapped, unless segment control says otherwise. */
export const KSEG0 = { base: 0x8000_0000, bytes: 0x2000_0000 } as const;

/** CFG number of each eighth of the address space. */
const CFG_OF_EIGHTH = [5, 5, 4, 4, 3, 2, 1, 0] as const;

/** Address bits that select a byte in segment CFG `n`: the upper ones are 512 MiB, CFG 4 and 5 are 1 GiB. */
const offsetMask = (n: number): number => (n < 4 ? 0x1fff_ffff : 0x3fff_ffff);

/** SegCtl0 to SegCtl2 as they describe the segments of a CPU that has no such registers; also their reset values. */
export const LEGACY_SEG_CTL: readonly [number, number, number] = [0x0020_0010, 0x0003_0002, 0x0038_0438];

/** Their bits that software can write: PA of the segments of 1 GiB lacks bit 29. */
export const SEG_CTL_WRITABLE: readonly [number, number, number] = [0xfe7f_fe7f, 0xfe7f_fe7f, 0xfc7f_fc7f];

/** How an access to a segment goes on. */
const ROUTE = { mapped: 0, unmapped: 1, error: 2 } as const;
type Route = (typeof ROUTE)[keyof typeof ROUTE];

/** Kernel mode with ERL = 1 is like kernel mode, but for EU. */
const byMode = (kernel: Route, supervisor: Route, user: Route): readonly Route[] => {
  const routes: Route[] = [];
  routes[MODE.kernel] = kernel;
  routes[MODE.error] = kernel;
  routes[MODE.supervisor] = supervisor;
  routes[MODE.user] = user;
  return routes;
};

const { mapped, unmapped, error } = ROUTE;

/** What each access mode (AM) makes of the CPU's modes. 6 is reserved, and taken as 7: so QEMU does. */
const ACCESS_MODES: readonly (readonly Route[])[] = [
  /* 0 UK    */ byMode(unmapped, error, error),
  /* 1 MK    */ byMode(mapped, error, error),
  /* 2 MSK   */ byMode(mapped, mapped, error),
  /* 3 MUSK  */ byMode(mapped, mapped, mapped),
  /* 4 MUSUK */ byMode(unmapped, mapped, mapped),
  /* 5 USK   */ byMode(unmapped, unmapped, error),
  /* 6       */ byMode(unmapped, unmapped, unmapped),
  /* 7 UUSK  */ byMode(unmapped, unmapped, unmapped),
];

/** `resolve` found a segment that the TLB translates. */
export const MAPPED = -1;
/** `resolve` found a segment that the mode may not use: an address error. */
export const NO_ACCESS = -2;

/** The segments as they are now. */
export class SegmentMap {
  /** Route of an access by mode and segment: index mode * SEGMENTS + CFG number. */
  private readonly routes: Route[] = new Array<Route>(4 * SEGMENTS).fill(ROUTE.error);
  /** First physical address that each segment shows where it is not mapped. */
  private readonly bases: number[] = new Array<number>(SEGMENTS).fill(0);

  constructor() {
    this.set(LEGACY_SEG_CTL);
  }

  /** Takes the values of SegCtl0, SegCtl1 and SegCtl2. */
  set(segCtl: readonly [number, number, number]): void {
    for (let n = 0; n < SEGMENTS; n++) {
      const cfg = (segCtl[n >>> 1]! >>> ((n & 1) * 16)) & 0xffff;
      const access = ACCESS_MODES[(cfg & SEG_CTL.AM) >>> SEG_CTL.AM_SHIFT]!;
      for (const mode of Object.values(MODE)) this.routes[mode * SEGMENTS + n] = access[mode]!;
      if ((cfg & SEG_CTL.EU) !== 0) this.routes[MODE.error * SEGMENTS + n] = ROUTE.unmapped;
      this.bases[n] = (cfg >>> SEG_CTL.PA_SHIFT) * 2 ** 29;
    }
  }

  /** Where `va` (unsigned) leads in `mode`: a physical address, or MAPPED, or NO_ACCESS. */
  resolve(va: number, mode: Mode): number {
    const n = CFG_OF_EIGHTH[(va >>> 29) as 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7];
    const route = this.routes[mode * SEGMENTS + n]!;
    if (route === ROUTE.mapped) return MAPPED;
    if (route === ROUTE.error) return NO_ACCESS;
    return this.bases[n]! + (va & offsetMask(n));
  }

  /** Writes the table of routes at word `at` that generated code looks up (`SEGMENT_ROUTES`). */
  publish(words: Int32Array, at: number): void {
    for (let n = 0; n < SEGMENT_ROUTES.words; n++) {
      const where = this.resolve((n & 7) * 2 ** 29, (n >>> 3) as Mode);
      const route = where === MAPPED ? SEGMENT_MAPPED : where / 2 ** 29;
      words[at + n] = where === NO_ACCESS || route >= 8 ? SEGMENT_OTHER : route;
    }
  }
}

import { describe, expect, test } from "vitest";
import { MODE, type Mode } from "./modes.ts";
import { LEGACY_SEG_CTL, MAPPED, NO_ACCESS, SegmentMap } from "./segments.ts";

/** The classic map, written out: what an address means to a CPU without segmentation control. */
function classic(va: number, mode: Mode): number {
  if (va < 0x8000_0000) return mode === MODE.error ? va : MAPPED;
  const isKernel = mode === MODE.kernel || mode === MODE.error;
  if (va < 0xc000_0000) return isKernel ? va % 0x2000_0000 : NO_ACCESS;
  if (isKernel || (va < 0xe000_0000 && mode === MODE.supervisor)) return MAPPED;
  return NO_ACCESS;
}

const modes = Object.entries(MODE);

describe("legacy segments", () => {
  const map = new SegmentMap();
  test.each(modes)("in %s mode", (_name, mode) => {
    for (let segment = 0; segment < 8; segment++)
      for (const offset of [0, 4, 0x1234_5678, 0x1fff_ffff]) {
        const va = segment * 0x2000_0000 + offset;
        expect(map.resolve(va, mode), va.toString(16)).toBe(classic(va, mode));
      }
  });
});

describe("segmentation control", () => {
  /** The manual's table: K, S and U give error, mapped or unmapped access. */
  const table: readonly [name: string, kernel: string, supervisor: string, user: string][] = [
    ["UK", "unmapped", "error", "error"],
    ["MK", "mapped", "error", "error"],
    ["MSK", "mapped", "mapped", "error"],
    ["MUSK", "mapped", "mapped", "mapped"],
    ["MUSUK", "unmapped", "mapped", "mapped"],
    ["USK", "unmapped", "unmapped", "error"],
    ["reserved", "unmapped", "unmapped", "unmapped"],
    ["UUSK", "unmapped", "unmapped", "unmapped"],
  ];
  const kindOf = (where: number): string =>
    where === MAPPED ? "mapped" : where === NO_ACCESS ? "error" : "unmapped";

  test.each(table)("%s, in every segment and mode, with and without EU", (name, kernel, supervisor, user) => {
    const am = table.findIndex((row) => row[0] === name);
    for (const eu of [false, true]) {
      const cfg = (am << 4) | (eu ? 8 : 0);
      const register = (cfg << 16) | cfg;
      const map = new SegmentMap();
      map.set([register, register, register]);
      for (let segment = 0; segment < 8; segment++) {
        const kind = (mode: Mode): string => kindOf(map.resolve(segment * 0x2000_0000 + 4, mode));
        expect(kind(MODE.kernel)).toBe(kernel);
        expect(kind(MODE.supervisor)).toBe(supervisor);
        expect(kind(MODE.user)).toBe(user);
        expect(kind(MODE.error)).toBe(eu ? "unmapped" : kernel);
      }
    }
  });

  test("PA says where an unmapped segment begins; bit 29 of the two of 1 GiB is the address's own", () => {
    const map = new SegmentMap();
    const cfg = (pa: number): number => (pa << 9) | 0x70;
    const pair = (low: number, high: number): number => (cfg(high) << 16) | cfg(low);
    map.set([pair(1, 0x7f), pair(3, 4), pair(6, 0x7e)]);
    expect(map.resolve(0xe000_1000, MODE.user)).toBe(0x2000_1000);
    expect(map.resolve(0xdfff_fffc, MODE.user)).toBe(0xf_ffff_fffc);
    expect(map.resolve(0xa000_0000, MODE.user)).toBe(0x6000_0000);
    expect(map.resolve(0x9000_0000, MODE.user)).toBe(0x9000_0000);
    expect(map.resolve(0x4000_0000, MODE.user)).toBe(0xc000_0000);
    expect(map.resolve(0x7fff_fffc, MODE.user)).toBe(0xffff_fffc);
    expect(map.resolve(0x3000_0000, MODE.user)).toBe(0xf_f000_0000);
  });

  test("the reset values give the legacy map", () => {
    const [a, b] = [new SegmentMap(), new SegmentMap()];
    b.set([0, 0, 0]);
    b.set(LEGACY_SEG_CTL);
    for (const mode of Object.values(MODE))
      for (let segment = 0; segment < 8; segment++) {
        const va = segment * 0x2000_0000 + 0x100;
        expect(b.resolve(va, mode)).toBe(a.resolve(va, mode));
      }
  });
});

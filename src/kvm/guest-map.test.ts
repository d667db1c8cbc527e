import { describe, expect, test } from "vitest";
import { STATUS } from "../isa/cp0.ts";
import { commpageAddress, directGpa, flushRanges, KMF, segmentOf, TE_MAP } from "./guest-map.ts";
import { isGuestUser } from "./guest-mode.ts";

describe("the classic guest map", () => {
  test("its segments cover the address space without gaps", () => {
    let next = 0;
    for (const { first, last } of TE_MAP.segments) {
      expect(first).toBe(next);
      next = last + 1;
    }
    expect(next).toBe(2 ** 32);
  });

  test.each([
    [0x0000_0000, "mapped", true],
    [0x3fff_ffff, "mapped", true],
    [0x4000_0000, "kseg0", false],
    [0x5fff_ffff, "kseg0", false],
    [0x6000_0000, "mapped", false],
    [0x7fff_ffff, "mapped", false],
    [0x8000_0000, "mmio", false],
    [0xbfff_ffff, "mmio", false],
    [0xc000_0000, "illegal", false],
    [0xffff_ffff, "illegal", false],
  ])("%x is %s (user: %s)", (gva, kind, user) => {
    expect(segmentOf(TE_MAP, gva)).toMatchObject({ kind, user });
    expect(segmentOf(TE_MAP, gva | 0)).toMatchObject({ kind, user });
  });

  test("direct and MMIO addresses drop their upper three bits", () => {
    expect(directGpa(segmentOf(TE_MAP, 0x4010_0000), 0x4010_0000)).toBe(0x0010_0000);
    expect(directGpa(segmentOf(TE_MAP, 0xb800_03f8), 0xb800_03f8)).toBe(0x1800_03f8);
  });

  test("the commpage is below 8000h: 7000h with 4K pages, 4000h with 16K, 0 beyond 32K", () => {
    expect(commpageAddress(TE_MAP, 4096)).toBe(0x7000);
    expect(commpageAddress(TE_MAP, 16384)).toBe(0x4000);
    expect(commpageAddress(TE_MAP, 65536)).toBe(0);
  });

  test("an ASID change leaves direct segments alone, a GPA change does not", () => {
    const covers = (flags: number, gva: number): boolean =>
      flushRanges(TE_MAP, flags).some(({ first, last }) => gva >= first && gva <= last);
    expect([0, 0x4000_0000, 0x6000_0000].map((gva) => covers(KMF.USER, gva))).toEqual([true, false, false]);
    expect([0, 0x4000_0000, 0x6000_0000].map((gva) => covers(KMF.KERN, gva))).toEqual([true, false, true]);
    expect([0, 0x4000_0000].map((gva) => covers(KMF.GPA | KMF.USER, gva))).toEqual([true, false]);
    expect([0, 0x4000_0000, 0x7fff_ffff].every((gva) => covers(KMF.GPA | KMF.KERN, gva))).toBe(true);
    expect(() => flushRanges(TE_MAP, 4)).toThrow(RangeError);
  });

  test("user mode is UM without EXL and ERL, whatever the supervisor bit says", () => {
    expect(isGuestUser(STATUS.UM)).toBe(true);
    expect(isGuestUser(STATUS.UM | STATUS.SM | STATUS.IE)).toBe(true);
    for (const bits of [0, STATUS.UM | STATUS.EXL, STATUS.UM | STATUS.ERL, STATUS.SM])
      expect(isGuestUser(bits)).toBe(false);
  });
});

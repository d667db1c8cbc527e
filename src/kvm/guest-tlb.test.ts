import { expect, test } from "vitest";
import { GuestTlb } from "./guest-tlb.ts";

test("entries match by page size, ASID and G; unwritten ones match nothing; the first match counts", () => {
  const tlb = new GuestTlb();
  expect(tlb.lookup(0, 0)).toBe(-1);
  tlb.write(5, { entryHi: 0x0010_0001, pageMask: 0, entryLo0: 0x46, entryLo1: 0x82 });
  tlb.write(4, { entryHi: 0x0020_0001, pageMask: 0x6000, entryLo0: 0x47, entryLo1: 0x403 });
  tlb.write(3, { entryHi: 0x0020_0002, pageMask: 0, entryLo0: 0x42, entryLo1: 0x82 });
  expect([tlb.lookup(0x0010_1fff, 1), tlb.lookup(0x0010_0000, 2), tlb.lookup(0x0010_2000, 1)]).toEqual([
    5, -1, -1,
  ]);
  expect([tlb.lookup(0x0020_7fff, 9), tlb.lookup(0x0020_0000, 2), tlb.lookup(0x0020_8000, 1)]).toEqual([
    4, 3, -1,
  ]);
});

test("halves and frames follow the entry's own page size", () => {
  const tlb = new GuestTlb();
  tlb.write(0, { entryHi: 0x0020_6001, pageMask: 0x6000, entryLo0: 0x0003_ffc7, entryLo1: 0x0007_ffc3 });
  expect([tlb.base(0), tlb.pageSize(0)]).toEqual([0x0020_0000, 16384]);
  expect(tlb.gpa(0, 0x0020_1234)).toBe(0x00ff_c000 + 0x1234);
  expect(tlb.gpa(0, 0x0020_7ffc)).toBe(0x01ff_c000 + 0x3ffc);
  expect([tlb.entryLo(0, 0x0020_3fff) & 7, tlb.entryLo(0, 0x0020_4000) & 7]).toEqual([7, 3]);
});

test("G needs both halves, and what TLBR reads is what was kept", () => {
  const tlb = new GuestTlb();
  tlb.write(63, { entryHi: 0xffff_ffff, pageMask: 0, entryLo0: 0xffff_ffff, entryLo1: 0xffff_fffe });
  expect(tlb.read(63)).toEqual({
    entryHi: 0xffff_e0ff,
    pageMask: 0,
    entryLo0: 0x3fff_fffe,
    entryLo1: 0x3fff_fffe,
  });
  expect([tlb.isValid(63), tlb.isValid(0), tlb.isUsed(0)]).toEqual([true, false, false]);
  tlb.write(1, { entryHi: 0, pageMask: 0, entryLo0: 4, entryLo1: 0 });
  expect([tlb.isValid(1), tlb.isUsed(1)]).toEqual([false, true]);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import type { TlbEntry } from "../machine/tlb.ts";
import { GuestTlb } from "./guest-tlb.ts";

test("entries match by page size, ASID and G; unwritten ones match nothing; the first match counts", () => {
  const tlb = new GuestTlb(64);
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
  const tlb = new GuestTlb(64);
  tlb.write(0, { entryHi: 0x0020_6001, pageMask: 0x6000, entryLo0: 0x0003_ffc7, entryLo1: 0x0007_ffc3 });
  expect([tlb.base(0), tlb.pageSize(0)]).toEqual([0x0020_0000, 16384]);
  expect(tlb.gpa(0, 0x0020_1234)).toBe(0x00ff_c000 + 0x1234);
  expect(tlb.gpa(0, 0x0020_7ffc)).toBe(0x01ff_c000 + 0x3ffc);
  expect([tlb.entryLo(0, 0x0020_3fff) & 7, tlb.entryLo(0, 0x0020_4000) & 7]).toEqual([7, 3]);
});

test("G needs both halves, and what TLBR reads is what was kept", () => {
  const tlb = new GuestTlb(64);
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

test("sizes that the Config registers cannot say are refused", () => {
  for (const size of [0, 32, 96, 8192, NaN]) expect(() => new GuestTlb(size)).toThrow(RangeError);
});

test("an invalidated entry matches nothing and reads as nothing", () => {
  const tlb = new GuestTlb(64);
  tlb.write(7, { entryHi: 0x0010_0001, pageMask: 0x6000, entryLo0: 0x46, entryLo1: 0x82 });
  tlb.invalidate(7);
  tlb.invalidate(8);
  expect([tlb.lookup(0x0010_0000, 1), tlb.isUsed(7), tlb.isValid(7)]).toEqual([-1, false, false]);
  expect(tlb.read(7)).toEqual({ entryHi: 0, pageMask: 0, entryLo0: 0, entryLo1: 0 });
});

test("any entries are found as a walk over all of them finds them, and conflicts too", () => {
  const masks = [0, 0x6000, 0x1e000, 0x1fe000, 0x1fff_e000];
  // Few pages, ASIDs and low bits, so that entries meet.
  const entry = fc.record({
    entryHi: fc
      .tuple(
        fc.nat({ max: 40 }),
        fc.nat({ max: 2 }),
        fc.constantFrom(0, 0x0100_0000, 0x7fff_0000, 0xffff_0000),
      )
      .map(([page, asid, base]) => (base + page * 0x2000 + asid) >>> 0),
    pageMask: fc.constantFrom(...masks),
    entryLo0: fc.constantFrom(0x42, 0x43, 0x87),
    entryLo1: fc.constantFrom(0, 0x43, 0x46),
  });
  const step = fc.oneof(
    fc.record({ index: fc.nat({ max: 127 }), entry }),
    fc.record({ drop: fc.nat({ max: 127 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), entry, (steps, probe) => {
      const tlb = new GuestTlb(128);
      const written = new Map<number, TlbEntry>();
      const isGlobal = (one: TlbEntry): boolean => (one.entryLo0 & one.entryLo1 & 1) !== 0;
      const meets = (a: TlbEntry, b: TlbEntry, mask: number): boolean =>
        ((a.entryHi ^ b.entryHi) & 0xffff_e000 & ~mask) === 0 &&
        (isGlobal(b) || ((a.entryHi ^ b.entryHi) & 0xff) === 0);
      for (const one of steps) {
        if ("drop" in one) {
          tlb.invalidate(one.drop);
          written.delete(one.drop);
          continue;
        }
        const clash = [...written].some(
          ([at, other]) =>
            at !== one.index &&
            ((one.entry.entryHi ^ other.entryHi) & 0xffff_e000 & ~one.entry.pageMask & ~other.pageMask) ===
              0 &&
            (isGlobal(one.entry) || isGlobal(other) || ((one.entry.entryHi ^ other.entryHi) & 0xff) === 0),
        );
        expect(tlb.conflicts(one.index, one.entry)).toBe(clash);
        tlb.write(one.index, one.entry);
        written.set(one.index, one.entry);
      }
      const matches = [...written]
        .filter(([, other]) => meets(probe, other, other.pageMask))
        .map(([at]) => at);
      const expected = matches.length === 0 ? -1 : Math.min(...matches);
      expect(tlb.lookup(probe.entryHi & 0xffff_e000, probe.entryHi & 0xff)).toBe(expected);
      expect(Array.from({ length: 128 }, (_, at) => tlb.isUsed(at))).toEqual(
        Array.from({ length: 128 }, (_, at) => written.has(at)),
      );
    }),
    { numRuns: 300 },
  );
});

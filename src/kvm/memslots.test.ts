import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemslotOverlapError, MemslotRangeError } from "./errors.ts";
import { MAX_MEMSLOTS, Memslots, NO_SLOT, READ_ONLY } from "./memslots.ts";

const slot = (n: number, guestPhysAddr: number, memorySize: number, hostPhysAddr = 0, readonly = false) => ({
  slot: n,
  guestPhysAddr,
  memorySize,
  hostPhysAddr,
  readonly,
});

describe("memslots", () => {
  test("translate by offset, tell reads from writes, and end where they end", () => {
    const slots = new Memslots(1 << 20, 4096);
    slots.set(slot(0, 0x1000, 0x3000, 0x1_0000));
    slots.set(slot(1, 0x8000, 0x1000, 0x2_0000, true));
    expect(slots.gpaToHpa(0x1000, true)).toBe(0x1_0000);
    expect(slots.gpaToHpa(0x3fff, true)).toBe(0x1_2fff);
    expect(slots.gpaToHpa(0x4000, false)).toBe(NO_SLOT);
    expect(slots.gpaToHpa(0xfff, false)).toBe(NO_SLOT);
    expect(slots.gpaToHpa(0x8004, false)).toBe(0x2_0004);
    expect(slots.gpaToHpa(0x8004, true)).toBe(READ_ONLY);
  });

  test("overlaps are refused and change nothing; a slot may take its own place; size 0 deletes", () => {
    const slots = new Memslots(1 << 20, 4096);
    slots.set(slot(0, 0x1000, 0x3000));
    for (const [at, size] of [
      [0x0, 0x2000],
      [0x3000, 0x1000],
      [0x2000, 0x1000],
      [0, 0x10000],
    ] as const)
      expect(() => slots.set(slot(1, at, size))).toThrow(MemslotOverlapError);
    expect(slots.set(slot(0, 0x2000, 0x3000))?.guestPhysAddr).toBe(0x1000);
    expect(slots.set(slot(0, 0x2000, 0))?.memorySize).toBe(0x3000);
    expect(slots.all).toEqual([]);
  });

  test("numbers, alignment and ends are checked", () => {
    const slots = new Memslots(1 << 20, 16384);
    const bad = [
      slot(-1, 0, 16384),
      slot(MAX_MEMSLOTS, 0, 16384),
      slot(0.5, 0, 16384),
      slot(0, 4096, 16384),
      slot(0, 0, 4096),
      slot(0, 0, 16384, 4096),
      slot(0, 0xffff_c000, 32768),
      slot(0, 0, 1 << 20, 16384),
      slot(0, NaN, 16384),
    ];
    for (const one of bad) expect(() => slots.set(one)).toThrow(MemslotRangeError);
  });

  test("no two slots ever hold the same address", () => {
    const any = fc.record({ n: fc.nat(15), page: fc.nat(40), pages: fc.nat(12) });
    fc.assert(
      fc.property(fc.array(any), (operations) => {
        const slots = new Memslots(1 << 20, 4096);
        for (const { n, page, pages } of operations) {
          try {
            slots.set(slot(n, page * 4096, pages * 4096, n * 4096 * 13));
          } catch (error) {
            expect(error).toBeInstanceOf(MemslotOverlapError);
          }
        }
        for (let page = 0; page < 56; page++) {
          const holders = slots.all.filter(
            (one) => page * 4096 >= one.guestPhysAddr && page * 4096 < one.guestPhysAddr + one.memorySize,
          );
          expect(holders.length).toBeLessThanOrEqual(1);
          expect(slots.find(page * 4096)).toBe(holders[0] ?? null);
        }
      }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Memory, type Endian } from "../machine/memory.ts";
import { toKseg0 } from "./addresses.ts";
import { KMF, TE_MAP } from "./guest-map.ts";
import { GvaTables } from "./gva-table.ts";
import { HostPages } from "./host-pages.ts";
import { PteFormat, tableGeometry64, type HostPageSize } from "./page-format.ts";
import { TableLevels } from "./table-levels.ts";

const PAGE = { write: true, young: true, dirty: true };

/** Tables of three levels in memory that no CPU walks. */
function newTables(pageSize: HostPageSize, endian: Endian) {
  const memory = new Memory(8 * 2 ** 20, endian);
  const pages = new HostPages(memory, pageSize, { first: 0, end: Infinity });
  const geometry = tableGeometry64(pageSize);
  const invalidPte = pages.allocZeroed(pageSize);
  const invalidPmd = TableLevels.allocPmd(pages, geometry, invalidPte);
  const format = new PteFormat(geometry, true);
  const tables = new GvaTables(pages, geometry, format, TE_MAP, 0, invalidPte, invalidPmd);
  return { memory, pages, geometry, invalidPte, invalidPmd, tables };
}

test("with pages of 4K a root of 8 KiB reaches 40 bits, with 16K a page of slots 47", () => {
  expect(tableGeometry64(4096)).toMatchObject({
    ...{ pgdShift: 30, pgdEntries: 1024, pmd: { shift: 21, entries: 512 }, tableShift: 21 },
    ...{ pointerShift: 3, pteShift: 3, ptesPerTable: 512, contextShift: 0, contextMask: 0xff0 },
  });
  expect(tableGeometry64(16384)).toMatchObject({
    ...{ pgdShift: 36, pgdEntries: 2048, pmd: { shift: 25, entries: 2048 }, tableShift: 25 },
    ...{ pointerShift: 3, pteShift: 3, ptesPerTable: 2048, contextShift: 2, contextMask: 0x3ff0 },
  });
});

describe.each([
  { pageSize: 4096, endian: "little" },
  { pageSize: 4096, endian: "big" },
  { pageSize: 16384, endian: "little" },
] as const)("three levels with pages of $pageSize bytes, $endian-endian", ({ pageSize, endian }) => {
  test("pointers are sign-extended, and PTEs doublewords, in the machine's byte order", () => {
    const { memory, invalidPmd, tables } = newTables(pageSize, endian);
    const doubleword = (at: number): number[] => {
      const words = [memory.read32(at), memory.read32(at + 4)];
      return endian === "little" ? words : words.reverse();
    };
    const pgd = tables.allocPgd();
    expect(doubleword(pgd)).toEqual([toKseg0(invalidPmd), 0xffff_ffff]);
    const cache = tables.newCache();
    cache.topUp(2);
    const pte = tables.walk(pgd, cache, 0x1234_5678);
    tables.writePte(pte, tables.format.make(pageSize * 3, PAGE));
    expect(doubleword(pte)).toEqual([tables.readPte(pte), 0]);
    expect(tables.format.hpa(tables.readPte(pte))).toBe(pageSize * 3);
  });

  test("a lookup never allocates, a walk takes a pmd and a table", () => {
    const { memory, pages, geometry, tables } = newTables(pageSize, endian);
    const start = pages.allocated;
    const pgd = tables.allocPgd();
    const cache = tables.newCache();
    expect(tables.walk(pgd, null, 0x1234_5678)).toBe(0);
    cache.topUp(2);
    const pte = tables.walk(pgd, cache, 0x1234_5678);
    expect(cache.count).toBe(2);
    expect(tables.walk(pgd, null, 0x1234_5678)).toBe(pte);
    expect(tables.walk(pgd, cache, 0x1234_5678 ^ pageSize)).toBe(pte ^ 8);
    const other = tables.walk(pgd, cache, 0x1234_5678 + 2 ** geometry.tableShift);
    expect(cache.count).toBe(1);
    expect([memory.read32(other), memory.read32(other + 4)]).toEqual([0, 0]);
    cache.release();
    tables.freePgd(pgd);
    expect(pages.allocated).toBe(start);
  });

  test("a pmd goes with the last of what a flush covers, and a sharing root's with the root", () => {
    const { pages, tables } = newTables(pageSize, endian);
    const start = pages.allocated;
    const cache = tables.newCache();
    const [pgd, parked] = [tables.allocPgd(), tables.allocPgd()];
    const map = (gva: number, sharers = [pgd]): void => {
      cache.topUp(4);
      tables.writePte(tables.walk(pgd, cache, gva, sharers), tables.format.make(0, PAGE));
    };
    for (const gva of [0, 0x3fff_c000, 0x6000_0000, 0x7fff_c000]) map(gva);
    map(0x4000_0000, [pgd, parked]);
    cache.release();
    const third = tables.allocPgd();
    tables.copyShared(pgd, third);
    expect(tables.lookup(third, 0x4000_0000)).toBe(tables.lookup(pgd, 0x4000_0000));
    expect(tables.lookup(parked, 0x4000_0000)).not.toBe(0);
    for (const root of [parked, third]) expect(tables.freeSharingPgd(root, KMF.KERN)).toBe(0);
    // With 4K pages what is below 40000000 has a pmd of its own, with 16K pages there is one for all.
    const ownPmd = pageSize === 4096 ? 1 : 0;
    expect(tables.flush(pgd, KMF.USER)).toMatchObject({ ptesInvalidated: 2, tablesFreed: 2 + ownPmd });
    expect(tables.flush(pgd, KMF.KERN)).toMatchObject({ ptesInvalidated: 2, tablesFreed: 2 });
    expect(tables.lookup(pgd, 0x4000_0000)).not.toBe(0);
    expect(tables.flush(pgd, KMF.GPA | KMF.KERN)).toEqual({
      ...{ ptesInvalidated: 1, tablesFreed: 2, removable: true },
    });
    tables.freePgd(pgd);
    expect(pages.allocated).toBe(start);
  });

  test("any mix of mapping and flushing agrees with a plain map", () => {
    const { pages, geometry, tables } = newTables(pageSize, endian);
    const cache = tables.newCache();
    const pgd = tables.allocPgd();
    const start = pages.allocated;
    // Around the borders of tables and pmds.
    const address = fc
      .tuple(fc.nat({ max: 7 }), fc.nat({ max: 2 }), fc.nat({ max: 6 }))
      .map(([pmd, table, page]) => pmd * 2 ** 28 + table * 2 ** geometry.tableShift + (page - 3) * pageSize)
      .map((at) => Math.min(TE_MAP.lastGva + 1 - pageSize, Math.max(0, at)));
    const step = fc.oneof(
      fc.record({ map: address }),
      fc.record({ first: address, last: address.map((at) => at + pageSize - 1) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const model = new Map<number, number>();
        for (const one of steps) {
          if ("map" in one) {
            cache.topUp(2);
            const pte = tables.format.make((model.size % 16) * pageSize, PAGE);
            tables.writePte(tables.walk(pgd, cache, one.map), pte);
            model.set(one.map, pte);
          } else {
            const gone = [...model.keys()].filter((at) => at >= one.first && at <= one.last);
            for (const at of gone) model.delete(at);
            expect(tables.flushRange(pgd, one.first, one.last).ptesInvalidated).toBe(gone.length);
          }
        }
        const found = new Map<number, number>();
        tables.forEachPte(pgd, (at, pte) => found.set(at, pte));
        expect(found).toEqual(new Map([...model].sort(([a], [b]) => a - b)));
        tables.flush(pgd, KMF.GPA | KMF.KERN);
        cache.release();
        expect(pages.allocated).toBe(start);
      }),
      { numRuns: 60 },
    );
  });
});

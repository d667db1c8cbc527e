import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { Machine } from "../machine/machine.ts";
import { toKseg0 } from "./addresses.ts";
import { KMF, TE_MAP } from "./guest-map.ts";
import { HostSlotError } from "./gva-table.ts";
import { HostKernel } from "./host-kernel.ts";
import { OutOfHostMemoryError } from "./host-pages.ts";
import type { HostPageSize } from "./page-format.ts";

function newHost(pageSize: HostPageSize, end = Infinity) {
  const config = {
    model: CPU_MODELS["24Kc"]!,
    endian: "little",
    guestTime: "user",
    hostCalls: true,
  } as const;
  const machine = new Machine({ ...config, ramBytes: 8 * 2 ** 20 }, () => ({ run: () => 0 }));
  const host = new HostKernel(machine, { pageSize, end });
  return { machine, host, tables: host.gvaTables(TE_MAP) };
}

const PAGE = { write: true, young: true, dirty: true };

describe.each([4096, 16384] as HostPageSize[])("GVA tables with pages of %d bytes", (pageSize) => {
  const half = pageSize === 4096 ? 512 : 32;

  test("a new root has an empty guest half and the host kernel's upper half", () => {
    const { machine, host, tables } = newHost(pageSize);
    const { memory } = machine;
    for (let slot = half; slot < 2 * half; slot++) memory.write32(host.pgd + 4 * slot, 0x8123_0000 + slot);
    const pgd = tables.allocPgd();
    for (let slot = 0; slot < half; slot++)
      expect(memory.read32(pgd + 4 * slot)).toBe(toKseg0(host.invalidPteTable));
    for (let slot = half; slot < 2 * half; slot++)
      expect(memory.read32(pgd + 4 * slot)).toBe(0x8123_0000 + slot);
    const gpaRoot = tables.allocPgd("empty");
    for (let slot = 0; slot < 2 * half; slot++)
      expect(memory.read32(gpaRoot + 4 * slot)).toBe(toKseg0(host.invalidPteTable));
    tables.freePgd(pgd);
    tables.freePgd(gpaRoot);
  });

  test("a lookup never allocates, a walk takes at most one page from the cache", () => {
    const { host, tables } = newHost(pageSize);
    const pgd = tables.allocPgd();
    const cache = tables.newCache();
    cache.topUp();
    expect(cache.count).toBe(4);
    const before = host.pages.allocated;
    expect(tables.walk(pgd, null, 0x1234_5678)).toBe(0);
    expect(cache.count).toBe(4);
    const pte = tables.walk(pgd, cache, 0x1234_5678);
    expect(cache.count).toBe(3);
    expect(tables.readPte(pte)).toBe(0);
    expect(tables.walk(pgd, null, 0x1234_5678)).toBe(pte);
    expect(tables.walk(pgd, cache, 0x1234_5678 ^ pageSize)).toBe(pte ^ 4);
    expect(cache.count).toBe(3);
    cache.topUp(3);
    expect(cache.count).toBe(3);
    cache.topUp(4);
    expect(cache.count).toBe(4);
    expect(host.pages.allocated).toBe(before + 1);
    cache.release();
    tables.freePgd(pgd);
  });

  test("a walk with an empty cache is a mistake of the caller", () => {
    const { tables } = newHost(pageSize);
    const pgd = tables.allocPgd();
    expect(() => tables.walk(pgd, tables.newCache(), 0)).toThrow("topped up");
  });

  test("slots of the host are never walked into, linked or flushed", () => {
    const { machine, host, tables } = newHost(pageSize);
    const { memory } = machine;
    // The host kernel has a mapping at C0000000.
    const kernelTable = host.pages.allocZeroed(pageSize);
    const slot = 0xc000_0000 >>> tables.geometry.pgdShift;
    memory.write32(host.pgd + 4 * slot, toKseg0(kernelTable));
    memory.write32(kernelTable, 0x0000_00ff);
    const pgd = tables.allocPgd();
    const cache = tables.newCache();
    cache.topUp();
    for (const gva of [0x8000_0000, 0xc000_0000, -1]) {
      expect(tables.walk(pgd, null, gva)).toBe(0);
      expect(() => tables.walk(pgd, cache, gva)).toThrow(HostSlotError);
    }
    expect(tables.flushRange(pgd, 0, 0xffff_ffff).tablesFreed).toBe(0);
    expect(tables.flushRange(pgd, 0xc000_0000, 0xffff_ffff).ptesInvalidated).toBe(0);
    tables.freePgd(pgd);
    expect(memory.read32(kernelTable)).toBe(0xff);
    expect(memory.read32(host.pgd + 4 * slot)).toBe(toKseg0(kernelTable));
    cache.release();
    host.pages.release(kernelTable);
  });

  test("a flush frees tables that it covers whole and keeps KSeg0 through an ASID change", () => {
    const { tables, host } = newHost(pageSize);
    const pgd = tables.allocPgd();
    const cache = tables.newCache();
    const map = (gva: number): void => {
      cache.topUp();
      tables.writePte(tables.walk(pgd, cache, gva), tables.format.make(pageSize * 7, PAGE));
    };
    const present = (): number[] => {
      const found: number[] = [];
      tables.forEachPte(pgd, (gva) => found.push(gva));
      return found;
    };
    const all = [0, 0x1000_0000, 0x3fff_c000, 0x4000_0000, 0x5fff_c000, 0x6000_0000, 0x7fff_c000];
    all.forEach(map);
    expect(present()).toEqual(all);
    const allocated = host.pages.allocated;
    expect(tables.flush(pgd, KMF.USER)).toEqual({ ptesInvalidated: 3, tablesFreed: 3, removable: false });
    expect(present()).toEqual(all.slice(3));
    expect(host.pages.allocated).toBe(allocated - 3);
    map(0x2000_0000);
    expect(tables.flush(pgd, KMF.KERN)).toEqual({ ptesInvalidated: 3, tablesFreed: 3, removable: false });
    expect(present()).toEqual([0x4000_0000, 0x5fff_c000]);
    expect(tables.flush(pgd, KMF.GPA | KMF.USER).ptesInvalidated).toBe(0);
    expect(tables.flush(pgd, KMF.GPA | KMF.KERN)).toEqual({
      ptesInvalidated: 2,
      tablesFreed: 2,
      removable: true,
    });
    expect(present()).toEqual([]);
    expect(tables.ptesInvalidated).toBe(8);
    cache.release();
    tables.freePgd(pgd);
  });

  test("a flush of part of a table clears only what is present there and keeps the table", () => {
    const { tables, host } = newHost(pageSize);
    const pgd = tables.allocPgd();
    const cache = tables.newCache();
    cache.topUp();
    for (const page of [0, 1, 2, 5])
      tables.writePte(tables.walk(pgd, cache, page * pageSize), tables.format.make(pageSize, PAGE));
    const allocated = host.pages.allocated;
    const result = tables.flushRange(pgd, pageSize, 3 * pageSize - 1);
    expect(result).toEqual({ ptesInvalidated: 2, tablesFreed: 0, removable: false });
    expect([0, 1, 2, 5].map((page) => tables.lookup(pgd, page * pageSize) !== 0)).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect(host.pages.allocated).toBe(allocated);
    expect(tables.clearPte(tables.walk(pgd, null, 0))).toBe(true);
    expect(tables.clearPte(tables.walk(pgd, null, 0))).toBe(false);
    expect(tables.ptesInvalidated).toBe(3);
  });

  test("a table that was freed with PTEs in it comes back empty", () => {
    const { tables } = newHost(pageSize);
    const pgd = tables.allocPgd();
    const cache = tables.newCache();
    cache.topUp();
    const before = tables.walk(pgd, cache, 0x1000);
    tables.writePte(before, tables.format.make(pageSize, PAGE));
    tables.flush(pgd, KMF.USER);
    cache.release();
    cache.topUp();
    const seen = new Set<number>();
    for (let slot = 0; slot < 4; slot++) {
      const pte = tables.walk(pgd, cache, slot * 2 ** tables.geometry.pgdShift + 0x1000);
      seen.add(pte);
      expect(tables.readPte(pte)).toBe(0);
    }
    expect(seen).toContain(before);
  });

  test("a thousand vcpus come and go without a page lost", () => {
    const { tables, host } = newHost(pageSize);
    const start = host.pages.allocated;
    for (let round = 0; round < 1000; round++) {
      const cache = tables.newCache();
      const roots = [tables.allocPgd(), tables.allocPgd()];
      const code = round % 100 === 0 ? host.buildVcpuCode("fast") : null;
      for (const pgd of roots)
        for (const gva of [0, 0x4000_0000 + round * pageSize, 0x7000_0000]) {
          cache.topUp();
          tables.writePte(tables.walk(pgd, cache, gva), tables.format.make(0, PAGE));
        }
      for (const pgd of roots) expect(tables.freePgd(pgd)).toBe(3);
      cache.release();
      if (code !== null) host.freeVcpuCode(code);
      expect(host.pages.allocated).toBe(start);
    }
  });

  test("running out of host memory is a typed error, and what the cache got can be given back", () => {
    const { tables, host } = newHost(pageSize, pageSize * 9);
    const free = host.pages.free;
    const cache = tables.newCache();
    const filler = Array.from({ length: free - 2 }, () => host.pages.alloc(pageSize));
    expect(() => cache.topUp()).toThrow(OutOfHostMemoryError);
    expect(cache.count).toBe(2);
    cache.topUp(2);
    cache.release();
    for (const page of filler) host.pages.release(page);
    expect(host.pages.free).toBe(free);
  });

  test("any mix of mapping and flushing agrees with a plain map", () => {
    const { tables, host } = newHost(pageSize);
    const pgd = tables.allocPgd();
    const start = host.pages.allocated;
    const cache = tables.newCache();
    const gva = fc.nat({ max: 0x7fff_ffff }).map((address) => address - (address % pageSize));
    // Few slots, so that tables are shared, and their borders.
    const near = fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 40 })).map(([slot, page]) => {
      const border = slot * 0x2000_0000;
      return Math.min(0x7fff_c000, Math.max(0, border + (page - 20) * pageSize));
    });
    const address = fc.oneof(near, gva);
    const step = fc.oneof(
      fc.record({ map: address }),
      fc.record({ first: address, last: address.map((a) => a + pageSize - 1) }),
      fc.record({ flags: fc.nat({ max: 3 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Map<number, number>();
        const drop = (first: number, last: number): number => {
          const gone = [...model.keys()].filter((at) => at >= first && at <= last);
          for (const at of gone) model.delete(at);
          return gone.length;
        };
        for (const one of steps) {
          if ("map" in one) {
            cache.topUp();
            const pte = tables.format.make((model.size % 16) * pageSize, PAGE);
            tables.writePte(tables.walk(pgd, cache, one.map), pte);
            model.set(one.map, pte);
          } else if ("flags" in one) {
            let gone = 0;
            for (const range of TE_MAP.flushRanges[one.flags]!) gone += drop(range.first, range.last);
            expect(tables.flush(pgd, one.flags).ptesInvalidated).toBe(gone);
          } else {
            const gone = drop(one.first, one.last);
            expect(tables.flushRange(pgd, one.first, one.last).ptesInvalidated).toBe(gone);
          }
        }
        const found = new Map<number, number>();
        tables.forEachPte(pgd, (at, pte) => found.set(at, pte));
        expect(found).toEqual(new Map([...model].sort(([a], [b]) => a - b)));
        tables.flush(pgd, KMF.GPA | KMF.KERN);
        cache.release();
        expect(host.pages.allocated).toBe(start);
      }),
      { numRuns: 60 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CP0, ENTRY_LO } from "../isa/cp0.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { Machine } from "../machine/machine.ts";
import { PteFormat, probeFillBits, tableGeometry, type HostPageSize } from "./page-format.ts";

const SIZES: HostPageSize[] = [4096, 16384];

describe("table geometry", () => {
  test("4K pages: 1024 slots of 4 MiB, tables of 1024 PTEs", () => {
    expect(tableGeometry(4096)).toEqual({
      pageSize: 4096,
      pageShift: 12,
      pgdShift: 22,
      pgdEntries: 1024,
      pmd: null,
      pointerShift: 2,
      tableShift: 22,
      pteShift: 2,
      ptesPerTable: 1024,
      pageMask: 0,
      contextShift: 1,
      contextMask: 0xff8,
    });
  });

  test("16K pages: 64 slots of 64 MiB, tables of 4096 PTEs", () => {
    expect(tableGeometry(16384)).toEqual({
      pageSize: 16384,
      pageShift: 14,
      pgdShift: 26,
      pgdEntries: 64,
      pmd: null,
      pointerShift: 2,
      tableShift: 26,
      pteShift: 2,
      ptesPerTable: 4096,
      pageMask: 0x6000,
      contextShift: 3,
      contextMask: 0x3ff8,
    });
  });

  test("PTEs of two words: half as many in a table, and 4K pages need no shift of Context", () => {
    expect(tableGeometry(4096, 3)).toMatchObject({
      ...{ pgdShift: 21, pgdEntries: 2048, ptesPerTable: 512, contextShift: 0, contextMask: 0xff0 },
    });
    expect(tableGeometry(16384, 3)).toMatchObject({
      ...{ pgdShift: 25, pgdEntries: 128, ptesPerTable: 2048, contextShift: 2, contextMask: 0x3ff0 },
    });
  });
});

describe("PTE layouts", () => {
  test("without RI/XI the bits are P NR W A M G V D C C C PFN", () => {
    const f = new PteFormat(tableGeometry(4096), false);
    const bits = [f.P, f.noRead, f.W, f.A, f.M, f.G, f.V, f.D].map((bit) => 31 - Math.clz32(bit));
    expect(bits).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(f.pfnShift).toBe(11);
    expect(f.XI).toBe(0);
  });

  test("with RI/XI they are P W A M XI RI G V D C C C PFN", () => {
    const f = new PteFormat(tableGeometry(4096), true);
    const bits = [f.P, f.W, f.A, f.M, f.XI, f.noRead, f.G, f.V, f.D].map((bit) => 31 - Math.clz32(bit));
    expect(bits).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(f.pfnShift).toBe(12);
  });

  test("with 16K pages and RI/XI, PTE bits 31:14 are the physical ones", () => {
    const f = new PteFormat(tableGeometry(16384), true);
    const pte = f.make(0x1234_4000, { write: false, young: false, dirty: false });
    expect((pte & ~0x3fff) >>> 0).toBe(0x1234_4000);
  });

  test("a later layout with one more software bit moves G and all above it", () => {
    const f = new PteFormat(tableGeometry(4096), false, 0, 6);
    expect([f.G, f.V, f.D]).toEqual([0x40, 0x80, 0x100]);
    expect(f.pfnShift).toBe(12);
  });

  test("with XPA the lower word holds P W A M from bit 24, the upper one XI RI G V D C C C PFN", () => {
    const f = new PteFormat(tableGeometry(4096, 3), true);
    const place = (bit: number): [word: string, bit: number] => {
      const [low, high] = f.split(bit);
      return low === 0 ? ["high", 31 - Math.clz32(high)] : ["low", 31 - Math.clz32(low)];
    };
    expect([f.P, f.W, f.A, f.M].map(place)).toEqual([24, 25, 26, 27].map((bit) => ["low", bit]));
    expect([f.XI, f.noRead, f.G, f.V, f.D].map(place)).toEqual([0, 1, 2, 3, 4].map((bit) => ["high", bit]));
    const pte = f.make(0x7fff_f000, { write: true, young: true, dirty: true });
    expect(f.split(pte)).toEqual([0x0f00_0000, (0x7_ffff << 8) | (3 << 5) | 0x18]);
    expect(f.join(...f.split(pte))).toBe(pte);
  });

  test.each([
    ["24Kc", 0],
    ["24Kc-rixi", 0],
  ])("%s has %d fill bits to be sure of, and EntryLo0 survives the probe", (name, fill) => {
    const machine = new Machine(
      { model: CPU_MODELS[name]!, endian: "little", ramBytes: 65536, guestTime: "all", hostCalls: false },
      () => ({ run: () => 0 }),
    );
    machine.ops.writeCp0(CP0.EntryLo0, 0x1246);
    expect(probeFillBits(machine.ops)).toBe(fill);
    expect(machine.ops.readCp0(CP0.EntryLo0)).toBe(0x1246);
  });

  test("26 physical address bits leave room to rotate once", () => {
    const model = { ...CPU_MODELS["24Kc-rixi"]!, physicalBits: 26 };
    const machine = new Machine(
      { model, endian: "little", ramBytes: 65536, guestTime: "all", hostCalls: false },
      () => ({ run: () => 0 }),
    );
    const fill = probeFillBits(machine.ops);
    expect(fill).toBe(4);
    expect(new PteFormat(tableGeometry(4096), true, fill).conversion).toBe("rotate");
    expect(new PteFormat(tableGeometry(4096), true, 3).conversion).toBe("shift-rotate");
  });
});

describe("PTE operations", () => {
  const layouts = SIZES.flatMap((size) => [
    { size, f: new PteFormat(tableGeometry(size), false) },
    { size, f: new PteFormat(tableGeometry(size), true) },
    { size, f: new PteFormat(tableGeometry(size), true, 4) },
    { size, f: new PteFormat(tableGeometry(size), false, 0, 6) },
    { size, f: new PteFormat(tableGeometry(size, 3), true) },
  ]);
  const page = fc.record({
    pfn: fc.nat({ max: 2 ** 14 - 1 }),
    write: fc.boolean(),
    young: fc.boolean(),
    dirty: fc.boolean(),
    cca: fc.nat({ max: 7 }),
  });

  test("EntryLo has V only if young, D only if written and writable, and the page's frame", () => {
    fc.assert(
      fc.property(fc.constantFrom(...layouts), page, ({ size, f }, { pfn, ...flags }) => {
        const pte = f.make(pfn * size, flags);
        const lo = f.toEntryLo(pte);
        expect(f.hpa(pte)).toBe(pfn * size);
        expect((lo & ENTRY_LO.V) !== 0).toBe(flags.young);
        expect((lo & ENTRY_LO.D) !== 0).toBe(flags.write && flags.dirty);
        expect(lo & ENTRY_LO.G).toBe(0);
        expect((lo & ENTRY_LO.C) >>> ENTRY_LO.C_SHIFT).toBe(flags.cca);
        const frame = f.conversion === "rotate" ? lo & 0x03ff_ffc0 : lo & ENTRY_LO.PFN;
        expect((frame >>> ENTRY_LO.PFN_SHIFT) * 4096).toBe(pfn * size);
        if (f.rixi) expect(lo & (ENTRY_LO.RI | ENTRY_LO.XI)).toBe(0);
      }),
    );
  });

  test("RI and XI come out at the top of EntryLo", () => {
    for (const { f } of layouts.filter((layout) => layout.f.rixi)) {
      const pte = f.make(0x4000, { write: false, young: true, dirty: false });
      expect(f.toEntryLo(pte | f.XI) >>> 30).toBe(1);
      expect(f.toEntryLo(pte | f.noRead) >>> 30).toBe(2);
    }
  });

  test("clean, old and write-protected take away what the hardware may do silently", () => {
    fc.assert(
      fc.property(fc.constantFrom(...layouts), page, ({ size, f }, { pfn, ...flags }) => {
        const pte = f.make(pfn * size, flags);
        for (const changed of [f.mkclean(pte), f.wrprotect(pte)])
          expect(f.hardwareWritable(changed)).toBe(false);
        expect(f.dirty(f.mkclean(pte))).toBe(false);
        expect(f.writable(f.mkclean(pte))).toBe(flags.write);
        expect(f.writable(f.wrprotect(pte))).toBe(false);
        expect(f.dirty(f.wrprotect(pte))).toBe(flags.dirty);
        expect(f.valid(f.mkold(pte))).toBe(false);
        expect(f.young(f.mkold(pte))).toBe(false);
        expect(f.valid(f.mkyoung(f.mkold(pte)))).toBe(true);
        expect(f.mkyoung(f.mkold(f.mkyoung(pte)))).toBe(f.mkyoung(pte));
        expect(f.hardwareWritable(f.mkdirty(f.mkclean(pte)))).toBe(flags.write);
        for (const any of [f.mkclean(pte), f.mkold(pte), f.wrprotect(pte)]) {
          expect(f.present(any)).toBe(true);
          expect(f.hpa(any)).toBe(pfn * size);
        }
      }),
    );
  });

  test("a page that must not be read never becomes valid", () => {
    for (const { f } of layouts) expect(f.valid(f.mkyoung(f.P | f.noRead))).toBe(false);
  });
});

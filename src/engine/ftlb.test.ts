import { describe, expect, test } from "vitest";
import { CONFIG, ENTRY_HI, FTLB, INDEX, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import type { EngineFactory } from "../machine/machine.ts";
import { randomWay } from "../machine/tlb.ts";
import { ENGINES } from "./index.ts";
import { CODE, TestMachine, UNEXPECTED } from "./testing.ts";

const { t0, a0, v0 } = GPR;
const DATA = 0x2_0000;
const VA = 0x0040_2000;
const DONE = 1;
const VTLB = 64;
const SETS = 128;
const WAYS = 4;
const PAGES_16K = 2 << FTLB.C4_PAGE_SIZE_SHIFT;

/** Code of a TLBWR. */
const WRITER = CODE + 0x1000;

/** A P5600, whose FTLB is not in use. */
function plainMachine(engine: EngineFactory): TestMachine {
  const m = new TestMachine({ model: "P5600", engine });
  m.load(WRITER, (a) => {
    a.tlbwr();
    a.sdbbp(DONE);
  });
  return m;
}

/** One whose FTLB holds 4K pages. */
function machine(engine: EngineFactory): TestMachine {
  const m = plainMachine(engine);
  m.setCp0("Config6", FTLB.C6_EN);
  return m;
}

/** TLBWR of the pair of pages at `va`, both at `pa`. Returns the entry that has it then. */
function writeRandom(m: TestMachine, va: number, pa = DATA, pageMask = 0): number {
  m.setCp0("PageMask", pageMask);
  m.setCp0("EntryHi", va & ENTRY_HI.VPN2);
  m.setCp0("EntryLo0", (pa >>> 6) | 0x1e);
  m.setCp0("EntryLo1", (pa >>> 6) | 0x1e);
  m.machine.cpu.setPc(WRITER);
  expect(m.run()).toBe(DONE);
  m.machine.cpu.setPc(CODE);
  return place(m, va);
}

/** The entry that TLBP finds for `va`, or -1. */
function place(m: TestMachine, va: number): number {
  m.setCp0("EntryHi", va & ENTRY_HI.VPN2);
  m.machine.ops.tlbp();
  return m.cp0("Index") >>> 31 === 0 ? m.cp0("Index") : -1;
}

const setOf = (index: number): number => (index - VTLB) % SETS;

describe.each(Object.entries(ENGINES))("the FTLB of a P5600, %s", (_, engine) => {
  test("is there when Config6 says so, and Config says that it is", () => {
    const m = plainMachine(engine);
    expect(m.cp0("Config") & CONFIG.MT).toBe(CONFIG.MT_TLB);
    expect(writeRandom(m, VA)).toBeLessThan(VTLB);
    m.setCp0("Config6", 0xffff_ffff);
    expect(m.cp0("Config6")).toBe(FTLB.C6_EN);
    expect(m.cp0("Config") & CONFIG.MT).toBe(CONFIG.MT_FTLB);
    expect(writeRandom(m, VA + 0x2000)).toBeGreaterThanOrEqual(VTLB);
    expect(place(m, VA)).toBeLessThan(VTLB);
    m.setCp0("Config6", 0);
    expect(place(m, VA + 0x2000)).toBe(-1);
    expect(place(m, VA)).toBeLessThan(VTLB);
  });

  test("takes pages of its size at random, in the set of their address; others go to the rest of the TLB", () => {
    const m = machine(engine);
    for (let n = 0; n < 300; n++) {
      const va = 0x0100_0000 + n * 0x2000;
      const index = writeRandom(m, va);
      expect(index).toBeGreaterThanOrEqual(VTLB);
      expect(setOf(index)).toBe((va >>> 13) % SETS);
    }
    expect(writeRandom(m, 0x4000_0000, DATA, 0x6000)).toBeLessThan(VTLB);
    m.setCp0("Config4", PAGES_16K);
    // What it held is gone with the size.
    expect(place(m, 0x0100_0000)).toBe(-1);
    expect(place(m, 0x4000_0000)).toBeLessThan(VTLB);
    const index = writeRandom(m, 0x5000_8000, DATA, 0x6000);
    expect(index).toBeGreaterThanOrEqual(VTLB);
    expect(setOf(index)).toBe((0x5000_8000 >>> 15) % SETS);
    // Sizes that it cannot hold leave Config4 as it is.
    for (const size of [0, 3, 31]) m.setCp0("Config4", size << FTLB.C4_PAGE_SIZE_SHIFT);
    expect(m.cp0("Config4") & FTLB.C4_PAGE_SIZE).toBe(PAGES_16K);
  });

  test("uses all ways alike, however regular the instructions between two writes", () => {
    for (const period of [1, 4, 27, 64, 4096]) {
      const counts = new Array<number>(WAYS).fill(0);
      for (let n = 0; n < 1000; n++) counts[randomWay(WAYS, n * period)]!++;
      for (const count of counts) expect(count, `every ${period}`).toBeGreaterThan(200);
    }
  });

  test("is where accesses find their pages, and forgets them when they are replaced", () => {
    const m = machine(engine);
    m.machine.memory.write32(DATA, 0x1234_5678);
    m.code((a) => {
      a.loadConstant(a0, VA);
      a.lw(v0, 0, a0);
      a.sdbbp(DONE);
    });
    writeRandom(m, VA);
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(0x1234_5678);
    // Others of the same set, until one has its place.
    let others = 0;
    while (place(m, VA) >= 0 && others < 100) writeRandom(m, VA + ++others * SETS * 0x2000);
    expect(others).toBeLessThan(100);
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.excCode).toBe(EXC_CODE.TLBL);
  });

  test("is written by TLBWI where the address belongs; elsewhere that is a machine check", () => {
    const m = machine(engine);
    const index = VTLB + 2 * SETS + ((VA >>> 13) % SETS);
    m.map(index, VA, 0, DATA, DATA);
    expect(place(m, VA)).toBe(index);
    m.code((a) => {
      a.tlbwi();
      a.sdbbp(DONE);
    });
    for (const [name, value] of [
      ["EntryHi", VA + 0x2000],
      ["PageMask", 0x6000],
    ] as const) {
      m.setCp0("Index", index);
      m.setCp0("EntryHi", VA);
      m.setCp0(name, value);
      m.machine.cpu.setPc(CODE);
      expect(m.run(), name).toBe(UNEXPECTED);
      expect(m.excCode).toBe(EXC_CODE.MCheck);
      expect(m.cp0("Status") & STATUS.TS).not.toBe(0);
      m.setCp0("Status", 0);
      m.setCp0("PageMask", 0);
    }
    m.setCp0("Index", index);
    m.setCp0("EntryHi", ENTRY_HI.EHINV);
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(DONE);
    expect(place(m, VA)).toBe(-1);
  });

  test("has its sets cleared by TLBINVF one by one, and the rest of the TLB as a whole", () => {
    const m = machine(engine);
    const inFtlb = [VA, VA + SETS * 0x2000, VA + 0x2000];
    for (const va of inFtlb) writeRandom(m, va);
    m.map(3, 0x7000_0000, 0, DATA, DATA);
    const clear = (index: number): void => {
      m.setCp0("Index", index);
      m.machine.ops.tlbinvf();
      m.machine.cpu.setPc(CODE);
    };
    const there = (): boolean[] => [...inFtlb, 0x7000_0000].map((va) => place(m, va) >= 0);
    clear(VTLB + SETS + ((VA >>> 13) % SETS));
    expect(there()).toEqual([false, false, true, true]);
    clear(0);
    expect(there()).toEqual([false, false, true, false]);
    clear(VTLB + (((VA + 0x2000) >>> 13) % SETS));
    expect(there()).toEqual([false, false, false, false]);
  });

  test("is what TLBP and TLBR answer from", () => {
    const m = machine(engine);
    const index = writeRandom(m, VA);
    m.code((a) => {
      a.loadConstant(t0, VA);
      a.mtc0(t0, 10, 0);
      a.tlbp();
      a.tlbr();
      a.mfc0(v0, 0, 0);
      a.sdbbp(DONE);
    });
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(index);
    expect(m.cp0("EntryHi")).toBe(VA);
    expect(m.cp0("EntryLo0")).toBe((DATA >>> 6) | 0x1e);
    expect(m.gpr(v0) & INDEX.P).toBe(0);
  });
});

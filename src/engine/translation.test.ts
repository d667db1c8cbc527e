import { describe, expect, test } from "vitest";
import { CP0, cp0Operands, ENTRY_LO, PAGE_GRAIN, STATUS } from "../isa/cp0.ts";
import { encode } from "../isa/encode.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import { CODE, TestMachine, UNEXPECTED } from "./testing.ts";

const { v0, a0, a1, t0, t1 } = GPR;
const VA = 0x40_0000;
const FRAME = 0x2_0000;

/** Loads the word at VA in a loop over the ASIDs 0 to `asids` - 1, twice; adds them up in v0. */
function sumOverAsids(m: TestMachine, asids: number): void {
  m.code((a) => {
    a.addiu(t1, 0, 2);
    const round = a.bind();
    a.move(t0, 0);
    const next = a.bind();
    a.mtc0(t0, ...cp0Operands(CP0.EntryHi));
    a.ehb();
    a.lw(a1, 0, a0);
    a.addiu(t0, t0, 1);
    a.addiu(v0, v0, 0);
    a.addu(v0, v0, a1);
    a.addiu(a1, 0, asids);
    a.bne(t0, a1, next);
    a.nop();
    a.addiu(t1, t1, -1);
    a.bnez(t1, round);
    a.nop();
    a.sdbbp(1);
  });
  m.machine.cpu.gpr[a0] = VA;
}

describe("soft TLB banks", () => {
  test("more ASIDs than banks: each sees its own page, before and after banks changed hands", () => {
    const asids = 40;
    const m = new TestMachine({ model: "34Kc" });
    for (let asid = 0; asid < asids; asid++) {
      m.map(asid, VA, asid, FRAME + asid * 0x1000, FRAME);
      m.machine.write32(FRAME + asid * 0x1000, 1 << (asid % 16));
    }
    sumOverAsids(m, asids);
    expect(m.run()).toBe(1);
    let sum = 0;
    for (let asid = 0; asid < asids; asid++) sum += 1 << (asid % 16);
    expect(m.gpr(v0)).toBe(2 * sum);
  });

  test("an entry changed while its ASID has no bank, or an old one", () => {
    const asids = 20;
    const m = new TestMachine({ model: "34Kc" });
    m.machine.write32(FRAME, 1);
    m.machine.write32(FRAME + 0x1000, 100);
    for (let asid = 0; asid < asids; asid++) m.map(asid, VA, asid, FRAME, FRAME);
    sumOverAsids(m, asids);
    expect(m.run()).toBe(1);
    expect(m.gpr(v0)).toBe(2 * asids);
    // ASID 3 has lost its bank, ASID 17 has not.
    for (const asid of [3, 17]) m.map(asid, VA, asid, FRAME + 0x1000, FRAME);
    m.machine.cpu.gpr[v0] = 0;
    expect(m.run()).toBe(1);
    expect(m.gpr(v0)).toBe(2 * (asids - 2 + 200));
  });

  test("code of two ASIDs at one address", () => {
    const m = new TestMachine();
    for (const asid of [1, 2]) {
      m.map(asid, VA, asid, FRAME + asid * 0x2000, FRAME);
      m.machine.write32(FRAME + asid * 0x2000, encode("sdbbp", { code: asid }));
    }
    for (const asid of [1, 2, 1, 2]) {
      m.setCp0("EntryHi", asid);
      m.machine.cpu.setPc(VA);
      expect(m.run()).toBe(asid);
    }
  });
});

describe("a TLB write takes effect at once", () => {
  test.each([
    ["invalid", 0x1c, EXC_CODE.TLBL],
    ["not dirty", 0x1a, EXC_CODE.Mod],
  ] as const)("%s", (_, bits, code) => {
    const m = new TestMachine();
    m.map(0, VA, 0, FRAME, FRAME);
    m.code((a) => {
      a.lw(v0, 0, a0);
      a.sw(v0, 0, a0);
      a.sdbbp(1);
    });
    m.machine.cpu.gpr[a0] = VA;
    expect(m.run()).toBe(1);
    m.map(0, VA, 0, FRAME, FRAME, bits);
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.excCode).toBe(code);
    expect(m.cp0("BadVAddr")).toBe(VA);
  });

  test("another entry in its place, global and of every page size", () => {
    const m = new TestMachine();
    for (const [pageMask, bits] of [0, 0x6000, 0x1_e000, 0x1f_e000].flatMap((mask) => [
      [mask, 0x1e],
      [mask, 0x1f],
    ])) {
      m.map(0, VA, 0, FRAME, FRAME, bits);
      m.setCp0("PageMask", pageMask!);
      m.machine.ops.tlbwi();
      m.code((a) => {
        a.lw(v0, 0, a0);
        a.sdbbp(1);
      });
      m.machine.cpu.gpr[a0] = VA;
      m.machine.cpu.setPc(CODE);
      expect(m.run()).toBe(1);
      // The same entry for another address: the old translation is gone.
      m.map(0, VA + 0x100_0000, 0, FRAME, FRAME, bits);
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(EXC_CODE.TLBL);
      m.setCp0("Status", 0);
    }
  });

  test("for the code itself: the next instruction is not fetched any more", () => {
    const m = new TestMachine();
    m.map(0, VA, 0, FRAME, FRAME);
    m.setCp0("EntryLo0", 0);
    const base = 0x8000_0000 + FRAME;
    m.load(base, (a) => {
      a.tlbwi();
      a.sdbbp(1);
    });
    m.machine.cpu.setPc(VA);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.cp0("EPC")).toBe(VA + 4);
    expect(m.excCode).toBe(EXC_CODE.TLBL);
  });
});

test("a second entry for an address raises a machine check and is not written", () => {
  for (const op of ["tlbwi", "tlbwr"] as const) {
    const m = new TestMachine();
    m.map(3, VA, 5, FRAME, FRAME);
    m.code((a) => {
      a[op]();
      a.sdbbp(1);
    });
    m.setCp0("Index", 4);
    m.setCp0("Wired", 15);
    m.setCp0("EntryHi", VA | 5);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.excCode).toBe(EXC_CODE.MCheck);
    expect(m.cp0("EPC")).toBe(CODE);
    expect(m.cp0("Status") & STATUS.TS).toBe(STATUS.TS);
    expect(m.machine.cpu.tlb.isUsed(4)).toBe(false);
    expect(m.machine.cpu.tlb.isUsed(15)).toBe(false);
  }
});

describe("read inhibit and execute inhibit", () => {
  const setUp = (grain: number, lo: number): TestMachine => {
    const m = new TestMachine({ model: "24Kc-rixi" });
    m.setCp0("PageGrain", grain);
    m.map(0, VA, 0, FRAME, FRAME, 0x1e | lo);
    m.machine.write32(FRAME, encode("sdbbp", { code: 2 }));
    m.machine.cpu.gpr[a0] = VA;
    return m;
  };
  const load = (m: TestMachine): number => {
    m.code((a) => {
      a.sw(a1, 4, a0);
      a.lw(v0, 4, a0);
      a.sdbbp(1);
    });
    return m.run() === 1 ? -1 : m.excCode;
  };
  const fetch = (m: TestMachine): number => {
    m.machine.cpu.setPc(VA);
    return m.run() === 2 ? -1 : m.excCode;
  };
  const { RIE, XIE, IEC } = PAGE_GRAIN;

  test("loads: a store to the page does not make it readable", () => {
    expect(load(setUp(RIE, ENTRY_LO.RI))).toBe(EXC_CODE.TLBL);
    expect(load(setUp(RIE | IEC, ENTRY_LO.RI))).toBe(EXC_CODE.TLBRI);
    expect(load(setUp(XIE, ENTRY_LO.RI))).toBe(-1);
    expect(load(setUp(RIE | XIE, ENTRY_LO.XI))).toBe(-1);
  });

  test("fetches", () => {
    expect(fetch(setUp(XIE, ENTRY_LO.XI))).toBe(EXC_CODE.TLBL);
    expect(fetch(setUp(XIE | IEC, ENTRY_LO.XI))).toBe(EXC_CODE.TLBXI);
    expect(fetch(setUp(RIE, ENTRY_LO.XI))).toBe(-1);
    expect(fetch(setUp(RIE | XIE, ENTRY_LO.RI))).toBe(-1);
  });
});

test("a fetch from where there is no memory raises IBE", () => {
  const m = new TestMachine();
  m.machine.cpu.setPc(0xbe00_0000);
  expect(m.run()).toBe(UNEXPECTED);
  expect(m.excCode).toBe(EXC_CODE.IBE);
  expect(m.cp0("EPC")).toBe(0xbe00_0000);
});

test("exceptions without end, because no vector can be fetched, take time and use up the budget", () => {
  const m = new TestMachine();
  m.setCp0("Status", STATUS.BEV);
  m.code((a) => a.syscall());
  expect(m.run(5000)).toEqual({ kind: "budget" });
  expect(m.machine.instructions).toBe(5000);
  expect(m.run(1)).toEqual({ kind: "budget" });
});

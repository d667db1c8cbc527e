import { describe, expect, test } from "vitest";
import { CP0, ENTRY_LO, PAGE_GRAIN, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { ENGINES } from "./index.ts";
import { CODE, TestMachine, UNEXPECTED } from "./testing.ts";

const { a0, a1, gp, k0, k1, s0, v0, v1, zero } = GPR;
const EVEN = 0x2_0000;
const ODD = 0x3_0000;
const VA = 0x0040_2000;
const OTHERS = 0x1000_0000;
const DONE = 1;
const AT_LAST = 2;
/** Where the handler finds what it writes into EntryLo0 and EntryLo1. */
const ENTRIES = 0x8000_f000;
const CACHED = 3 << ENTRY_LO.C_SHIFT;
const ALL = ENTRY_LO.V | ENTRY_LO.D | CACHED;
const ADDIU_V1 = 0x2403_0000;

/** The number by which instructions name a CP0 register with select 0. */
const numberOf = (register: keyof typeof CP0): number => CP0[register] >>> 3;
const LO0 = numberOf("EntryLo0");
const LO1 = numberOf("EntryLo1");
const BAD_VADDR = numberOf("BadVAddr");
const ENTRY_HI = numberOf("EntryHi");

/** Writes the entries that `ENTRIES` has. */
function writeEntry(a: Assembler): void {
  a.lw(k0, 0, gp);
  a.lw(k1, 4, gp);
  a.mtc0(k0, LO0, 0);
  a.mtc0(k1, LO1, 0);
  a.ehb();
  a.tlbwr();
}

/** A machine with a refill handler that maps every pair of pages to `EVEN` and `ODD`, but for what `lo1` says. */
function machine(engine: (typeof ENGINES)["auto"], lo1 = (ODD >>> 6) | ALL, model = "24Kc"): TestMachine {
  const m = new TestMachine({ engine, model });
  m.load(0x8000_0000, (a) => {
    writeEntry(a);
    a.eret();
  });
  // An entry's first write is not the quick one.
  for (let index = 0; index < m.machine.cpu.tlb.entries; index++)
    m.map(index, OTHERS + index * 0x2000, 0, EVEN, EVEN);
  m.machine.memory.write32(ENTRIES & 0x1fff_ffff, (EVEN >>> 6) | ALL);
  m.machine.memory.write32((ENTRIES & 0x1fff_ffff) + 4, lo1);
  m.machine.memory.write32(EVEN, 0x1111_1111);
  m.machine.memory.write32(ODD, 0x2222_2222);
  m.machine.cpu.gpr[gp] = ENTRIES | 0;
  m.machine.cpu.gpr[a0] = VA;
  m.machine.cpu.gpr[a1] = VA + 0x1000;
  return m;
}

describe.each(Object.entries(ENGINES))("behind the handler of a TLB miss, %s", (_, engine) => {
  test("both pages are where the entry says, after one refill, and no other", () => {
    const words = [0x1111_1111, 0x2222_2222];
    for (const [first, second] of [
      [a0, a1],
      [a1, a0],
    ] as const) {
      const m = machine(engine);
      m.code((a) => {
        a.lw(v0, 0, first);
        a.lw(v1, 0, second);
        a.sw(v1, 8, first);
        a.lw(zero, 0x2000, a0);
        a.lw(zero, -0x2000, a0);
        a.sdbbp(DONE);
      });
      expect(m.run()).toBe(DONE);
      expect([m.gpr(v0), m.gpr(v1)]).toEqual(first === a0 ? words : words.toReversed());
      expect(m.machine.memory.read32((first === a0 ? EVEN : ODD) + 8)).toBe(m.gpr(v1));
      // And nowhere else.
      expect(m.machine.cpu.refills).toBe(3);
    }
  });

  test.each([
    { what: "is not valid", lo1: (ODD >>> 6) | CACHED, excCode: EXC_CODE.TLBL },
    { what: "may not be read", lo1: (ODD >>> 6) | ALL | ENTRY_LO.RI, excCode: EXC_CODE.TLBL },
  ])("a page that $what raises what it always does", ({ lo1, excCode }) => {
    for (const address of [a0, a1]) {
      const m = machine(engine, lo1, "P5600");
      m.setCp0("PageGrain", PAGE_GRAIN.RIE);
      m.code((a) => {
        a.lw(v0, 0, address);
        a.lw(v0, 0, a1);
        a.sdbbp(DONE);
      });
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(excCode);
      expect(m.cp0("BadVAddr")).toBe(VA + 0x1000);
    }
  });

  test("a page that may not be written to is not", () => {
    const m = machine(engine, (ODD >>> 6) | ENTRY_LO.V | CACHED);
    m.code((a) => {
      a.lw(v0, 0, a1);
      a.sw(zero, 0, a1);
      a.sdbbp(DONE);
    });
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.excCode).toBe(EXC_CODE.Mod);
    expect(m.machine.memory.read32(ODD)).toBe(0x2222_2222);
  });

  test("a page that is no memory is not taken for any", () => {
    const nowhere = 0x1100_0000;
    const m = machine(engine, (nowhere >>> 6) | ALL);
    m.machine.cpu.gpr[s0] = (0xa000_0000 + nowhere) | 0;
    m.code((a) => {
      a.lw(v0, 0, a1);
      a.lw(v1, 0, s0);
      a.sdbbp(DONE);
    });
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(m.gpr(v1));
  });

  test("a page of code is still seen to change", () => {
    const m = machine(engine, ((CODE & 0x1fff_ffff & -0x1000) >>> 6) | ALL);
    const word = VA + 0x1000 + (CODE & 0xfff) + 0x20;
    m.code((a) => {
      a.loadConstant(a1, word);
      a.loadConstant(v0, ADDIU_V1 | 42);
      while (a.address < CODE + 0x20) a.nop();
      const again = a.label();
      a.bind(again);
      a.addiu(v1, zero, 7);
      a.lw(s0, 0, a1);
      a.sw(v0, 0, a1);
      a.bne(s0, v0, again);
      a.nop();
      a.sdbbp(DONE);
    });
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v1)).toBe(42);
  });

  test("an entry for another address than was missed is none for that", () => {
    const m = machine(engine);
    m.load(0x8000_0000, (a) => {
      const right = a.label();
      a.addiu(s0, s0, 1);
      a.slti(k0, s0, 2);
      a.beq(k0, zero, right);
      a.nop();
      a.mfc0(k0, ENTRY_HI, 0);
      a.xori(k0, k0, 0x2000);
      a.mtc0(k0, ENTRY_HI, 0);
      a.bind(right);
      writeEntry(a);
      a.eret();
    });
    m.code((a) => {
      a.lw(v0, 0, a0);
      a.sdbbp(DONE);
    });
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(0x1111_1111);
    expect(m.gpr(s0)).toBe(2);
  });

  test("user mode does not get at the kernel's addresses by an entry for them", () => {
    const m = machine(engine);
    // Exceptions that are no refills: the entry is written all the same.
    m.load(0x8000_0180, (a) => {
      a.addiu(s0, s0, 1);
      a.slti(k0, s0, 2);
      const last = a.label();
      a.beq(k0, zero, last);
      a.nop();
      a.mfc0(k0, BAD_VADDR, 0);
      a.mtc0(k0, ENTRY_HI, 0);
      writeEntry(a);
      a.eret();
      a.bind(last);
      a.sdbbp(AT_LAST);
    });
    m.setCp0("Wired", 1);
    m.map(0, 0, 0, CODE & 0x1fff_f000, CODE & 0x1fff_f000);
    m.code((a) => {
      a.lw(v0, 0, a0);
      a.sdbbp(DONE);
    });
    m.machine.cpu.gpr[a0] = 0xc000_2000 | 0;
    m.setCp0("Status", STATUS.UM);
    m.machine.cpu.modeMayHaveChanged();
    m.machine.cpu.setPc(CODE & 0xfff);
    expect(m.run()).toBe(AT_LAST);
    expect(m.excCode).toBe(EXC_CODE.AdEL);
    expect(m.gpr(v0)).toBe(0);
  });
});

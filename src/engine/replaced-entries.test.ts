import { describe, expect, test } from "vitest";
import { CP0, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { ENGINES } from "./index.ts";
import { CODE, TestMachine } from "./testing.ts";

const { a0, a1, a2, s0, s1, t0, v0, v1, zero } = GPR;
const VA = 0x0040_2000;
const [OLD, NEW] = [0x2_0000, 0x3_0000];
const [OLD_WORD, NEW_WORD] = [0x1111_1111, 0x2222_2222];
const USER_VA = 0x0050_0000;
const USER_CODE = 0x4_0000;
const OTHERS = 0x1000_0000;
const DONE = 1;

const numberOf = (register: keyof typeof CP0): number => CP0[register] >>> 3;
const lo = (frame: number): number => (frame >>> 6) | 0x1e;

/** A machine whose TLB entry 1 maps both pages at `VA` to `OLD`. All its entries were written. */
function machine(engine: (typeof ENGINES)["auto"], model = "24Kc"): TestMachine {
  const m = new TestMachine({ engine, model });
  for (let index = 0; index < m.machine.cpu.tlb.entries; index++)
    m.map(index, OTHERS + index * 0x2000, 0, OLD, OLD);
  m.map(1, VA, 0, OLD, OLD);
  for (let at = 0; at < 0x1000; at += 4) {
    m.machine.write32(OLD + at, OLD_WORD);
    m.machine.write32(NEW + at, NEW_WORD);
  }
  m.machine.cpu.gpr[a0] = VA;
  m.machine.cpu.gpr[a1] = lo(NEW);
  m.machine.cpu.gpr[a2] = lo(OLD);
  return m;
}

/** Has entry 1 map both pages at `VA` as register `entryLo` says. */
function replace(a: Assembler, entryLo: number): void {
  a.addiu(t0, zero, 1);
  a.mtc0(t0, numberOf("Index"), 0);
  a.mtc0(a0, numberOf("EntryHi"), 0);
  a.mtc0(entryLo, numberOf("EntryLo0"), 0);
  a.mtc0(entryLo, numberOf("EntryLo1"), 0);
  a.tlbwi();
}

/** Ways in which the engine learns of a page. */
const ACCESSES: Readonly<Record<string, (a: Assembler) => void>> = {
  load: (a) => a.lw(v0, 8, a0),
  "load of a byte": (a) => a.lbu(v0, 8, a0),
  "load of a part": (a) => a.lwl(v0, 8, a0),
  store: (a) => a.sw(zero, 8, a0),
  "store of a part": (a) => a.swr(zero, 9, a0),
  "load that links": (a) => a.ll(v0, 8, a0),
};

describe.each(Object.entries(ENGINES))("an entry of the TLB that is replaced, %s", (_, engine) => {
  test.each(Object.entries(ACCESSES))("takes along what is known by a %s", (_name, access) => {
    for (const odd of [0, 0x1000]) {
      const m = machine(engine);
      m.code((a) => {
        a.addiu(s0, zero, 3);
        const again = a.bind();
        replace(a, a2);
        a.addiu(a0, a0, odd);
        access(a);
        a.addiu(a0, a0, -odd);
        replace(a, a1);
        a.lw(v0, odd, a0);
        a.lw(v1, 4 + odd, a0);
        a.addiu(s0, s0, -1);
        a.bnez(s0, again);
        a.nop();
        a.sdbbp(DONE);
      });
      expect(m.run()).toBe(DONE);
      expect([m.gpr(v0), m.gpr(v1)]).toEqual([NEW_WORD, NEW_WORD]);
    }
  });

  test("takes along what is known by a refill", () => {
    const m = machine(engine);
    m.load(0x8000_0000, (a) => {
      a.mtc0(a2, numberOf("EntryLo0"), 0);
      a.mtc0(a2, numberOf("EntryLo1"), 0);
      a.tlbwr();
      a.eret();
    });
    m.code((a) => {
      a.addiu(s0, zero, 3);
      const again = a.bind();
      a.addiu(a0, a0, 0x4000);
      a.lw(s1, 0, a0);
      a.tlbp();
      a.mtc0(a1, numberOf("EntryLo0"), 0);
      a.mtc0(a1, numberOf("EntryLo1"), 0);
      a.tlbwi();
      a.lw(v0, 0, a0);
      a.lw(v1, 0x1000, a0);
      a.addiu(s0, s0, -1);
      a.bnez(s0, again);
      a.nop();
      a.sdbbp(DONE);
    });
    expect(m.run()).toBe(DONE);
    expect([m.gpr(s1), m.gpr(v0), m.gpr(v1)]).toEqual([OLD_WORD, NEW_WORD, NEW_WORD]);
    expect(m.machine.cpu.refills).toBe(3);
  });

  test("does so for user mode, and for what user mode has accessed", () => {
    const m = machine(engine);
    m.map(2, USER_VA, 0, USER_CODE, USER_CODE);
    m.load(0x8000_0000 + USER_CODE, (a) => {
      a.lw(s0, 0, a0);
      a.sw(s0, 4, a0);
      a.syscall(0);
    });
    // The first system call has the entry replaced, the second ends.
    m.load(0x8000_0180, (a) => {
      const second = a.label();
      a.bnez(s1, second);
      a.addiu(s1, s1, 1);
      replace(a, a1);
      a.loadConstant(t0, USER_VA);
      a.mtc0(t0, numberOf("EPC"), 0);
      a.eret();
      a.bind(second);
      a.lw(v0, 4, a0);
      a.sdbbp(DONE);
    });
    m.setCp0("Status", STATUS.UM | STATUS.EXL);
    m.setCp0("EPC", USER_VA);
    m.code((a) => a.eret());
    expect(m.run()).toBe(DONE);
    expect([m.gpr(s0), m.gpr(v0)]).toEqual([NEW_WORD, NEW_WORD]);
    expect(m.machine.memory.read32(OLD + 4)).toBe(OLD_WORD);
  });

  test.each([0, 1, 8, 11, 14, 15])("is the one that Random names, with %i wired", (wired) => {
    const written = (by: (typeof ENGINES)["auto"]): number[] => {
      const m = machine(by);
      m.machine.cpu.gpr[s0] = 40;
      m.machine.cpu.gpr[a0] = OTHERS + 0x10_0000;
      m.setCp0("Wired", wired);
      m.code((a) => {
        const again = a.bind();
        a.mtc0(a0, numberOf("EntryHi"), 0);
        a.tlbwr();
        // Random has every value, as a turn takes an odd number of instructions.
        a.nop();
        a.addiu(a0, a0, 0x2000);
        a.addiu(s0, s0, -1);
        a.bnez(s0, again);
        a.nop();
        a.sdbbp(DONE);
      });
      m.machine.cpu.setPc(CODE);
      expect(m.run()).toBe(DONE);
      const { tlb } = m.machine.cpu;
      return Array.from({ length: tlb.entries }, (_each, index) => tlb.read(index).entryHi);
    };
    const entries = written(engine);
    expect(entries).toEqual(written(ENGINES.interp));
    expect(entries.slice(0, wired)).toEqual(
      Array.from({ length: wired }, (_each, index) => (index === 1 ? VA : OTHERS + index * 0x2000)),
    );
  });
});

import { describe, expect, test } from "vitest";
import { CODE, type TestMachine } from "../../src/engine/testing.ts";
import { CP0, cp0Operands, STATUS } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import type { Assembler } from "../../src/uasm/assembler.ts";
import { EnginePair } from "./engine-pair.ts";

const { zero, v0, v1, a0, a1, a2, t0, t1, t2, s0, s1, k0, k1, ra } = GPR;
const PAGE = 0x1000;
const DATA = 0x40_0000;
const FRAMES = 0x4_0000;
/** Valid, may be stored to, cached. */
const LO_BITS = 0x1e;
const BUDGET = { kind: "budget" };

/** At the refill vector: maps 16 pairs of pages from DATA on to FRAMES, by TLBWR. `also` comes first. */
function loadRefill(m: TestMachine, also: (a: Assembler) => void = () => {}): void {
  m.load(0x8000_0000, (a) => {
    also(a);
    a.mfc0(k0, ...cp0Operands(CP0.BadVAddr));
    a.ext(k0, k0, 13, 4);
    a.sll(k0, k0, 7);
    a.loadConstant(k1, (FRAMES >>> 6) | LO_BITS);
    a.addu(k0, k0, k1);
    a.mtc0(k0, ...cp0Operands(CP0.EntryLo0));
    a.addiu(k0, k0, 0x40);
    a.mtc0(k0, ...cp0Operands(CP0.EntryLo1));
    a.ehb();
    a.tlbwr();
    a.ehb();
    a.eret();
  });
}

/** Leaves `entries` entries of the TLB to TLBWR. */
function leave(m: TestMachine, entries: number): void {
  m.setCp0("Wired", m.machine.cpu.tlb.entries - entries);
}

/** Runs in pieces, then to each budget of some length. */
function runAll(pair: EnginePair): void {
  expect(pair.runPieces(10_000, 29)).toEqual(BUDGET);
  expect(pair.runPieces(150_000, 3000)).toEqual(BUDGET);
  for (let budget = 1; budget < 80; budget++) pair.run(budget);
  expect(pair.translations).toBeGreaterThan(0);
}

describe("refills of the TLB under running code", () => {
  /** Four accesses to two pages by turns, the last one in a delay slot; v0 counts the rounds. */
  const accesses = (a: Assembler): void => {
    const again = a.bind();
    const turn = a.label();
    a.addiu(t2, zero, 50);
    a.bind(turn);
    a.lw(t1, 0, a0);
    a.addu(v1, v1, t1);
    a.sw(v1, 8, a1);
    a.lw(t1, 4, a0);
    a.addu(v1, v1, s0);
    a.addiu(v0, v0, 1);
    a.addiu(t2, t2, -1);
    a.bnez(t2, turn);
    a.lw(t1, 12, a1);
    a.b(again);
    a.addu(v1, v1, t1);
  };
  const pairOf = (entries: number, also?: (a: Assembler) => void): EnginePair =>
    new EnginePair({ ramBytes: 1 << 19 }).both((m) => {
      loadRefill(m, also);
      leave(m, entries);
      m.code(accesses);
      for (let at = 0; at < 4 * PAGE; at += 4) m.machine.write32(FRAMES + at, at + 1);
      m.machine.cpu.gpr[a0] = DATA;
      m.machine.cpu.gpr[a1] = DATA + 2 * PAGE;
    });

  test("each takes the page that was accessed before away", () => {
    const pair = pairOf(1);
    runAll(pair);
    const { machine } = pair.translated;
    const rounds = pair.translated.gpr(v0);
    expect(rounds).toBeGreaterThan(2500);
    // The first access and the one before it in the delay slot go to different pages, as all neighbours do.
    expect(machine.cpu.refills).toBeGreaterThanOrEqual(4 * rounds);
    expect(machine.cpu.refills).toBeLessThanOrEqual(4 * rounds + 4);
  });

  test("with room for both pages there are hardly any", () => {
    const pair = pairOf(3);
    runAll(pair);
    expect(pair.translated.machine.cpu.refills).toBeLessThan(40);
  });

  test("a handler changes a register that the code has at hand", () => {
    const pair = pairOf(1, (a) => a.addiu(s0, s0, 1));
    runAll(pair);
    const { refills } = pair.translated.machine.cpu;
    expect(refills).toBeGreaterThan(5000);
    expect([refills, refills - 1]).toContain(pair.translated.gpr(s0));
  });

  test("a handler goes on elsewhere", () => {
    const pair = pairOf(1, (a) => {
      a.addiu(s0, s0, 1);
      a.andi(k0, s0, 7);
      const plain = a.label();
      a.bnez(k0, plain);
      a.nop();
      a.mtc0(s1, ...cp0Operands(CP0.EPC));
      a.bind(plain);
    }).both((m) => (m.machine.cpu.gpr[s1] = CODE | 0));
    runAll(pair);
  });

  test("they take away the pages of the code itself, and of its caller", () => {
    const [MAIN, FUNCTION] = [DATA + 8 * PAGE, DATA + 12 * PAGE];
    const pa = (va: number): number => va - DATA + FRAMES;
    const pair = new EnginePair({ ramBytes: 1 << 19 }).both((m) => {
      loadRefill(m);
      leave(m, 3);
      const code = (va: number, build: (a: Assembler) => void): void => void m.load(va, build, pa(va));
      code(MAIN, (a) => {
        const again = a.bind();
        a.addiu(v0, v0, 1);
        a.jalr(ra, a2);
        a.addiu(t0, t0, PAGE + 8);
        a.b(again);
        a.addu(v1, v1, t1);
      });
      code(FUNCTION, (a) => {
        a.andi(t0, t0, 0x3ffc);
        a.addu(a0, a1, t0);
        a.lw(t1, 0, a0);
        a.sw(v1, 0, a0);
        a.jr(ra);
        a.addu(v1, v1, t1);
      });
      m.machine.cpu.gpr[a1] = DATA;
      m.machine.cpu.gpr[a2] = FUNCTION;
      m.machine.cpu.setPc(MAIN);
    });
    runAll(pair);
    expect(pair.translated.gpr(v0)).toBeGreaterThan(1000);
    expect(pair.translated.machine.cpu.refills).toBeGreaterThan(300);
  });
});

describe("instructions that trap in user mode", () => {
  /** At the general vector: the result of the instruction is one more than that of the one before. */
  const emulate = (a: Assembler, result: number): void => {
    a.mfc0(k0, ...cp0Operands(CP0.EPC));
    a.addiu(k0, k0, 4);
    a.mtc0(k0, ...cp0Operands(CP0.EPC));
    a.addiu(s0, s0, 1);
    a.move(result, s0);
    a.eret();
  };
  const pairOf = (result: number, build: (a: Assembler) => void): EnginePair =>
    new EnginePair({ ramBytes: 1 << 19 }).both((m) => {
      loadRefill(m);
      m.load(0x8000_0180, (a) => emulate(a, result));
      m.load(DATA, build, FRAMES);
      m.setCp0("Status", STATUS.UM);
      m.machine.cpu.modeMayHaveChanged();
      m.machine.cpu.setPc(DATA);
    });
  const loop = (a: Assembler): void => {
    const again = a.bind();
    a.addiu(v1, v1, 3);
    a.mfc0(t1, ...cp0Operands(CP0.Status));
    a.addu(v0, v0, t1);
    a.mtc0(v0, ...cp0Operands(CP0.Status));
    a.di(t1);
    a.xor(v0, v0, v1);
    a.b(again);
    a.addu(v1, v1, s0);
  };

  test("what handles them gives the result", () => {
    const pair = pairOf(t1, loop);
    runAll(pair);
    expect(pair.translated.gpr(s0)).toBeGreaterThan(2000);
  });

  test("or another register", () => {
    const pair = pairOf(v1, loop);
    runAll(pair);
    expect(pair.translated.gpr(s0)).toBeGreaterThan(2000);
  });
});

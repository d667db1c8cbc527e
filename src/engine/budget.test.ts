import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CAUSE, CP0, cp0Operands, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import { CODE, TestMachine } from "./testing.ts";

const { zero, v0, v1, a0, a1, a2, a3, t0, t1, t2, k0, k1, ra } = GPR;
const TICKS = 6000;

/** A program without end: loops, calls across pages, memory, likely branches, traps, TLB misses, a timer. */
function busyMachine(): TestMachine {
  const m = new TestMachine();
  const far = CODE + 0x1ffc;
  // Refill: maps the page to RAM page 20000. Everything else: count it, and skip the instruction if it raised.
  m.load(0x8000_0000, (a) => {
    a.mfc0(k0, ...cp0Operands(CP0.EntryLo0));
    a.loadConstant(k0, (0x20 << 6) | 0x1f);
    a.mtc0(k0, ...cp0Operands(CP0.EntryLo0));
    a.mtc0(k0, ...cp0Operands(CP0.EntryLo1));
    a.tlbwr();
    a.eret();
  });
  m.load(0x8000_0180, (a) => {
    const interrupt = a.label();
    const out = a.label();
    a.addiu(v1, v1, 1);
    a.mfc0(k0, ...cp0Operands(CP0.Cause));
    a.andi(k1, k0, CAUSE.ExcCode);
    a.beqz(k1, interrupt);
    a.mfc0(k1, ...cp0Operands(CP0.EPC));
    a.bltz(k0, a.address + 12);
    a.addiu(k1, k1, 8);
    a.addiu(k1, k1, -4);
    a.mtc0(k1, ...cp0Operands(CP0.EPC));
    a.b(out);
    a.nop();
    a.bind(interrupt);
    a.mfc0(k0, ...cp0Operands(CP0.Count));
    a.addu(a3, a3, k0);
    a.addiu(k0, k0, 150);
    a.mtc0(k0, ...cp0Operands(CP0.Compare));
    a.bind(out);
    a.eret();
  });
  m.load(far, (a) => {
    // The delay slot of this lies on the next page.
    a.jr(ra);
    a.addiu(v0, v0, 1);
  });
  m.code((a) => {
    const again = a.bind();
    a.addiu(t0, zero, 5);
    const loop = a.bind();
    a.lw(t1, 0, a0);
    a.addu(t1, t1, t0);
    a.sw(t1, 0, a0);
    a.addiu(t0, t0, -1);
    a.bgtzl(t0, loop);
    a.addiu(a2, a2, 3);
    a.jal(far);
    a.mult(t1, a2);
    a.mflo(t2);
    a.teq(zero, zero);
    a.b(again);
    // Faults in the delay slot, now and then: the skip goes behind the branch.
    a.lh(a1, 0, a2);
    a.xor(a0, a0, t0);
    a.lui(a0, 0x40);
    a.ext(t2, t1, 0, 5);
    a.sll(t2, t2, 13);
    a.addu(a0, a0, t2);
    a.b(again);
    a.nop();
  });
  m.machine.cpu.gpr[a0] = 0x40_0000;
  m.machine.cpu.gpr[a2] = 0x40_0001;
  m.setCp0("Compare", 100);
  m.setCp0("Status", STATUS.IE | 0x8000);
  return m;
}

/** All that a program can see, and where time stands. */
function stateOf(m: TestMachine): unknown {
  const { cpu, memory, timeline, instructions } = m.machine;
  return {
    gpr: Array.from(cpu.gpr),
    hi: cpu.hi,
    lo: cpu.lo,
    pc: cpu.pc,
    inDelaySlot: cpu.inDelaySlot,
    cp0: Array.from(cpu.cp0),
    count: m.cp0("Count"),
    tlb: Array.from({ length: 16 }, (_, index) => cpu.tlb.read(index)),
    page: Array.from(memory.readBytes(0x2_0000, 64)),
    timeline: timeline.snapshot(),
    instructions,
  };
}

describe("budgets", () => {
  const whole = busyMachine();
  whole.run(TICKS);
  const expected = stateOf(whole);

  test("the program does what it is meant to", () => {
    expect(whole.gpr(v1)).toBeGreaterThan(50);
    expect(whole.gpr(v0)).toBeGreaterThan(50);
    expect(whole.gpr(a3)).not.toBe(0);
    expect(whole.machine.cpu.refills).toBeGreaterThan(5);
    expect(whole.machine.timeline.now()).toBe(TICKS);
  });

  test("any split of a run ends in the same state", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 60 }), (pieces) => {
        const m = busyMachine();
        let left = TICKS;
        for (const piece of pieces) {
          const ticks = Math.min(piece, left);
          if (ticks === 0) break;
          m.run(ticks);
          left -= ticks;
          expect(m.machine.timeline.now()).toBe(TICKS - left);
        }
        if (left > 0) m.run(left);
        expect(stateOf(m)).toEqual(expected);
      }),
      { numRuns: 25, seed: 7 },
    );
  });

  test("one instruction at a time", () => {
    const m = busyMachine();
    for (let tick = 1; tick <= TICKS; tick++) {
      m.run(1);
      if (m.machine.timeline.now() !== tick) expect(m.machine.timeline.now()).toBe(tick);
    }
    expect(stateOf(m)).toEqual(expected);
  });

  test("run(n) executes n instructions, wherever that ends", () => {
    const m = new TestMachine().code((a) => {
      const again = a.bind();
      a.addiu(v0, v0, 1);
      a.b(again);
      a.addiu(v1, v1, 1);
    });
    for (const [n, pc, first, second] of [
      [1, CODE + 4, 1, 0],
      [1, CODE + 8, 1, 0],
      [1, CODE, 1, 1],
      [7, CODE + 4, 4, 3],
      [3000, CODE + 4, 1004, 1003],
    ] as const) {
      const before = m.machine.instructions;
      expect(m.run(n)).toEqual({ kind: "budget" });
      expect(m.machine.instructions - before).toBe(n);
      expect([m.machine.cpu.pc, m.gpr(v0), m.gpr(v1)]).toEqual([pc, first, second]);
    }
    expect(m.run(0)).toEqual({ kind: "budget" });
  });

  test("stop ends a run before the next instruction", () => {
    const m = new TestMachine().code((a) => {
      a.sw(v0, 0, a0);
      a.addiu(v0, v0, 1);
      a.sdbbp(1);
    });
    m.machine.bus.add({
      name: "switch",
      base: 0x1f00_0000,
      size: 4,
      device: { read: () => 0, write: () => m.machine.stop() },
    });
    m.machine.cpu.gpr[a0] = 0xbf00_0000 | 0;
    expect(m.run()).toEqual({ kind: "stopped" });
    expect([m.machine.cpu.pc, m.gpr(v0)]).toEqual([CODE + 4, 0]);
    expect(m.run()).toBe(1);
  });
});

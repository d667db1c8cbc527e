import { describe, expect, test } from "vitest";
import { CODE } from "../../src/engine/testing.ts";
import { CP0, cp0Operands } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import { EnginePair } from "./engine-pair.ts";

const { zero, v0, v1, a0, a1, a2, a3, t0, t1, t2, s0, ra } = GPR;
const PAGE = 0x1000;
const BUDGET = { kind: "budget" };

/** Runs in pieces, then to each budget of some length. */
function runAll(pair: EnginePair): void {
  for (const piece of [29, 100, 1000]) expect(pair.runPieces(20_000, piece)).toEqual(BUDGET);
  for (let budget = 1; budget < 80; budget++) pair.run(budget);
  expect(pair.translations).toBeGreaterThan(0);
}

describe("a loop that walks through memory", () => {
  /** From ever other places on, through four pages: two ordinary ones, one that is read-only, one that is not valid. */
  const walk = (endian: "little" | "big", step: number): EnginePair =>
    new EnginePair({ endian }).both((m) => {
      const [DATA, FRAMES] = [0x40_0000, 0x4_0000];
      const [WRITABLE, READ_ONLY, INVALID] = [0x1f, 0x1b, 0x19];
      m.map(1, DATA, 0, FRAMES, FRAMES + PAGE, WRITABLE);
      m.map(2, DATA + 2 * PAGE, 0, FRAMES + 2 * PAGE, FRAMES + 3 * PAGE, READ_ONLY);
      m.setCp0("EntryLo1", INVALID);
      m.machine.ops.tlbwi();
      for (let at = 0; at < 4 * PAGE; at += 4) m.machine.write32(FRAMES + at, Math.imul(at, 0x9e37_79b1));
      for (const vector of [0, 0x180])
        m.load(0x8000_0000 + vector, (a) => {
          a.addiu(s0, s0, 1);
          a.mtc0(a3, ...cp0Operands(CP0.EPC));
          a.ehb();
          a.eret();
        });
      m.code((a) => {
        const again = a.bind();
        const turn = a.label();
        a.addiu(v0, v0, 52);
        a.andi(t0, v0, 0x3ffc);
        a.addu(a0, a1, t0);
        a.addiu(t2, zero, 40);
        a.bind(turn);
        a.lw(t1, 0, a0);
        a.addu(v1, v1, t1);
        a.addiu(a0, a0, step);
        a.sh(v1, -2, a0);
        a.lbu(t1, 1, a0);
        a.addiu(t2, t2, -1);
        a.bnez(t2, turn);
        a.lhu(a2, 2, a0);
        a.b(again);
        a.addu(v1, v1, a2);
      });
      m.machine.cpu.gpr[a1] = DATA;
      m.machine.cpu.gpr[a3] = CODE | 0;
    });

  test.each(["little", "big"] as const)("leaves pages where it should: %s-endian", (endian) => {
    const pair = walk(endian, 4);
    runAll(pair);
    expect(pair.translated.gpr(s0)).toBeGreaterThan(10);
    expect(pair.translated.gpr(v0)).toBeGreaterThan(0x4000);
  });

  test("raises where an address is not aligned any more", () => {
    const pair = walk("little", 6);
    runAll(pair);
    expect(pair.translated.gpr(s0)).toBeGreaterThan(300);
  });

  test("over code changes it, whenever that was executed", () => {
    const FUNCTION = CODE + PAGE;
    const pair = new EnginePair().both((m) => {
      m.load(FUNCTION, (a) => {
        a.addiu(v1, v1, 1);
        a.jr(ra);
        a.nop();
      });
      m.code((a) => {
        const again = a.bind();
        const turn = a.label();
        a.jalr(ra, a1);
        a.addiu(a0, a1, -16);
        a.addiu(t2, zero, 9);
        a.bind(turn);
        a.lw(t1, 0, a0);
        // Of the function's first instruction this changes what is added.
        a.xor(t0, a0, a1);
        a.sltiu(t0, t0, 1);
        a.addu(t1, t1, t0);
        a.sw(t1, 0, a0);
        a.addiu(t2, t2, -1);
        a.bnez(t2, turn);
        a.addiu(a0, a0, 4);
        a.b(again);
        a.addiu(v0, v0, 1);
      });
      m.machine.cpu.gpr[a1] = FUNCTION | 0;
    });
    for (const piece of [29, 100, 1000]) expect(pair.runPieces(20_000, piece)).toEqual(BUDGET);
    const rounds = pair.translated.gpr(v0);
    expect(rounds).toBeGreaterThan(500);
    expect(pair.translated.gpr(v1)).toBeGreaterThan((rounds * rounds) / 2 - 1);
    expect(pair.translations).toBeGreaterThan(0);
  });
});

import { describe, expect, test } from "vitest";
import { CODE } from "../../src/engine/testing.ts";
import { CP0, cp0Operands } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import type { Assembler } from "../../src/uasm/assembler.ts";
import { EnginePair } from "./engine-pair.ts";

const { zero, v0, v1, a0, a1, a2, t0, t1, t2, ra } = GPR;
const CODE_PA = CODE & 0x1fff_ffff;
const PAGE = 0x1000;

describe("control flow in translated code", () => {
  test("into the middle of a block, to a branch's own delay slot, and over the end of the page", () => {
    const pair = new EnginePair().both((m) => {
      m.load(CODE + PAGE - 0x28, (a) => {
        const again = a.bind();
        const middle = a.label();
        const next = a.label();
        a.addiu(v0, v0, 1);
        a.andi(t0, v0, 3);
        a.bnez(t0, middle);
        a.addiu(v1, v1, 1);
        a.addiu(v1, v1, 10);
        a.addiu(v1, v1, 100);
        a.bind(middle);
        a.addiu(v1, v1, 1000);
        a.beq(t0, zero, a.address + 4);
        a.addiu(a0, a0, 1);
        // Its delay slot lies on the next page.
        a.bgtz(t0, next);
        a.sltu(a1, a0, v1);
        a.b(again);
        a.nop();
        a.bind(next);
        a.addiu(a2, a2, 1);
        a.jal(again);
        a.addu(a1, a1, ra);
      });
      m.machine.cpu.setPc(CODE + PAGE - 0x28);
    });
    for (const piece of [7, 31, 100]) pair.runPieces(2000, piece);
    expect(pair.translated.gpr(v0)).toBeGreaterThan(100);
    expect(pair.translations).toBeGreaterThan(1);
  });

  test("turns back to a block that repeats itself, with what each of the two loops needs", () => {
    const pair = new EnginePair().code((a) => {
      const again = a.bind();
      a.addiu(v0, v0, 1);
      a.andi(t0, v0, 3);
      a.bnez(t0, again);
      a.addu(v1, v1, a1);
      // Only the loop around it knows these.
      a.addiu(a0, a0, 3);
      a.xor(a2, a2, a0);
      a.andi(t1, a0, 4);
      a.beq(t1, zero, again);
      a.addu(a1, a1, a2);
      a.b(again);
      a.addiu(t2, t2, 1);
    });
    for (const piece of [7, 31, 100]) pair.runPieces(2000, piece);
    for (let budget = 1; budget < 60; budget++) pair.run(budget);
    expect(pair.translated.gpr(t2)).toBeGreaterThan(30);
    expect(pair.translations).toBeGreaterThan(0);
  });

  test("branches that are always taken, with what may raise in their delay slots", () => {
    const pair = new EnginePair().both((m) => {
      m.load(0x8000_0180, (a) => {
        // The branch again, with the address made good.
        a.addiu(v1, v1, 1);
        a.addiu(a0, a0, 1);
        a.eret();
      });
      m.code((a) => {
        const again = a.bind();
        const on = a.label();
        a.addiu(v0, v0, 1);
        a.andi(t0, v0, 7);
        a.addiu(a0, a1, 0);
        a.sltiu(t0, t0, 1);
        a.subu(a0, a0, t0);
        a.b(on);
        a.lh(t1, 0, a0);
        a.addiu(t2, t2, 1);
        a.bind(on);
        a.sltiu(t0, t0, 1);
        a.sll(t0, t0, 1);
        a.addu(a0, a0, t0);
        a.b(again);
        a.sw(a0, 0, a0);
      });
      m.machine.cpu.gpr[a1] = (CODE + 2 * PAGE) | 0;
    });
    for (const piece of [7, 31, 100]) pair.runPieces(2000, piece);
    expect(pair.translated.gpr(v1)).toBeGreaterThan(30);
    expect(pair.translated.gpr(t2)).toBe(0);
    expect(pair.translations).toBeGreaterThan(0);
  });

  test("calls functions in its page, in another and where there is none, by what a register says", () => {
    const near = CODE + 0x800;
    const far = CODE + PAGE;
    const pair = new EnginePair().both((m) => {
      const callee = (added: number) => (a: Assembler) => {
        a.addiu(v1, v1, added);
        a.jr(ra);
        a.xor(a0, a0, a1);
      };
      m.load(near, callee(1));
      m.load(far, callee(0x100));
      m.load(0x8000_0180, (a) => {
        // What is called at an odd address comes back behind the call.
        a.addiu(v0, v0, 1);
        a.mtc0(ra, ...cp0Operands(CP0.EPC));
        a.ehb();
        a.eret();
      });
      m.code((a) => {
        const again = a.bind();
        a.jalr(ra, a0);
        a.addiu(t2, t2, 1);
        a.andi(t0, t2, 63);
        a.bnez(t0, again);
        a.nop();
        a.jalr(ra, a2);
        a.nop();
        a.b(again);
        a.nop();
      });
      const { gpr } = m.machine.cpu;
      gpr[a0] = near | 0;
      gpr[a1] = near ^ far;
      gpr[a2] = (near + 2) | 0;
    });
    for (const piece of [7, 31, 100]) pair.runPieces(4000, piece);
    expect(pair.translated.gpr(v0)).toBeGreaterThan(3);
    expect(pair.translated.gpr(v1) & 0xff).toBeGreaterThan(0);
    expect(pair.translated.gpr(v1)).toBeGreaterThan(0x1000);
    expect(pair.translations).toBeGreaterThan(2);
  });

  test("in one page at two virtual addresses links to where it runs", () => {
    const pair = new EnginePair().both((m) => {
      m.map(1, 0x40_0000, 0, CODE_PA, CODE_PA + PAGE, 0x1f);
      m.code((a) => {
        // Calls the function through one address, then through the other.
        const f = a.label();
        const again = a.bind();
        a.bgezal(zero, f);
        a.nop();
        a.jr(a0);
        a.nop();
        a.b(again);
        a.nop();
        a.bind(f);
        a.addu(v0, v0, ra);
        a.xor(a0, a0, a1);
        a.jr(ra);
        a.addiu(v1, v1, 1);
      });
      m.machine.cpu.gpr[a0] = CODE | 0;
      m.machine.cpu.gpr[a1] = (CODE ^ 0x40_0000) | 0;
    });
    pair.runPieces(4000, 61);
    expect(pair.translated.gpr(v1)).toBeGreaterThan(300);
    expect(pair.translations).toBeGreaterThan(0);
  });
});

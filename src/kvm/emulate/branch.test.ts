import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createInterpreter } from "../../engine/index.ts";
import { conditionBit } from "../../isa/fpu.ts";
import { encode } from "../../isa/encode.ts";
import { TestGuest } from "../testing.ts";
import { branchTarget } from "./branch.ts";

const CODE = 0x4000_1000;

/** Every branch and jump of the table, with rs = $8 and rt = $9, to CODE + 40h. */
const BRANCHES: readonly number[] = [
  encode("j", { index: CODE + 0x40 - 0x4000_0000 }),
  encode("jal", { index: CODE + 0x40 - 0x4000_0000 }),
  encode("jr", { rs: 10 }),
  encode("jr.hb", { rs: 10 }),
  encode("jalr", { rd: 31, rs: 10 }),
  encode("jalr.hb", { rd: 12, rs: 10 }),
  ...(["beq", "bne", "beql", "bnel"] as const).map((name) => encode(name, { rs: 8, rt: 9, offset: 0x3c })),
  ...(["blez", "bgtz", "bltz", "bgez", "bltzal", "bgezal"] as const).map((name) =>
    encode(name, { rs: 8, offset: 0x3c }),
  ),
  ...(["blezl", "bgtzl", "bltzl", "bgezl", "bltzall", "bgezall"] as const).map((name) =>
    encode(name, { rs: 8, offset: 0x3c }),
  ),
];

describe("branches before an emulated instruction", () => {
  const value = fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000, 5);

  test("control goes where the CPU itself would have gone", () => {
    const guest = new TestGuest(createInterpreter, { dyntrans: false });
    /** Runs the branch with `slot` behind it; returns where it ended, $31, $12 and the time that it took. */
    const run = (branch: number, slot: number, rs: number, rt: number): (number | undefined)[] => {
      guest.write(0x1000, branch);
      guest.write(0x1004, slot);
      for (const at of [0x1008, 0x1040]) guest.write(at, encode("wait", {}));
      const { gpr } = guest.vcpu.regs;
      gpr.set([rs, rt, CODE + 0x40], 8);
      gpr[12] = 0;
      gpr[31] = 0;
      guest.start(CODE);
      guest.vcpu.waiting = false;
      const start = guest.machine.timeline.now();
      guest.runToWait();
      return [guest.vcpu.regs.pc, gpr[31], gpr[12], guest.machine.timeline.now() - start];
    };
    fc.assert(
      fc.property(fc.constantFrom(...BRANCHES), value, value, (branch, rs, rt) => {
        const own = run(branch, 0, rs, rt);
        const emulated = run(branch, encode("tlbp", {}), rs, rt);
        expect(emulated).toEqual(own);
      }),
    );
  });

  test("branches of the FPU go by FCSR", () => {
    const gpr = new Int32Array(32);
    for (const cc of [0, 1, 7]) {
      const set = 1 << conditionBit(cc);
      for (const [name, takenBy] of [
        ["bc1t", set],
        ["bc1fl", ~set],
      ] as const) {
        const word = encode(name, { cc, offset: 0x40 });
        expect(branchTarget(word, CODE, gpr, takenBy)).toBe(CODE + 0x44);
        expect(branchTarget(word, CODE, gpr, ~takenBy)).toBe(CODE + 8);
      }
    }
  });

  test("what is no branch has no target", () => {
    const gpr = new Int32Array(32);
    const words = [0, encode("teq", { rs: 0, rt: 0 }), encode("lwc1", { ft: 1, imm: 4, rs: 2 }), 0xffff_ffff];
    for (const word of [
      ...words,
      encode("swc1", { ft: 1, imm: 4, rs: 2 }),
      encode("ldc1", { ft: 2, imm: 0, rs: 2 }),
    ])
      expect(branchTarget(word, CODE, gpr, 0)).toBe(null);
  });
});

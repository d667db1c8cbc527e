import { describe, expect, test } from "vitest";
import { CAUSE, CONFIG, CP0, cp0Operands, STATUS } from "../isa/cp0.ts";
import { encode } from "../isa/encode.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { FCR, FCSR, FIR, IEEE } from "../isa/fpu.ts";
import { GPR } from "../isa/registers.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { InterpreterEngine } from "./index.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { CODE, TestMachine, UNEXPECTED, type TestMachineOptions } from "./testing.ts";

const { t0, t1, t2, a0, v0, zero } = GPR;
const DATA = 0x8002_0000;
const DONE = 1;
const WITH_FPU = ["24Kf", "34Kf", "P5600"];

/** Translates at once. */
const EAGER = { sampleEvery: 3, hot: 1, mostDoublings: 0, mostBytes: 1 << 20 } as const;
const ENGINES: readonly (readonly [string, TestMachineOptions])[] = [
  ["interpreter", {}],
  ["translator", { engine: (machine) => new InterpreterEngine(machine, EAGER) }],
];

function setStatus(m: TestMachine, value: number): void {
  m.setCp0("Status", value);
  m.machine.cpu.setPc(CODE);
}

/** A machine with the FPU on, in FR = `wide`, that runs `build` and then SDBBP. */
function withFpu(
  options: TestMachineOptions,
  build: (a: Assembler) => void,
  status: number = STATUS.CU1,
): TestMachine {
  const m = new TestMachine({ model: "24Kf", ...options });
  m.code((a) => {
    build(a);
    a.sdbbp(DONE);
  });
  setStatus(m, status);
  return m;
}

/** Loads a word into an FPU register. */
function constant(a: Assembler, register: number, value: number): void {
  a.loadConstant(t0, value);
  a.mtc1(t0, register);
}

describe("models", () => {
  test("announce their FPU, and what of Status can be written", () => {
    for (const [name, model] of Object.entries(CPU_MODELS)) {
      const m = new TestMachine({ model: name });
      const has = model.fpu !== null;
      expect(has, name).toBe(WITH_FPU.includes(name));
      expect((m.cp0("Config1") & CONFIG.C1_FP) !== 0, name).toBe(has);
      m.setCp0("Status", STATUS.CU1 | STATUS.FR);
      expect(m.cp0("Status") & (STATUS.CU1 | STATUS.FR)).toBe(has ? STATUS.CU1 | STATUS.FR : 0);
    }
  });

  test("have the FIR of QEMU's models, without UFRP and FREP", () => {
    const fir = (model: string): number => CPU_MODELS[model]!.fpu!.fir;
    expect(fir("24Kf")).toBe(0x0073_9300);
    expect(fir("34Kf")).toBe(0x0073_9500);
    expect(fir("P5600")).toBe(0x00f3_0300);
    expect(fir("P5600") & FIR.HAS2008).not.toBe(0);
  });

  test("reset FCSR to the NaN encoding that they have", () => {
    expect(new TestMachine({ model: "24Kf" }).machine.cpu.fpu!.fcsr).toBe(0);
    expect(new TestMachine({ model: "P5600" }).machine.cpu.fpu!.fcsr).toBe(FCSR.NAN2008 | FCSR.ABS2008);
  });
});

describe.each(ENGINES)("FPU code by the %s", (_name, options) => {
  test("is unusable without CU1, and on a CPU without FPU", () => {
    const uses: ((a: Assembler) => void)[] = [
      (a) => a["add.s"](0, 1, 2),
      (a) => a.lwc1(0, 0, a0),
      (a) => a.swc1(0, 0, a0),
      (a) => a.ldc1(0, 0, a0),
      (a) => a.mfc1(v0, 3),
      (a) => a.cfc1(v0, FCR.FIR),
      (a) => a["madd.d"](0, 2, 4, 6),
      (a) => a.movf(v0, t0, 0),
      (a) => a.prefx(0, t0, a0),
      (a) => a["c.lt.d"](1, 0, 2),
      (a) => {
        a.bc1t(0, CODE);
        a.nop();
      },
    ];
    for (const model of ["24Kf", "24Kc"])
      for (const use of uses) {
        const m = withFpu({ ...options, model }, use, model === "24Kc" ? STATUS.CU1 : 0);
        expect(m.run()).toBe(UNEXPECTED);
        expect(m.excCode).toBe(EXC_CODE.CpU);
        expect((m.cp0("Cause") & CAUSE.CE) >>> CAUSE.CE_SHIFT).toBe(1);
        expect(m.cp0("EPC")).toBe(CODE);
      }
  });

  test("that no FPU has is reserved", () => {
    for (const use of [(a: Assembler) => a["add.ps"](0, 2, 4), (a: Assembler) => a.c1(0x1ff_ffff)]) {
      const m = withFpu(options, use);
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(EXC_CODE.RI);
    }
  });

  test("computes in a loop, and branches by what it compares", () => {
    const m = withFpu(options, (a) => {
      // f0 = 1 + 1/2 + 1/4 … in doubles, until what is added no longer counts: 2 - 2^-52, 2.
      constant(a, 0, 0);
      constant(a, 1, 0x3ff0_0000);
      constant(a, 2, 0);
      constant(a, 3, 0x3ff0_0000);
      constant(a, 4, 0);
      constant(a, 5, 0x3fe0_0000);
      const loop = a.bind("loop");
      a["mul.d"](2, 2, 4);
      a["add.d"](6, 0, 2);
      a["c.eq.d"](3, 6, 0);
      a["mov.d"](0, 6);
      a.bc1f(3, loop);
      a.addiu(v0, v0, 1);
    });
    m.machine.cpu.gpr[v0] = 0;
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(54);
    const { fpu } = m.machine.cpu;
    expect([fpu!.word(0), fpu!.word(1)]).toEqual([0, 0x4000_0000]);
    expect(fpu!.fcsr & FCSR.FLAGS).toBe(IEEE.inexact << FCSR.FLAGS_SHIFT);
  });

  test("executes the delay slot of a likely branch only if it is taken", () => {
    const m = withFpu(options, (a) => {
      for (const taken of [1, 0]) {
        const to = a.label();
        a.loadConstant(t0, taken);
        a.ctc1(t0, FCR.FCCR);
        a.bc1tl(0, to);
        a.addiu(t1, t1, 1);
        a.addiu(t2, t2, 1);
        a.bind(to);
      }
    });
    m.machine.cpu.gpr.fill(0, t1, t2 + 1);
    expect(m.run()).toBe(DONE);
    expect([m.gpr(t1), m.gpr(t2)]).toEqual([1, 1]);
  });

  test("a branch in the delay slot of one is reserved, after its right to the FPU", () => {
    for (const [status, code] of [
      [STATUS.CU1, EXC_CODE.RI],
      [0, EXC_CODE.CpU],
    ] as const) {
      const m = withFpu(options, (a) => a.nop(), status);
      // What no assembler lets pass.
      const words = [encode("beq", { rs: 0, rt: 0, offset: 0 }), encode("bc1t", { offset: 0 })];
      words.forEach((word, n) => m.machine.write32((CODE & 0x1fff_ffff) + n * 4, word));
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(code);
      expect(m.cp0("EPC")).toBe(CODE);
      expect(m.cp0("Cause") & CAUSE.BD).not.toBe(0);
    }
  });

  test("an enabled exception traps with its cause, and leaves destination and flags alone", () => {
    const m = withFpu(options, (a) => {
      a.loadConstant(t0, IEEE.divisionByZero << FCSR.ENABLES_SHIFT);
      a.ctc1(t0, FCR.FCSR);
      constant(a, 2, 0x3f80_0000);
      constant(a, 4, 0);
      constant(a, 6, 0x1234_5678);
      a["div.s"](6, 2, 4);
    });
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.excCode).toBe(EXC_CODE.FPE);
    const { fpu } = m.machine.cpu;
    expect(fpu!.fcsr).toBe(
      (IEEE.divisionByZero << FCSR.ENABLES_SHIFT) | (IEEE.divisionByZero << FCSR.CAUSES_SHIFT),
    );
    expect(fpu!.word(6)).toBe(0x1234_5678);
  });

  test("CTC1 of a cause with its enable traps, and of unimplemented operation always", () => {
    for (const value of [
      (IEEE.overflow << FCSR.CAUSES_SHIFT) | (IEEE.overflow << FCSR.ENABLES_SHIFT),
      IEEE.unimplemented << FCSR.CAUSES_SHIFT,
    ]) {
      const m = withFpu(options, (a) => {
        a.loadConstant(t0, value);
        a.ctc1(t0, FCR.FCSR);
      });
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(EXC_CODE.FPE);
      expect(m.machine.cpu.fpu!.fcsr).toBe(value);
    }
  });

  test.each(["little", "big"] as const)("moves doubles to and from memory, %s endian", (endian) => {
    for (const status of [STATUS.CU1, STATUS.CU1 | STATUS.FR]) {
      const m = withFpu(
        { ...options, endian },
        (a) => {
          a.loadConstant(a0, DATA);
          a.ldc1(6, 0, a0);
          a.mfc1(t0, 6);
          a.mfhc1(t1, 6);
          a.sdc1(6, 8, a0);
          a.swc1(6, 16, a0);
          a.lwc1(8, 4, a0);
          a.mfc1(t2, 8);
        },
        status,
      );
      const { memory, cpu } = m.machine;
      memory.write32(0x2_0000, 0x1111_1111);
      memory.write32(0x2_0004, 0x2222_2222);
      expect(m.run()).toBe(DONE);
      const [first, second] = [0x1111_1111, 0x2222_2222];
      const [upper, lower] = endian === "big" ? [first, second] : [second, first];
      expect([m.gpr(t0), m.gpr(t1), m.gpr(t2)]).toEqual([lower, upper, second]);
      expect([memory.read32(0x2_0008), memory.read32(0x2_000c)]).toEqual([first, second]);
      expect(memory.read32(0x2_0010)).toBe(lower);
      // With FR = 0 the upper half is the register behind.
      expect(cpu.fpu!.word(7)).toBe((status & STATUS.FR) === 0 ? upper : 0);
    }
  });

  test("an unaligned double is an address error", () => {
    for (const store of [false, true]) {
      const m = withFpu(options, (a) => {
        a.loadConstant(a0, DATA);
        if (store) a.sdc1(2, 4, a0);
        else a.ldc1(2, 4, a0);
      });
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(store ? EXC_CODE.AdES : EXC_CODE.AdEL);
      expect(m.cp0("BadVAddr")).toBe(DATA + 4);
    }
  });

  test("a double stored to code is executed", () => {
    const m = withFpu(options, (a) => {
      a.loadConstant(t2, 3);
      const loop = a.bind("loop");
      const patched = a.label("patched");
      a.loadAddress(a0, patched);
      a.sdc1(4, 0, a0);
      for (let n = 0; a.address % 8 !== 0; n++) a.nop();
      a.bind(patched);
      a.addiu(v0, v0, 1);
      a.addiu(v0, v0, 1);
      a.addiu(t2, t2, -1);
      a.bnez(t2, loop);
      a.nop();
    });
    m.machine.cpu.gpr[v0] = 0;
    const { fpu } = m.machine.cpu;
    // ADDIU v0, v0, 16 twice.
    fpu!.setWord(4, 0x2442_0010);
    fpu!.setWord(5, 0x2442_0010);
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(96);
  });

  test("ABS and NEG are arithmetic with ABS2008 = 0: a NaN is invalid", () => {
    const signs = (a: Assembler): void => {
      constant(a, 2, 0xffbf_0000);
      a["neg.s"](4, 2);
      a["abs.s"](6, 2);
    };
    const old = withFpu(options, signs);
    expect(old.run()).toBe(DONE);
    const { fpu } = old.machine.cpu;
    expect([fpu!.word(4), fpu!.word(6)]).toEqual([0x7fbf_ffff, 0x7fbf_ffff]);
    expect(fpu!.fcsr).toBe((IEEE.invalid << FCSR.CAUSES_SHIFT) | (IEEE.invalid << FCSR.FLAGS_SHIFT));
    const later = withFpu({ ...options, model: "P5600" }, signs);
    expect(later.run()).toBe(DONE);
    const other = later.machine.cpu.fpu!;
    expect([other.word(4), other.word(6)]).toEqual([0x7fbf_0000, 0x7fbf_0000]);
    expect(other.fcsr).toBe(FCSR.NAN2008 | FCSR.ABS2008);
  });
});

test("Status.CU1 counts in user mode as well", () => {
  const m = withFpu({}, (a) => {
    a.mtc0(zero, ...cp0Operands(CP0.Cause));
  });
  m.setCp0("Status", STATUS.CU1 | STATUS.UM | STATUS.EXL);
  expect(m.machine.cpu.fpuUsable).toBe(true);
});

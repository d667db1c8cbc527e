import { describe, expect, test } from "vitest";
import { createInterpreter, createTranslator } from "../engine/index.ts";
import { CAUSE, CONFIG, CP0, cp0Operands, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { FCR, FCSR, IEEE } from "../isa/fpu.ts";
import { GPR } from "../isa/registers.ts";
import type { Endian } from "../machine/memory.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { HostFeatureError, OneRegError } from "./errors.ts";
import { TestGuest, type TestGuestOptions } from "./testing.ts";
import { AUX } from "./trace.ts";

const { t0, t1, t2, v0, v1, zero } = GPR;
const CODE = 0x4000_1000;
const HOSTS = ["24Kf", "34Kf", "P5600"] as const;
const ONE = 0x3f80_0000;

interface Aux {
  readonly op: number;
  readonly state: number;
}

/** A guest with an FPU, and what happened to that. */
function withFpu(options: TestGuestOptions = {}): { guest: TestGuest; aux: Aux[] } {
  const aux: Aux[] = [];
  const tracer = { kvm_aux: (_pc: number, op: number, state: number) => aux.push({ op, state }) };
  const guest = new TestGuest(createInterpreter, { model: "24Kf", fpu: true, tracer, ...options });
  guest.trapExceptions();
  return { guest, aux };
}

const setStatus = (a: Assembler, value: number): void => {
  a.loadConstant(t0, value);
  a.mtc0(t0, ...cp0Operands(CP0.Status));
  a.ehb();
};

/** Runs code that ends in WAIT, on vcpu `vcpu`. */
function run(guest: TestGuest, emit: (a: Assembler) => void, vcpu = guest.vcpu, at = CODE): void {
  guest.assemble(at, (a) => {
    emit(a);
    a.wait();
  });
  vcpu.regs.pc = at;
  vcpu.waiting = false;
  expect(vcpu.run(100_000).reason).toBe("irq-window-open");
}

/** Puts a word into an FPU register. */
const constant = (a: Assembler, register: number, value: number): void => {
  a.loadConstant(t0, value);
  a.mtc1(t0, register);
};

const excCode = (guest: TestGuest): number => (guest.vcpu.cp0[CP0.Cause]! & CAUSE.ExcCode) >>> 2;
const ops = (aux: readonly Aux[]): number[] => aux.map(({ op }) => op);

describe("a guest that may have no FPU", () => {
  test("is told so, cannot turn one on, and gets Coprocessor Unusable, on a host with one too", () => {
    for (const model of HOSTS) {
      const guest = new TestGuest(createInterpreter, { model });
      guest.trapExceptions();
      expect(guest.vcpu.cp0[CP0.Config1]! & CONFIG.C1_FP).toBe(0);
      run(guest, (a) => {
        setStatus(a, STATUS.CU1 | STATUS.FR);
        a.mfc0(v0, ...cp0Operands(CP0.Status));
      });
      expect(guest.vcpu.regs.gpr[v0]! & (STATUS.CU1 | STATUS.FR)).toBe(0);
      guest.assemble(CODE, (a) => a["add.s"](0, 1, 2));
      guest.start(CODE, STATUS.CU1);
      guest.vcpu.waiting = false;
      expect(guest.runToTrap()).toBe(0x180);
      expect(excCode(guest)).toBe(EXC_CODE.CpU);
      expect((guest.vcpu.cp0[CP0.Cause]! & CAUSE.CE) >>> CAUSE.CE_SHIFT).toBe(1);
    }
  });

  test("is all that there is on a host without one", () => {
    expect(() => new TestGuest(createInterpreter, { model: "24Kc", fpu: true })).toThrow(HostFeatureError);
  });
});

describe.each(HOSTS)("a guest with the FPU of the %s", (model) => {
  test("is told so, and gets it when it uses it first", () => {
    const { guest, aux } = withFpu({ model });
    const { vcpu, machine } = guest;
    expect(vcpu.cp0[CP0.Config1]! & CONFIG.C1_FP).not.toBe(0);
    const start = machine.timeline.now();
    run(guest, (a) => {
      setStatus(a, STATUS.CU1);
      constant(a, 2, ONE);
      a["add.s"](4, 2, 2);
      a.mfc1(v0, 4);
      a.cfc1(v1, FCR.FIR);
    });
    expect(vcpu.regs.gpr[v0]).toBe(0x4000_0000);
    expect(vcpu.regs.gpr[v1]).toBe(machine.config.model.fpu!.fir);
    expect(aux).toEqual([{ op: AUX.restore, state: AUX.fpu }]);
    // LUI, MTC0, EHB, LUI, MTC1, ADD.S, MFC1, CFC1, WAIT: the exit for the FPU takes no time.
    expect(machine.timeline.now() - start).toBe(9);
    // Where no guest is, it is off.
    guest.kvm.putAll();
    expect(machine.cpu.cp0[CP0.Status]! & (STATUS.CU1 | STATUS.FR)).toBe(0);
  });

  test("takes an exception without CU1, and its time is that of the machine itself", () => {
    const { guest } = withFpu({ model });
    guest.assemble(CODE, (a) => a.lwc1(0, 0, zero));
    guest.start(CODE);
    expect(guest.runToTrap()).toBe(0x180);
    expect(excCode(guest)).toBe(EXC_CODE.CpU);
    expect(guest.vcpu.cp0[CP0.EPC]! >>> 0).toBe(CODE);
  });

  test("keeps its registers while another vcpu has the FPU: saved in put", () => {
    const { guest, aux } = withFpu({ model });
    const other = guest.vm.createVcpu(1);
    const turn = (vcpu: typeof other, at: number, value: number): void =>
      run(
        guest,
        (a) => {
          setStatus(a, STATUS.CU1 | STATUS.FR);
          for (let n = 0; n < 32; n++) {
            a.loadConstant(t0, value + n);
            a.mtc1(t0, n);
            a.loadConstant(t0, ~(value + n));
            a.mthc1(t0, n);
          }
          a.loadConstant(t0, value & FCSR.FLAGS);
          a.ctc1(t0, FCR.FCSR);
        },
        vcpu,
        at,
      );
    turn(guest.vcpu, CODE, 0x1000_0010);
    turn(other, 0x4000_2000, 0x2000_0020);
    expect(ops(aux)).toEqual([AUX.restore, AUX.save, AUX.restore]);
    expect(guest.vcpu.fpu!.isLive).toBe(false);
    expect(other.fpu!.isLive).toBe(true);
    for (const [vcpu, value] of [
      [guest.vcpu, 0x1000_0010],
      [other, 0x2000_0020],
    ] as const) {
      run(
        guest,
        (a) => {
          a.cfc1(v0, FCR.FCSR);
          // The sum of all words, and of all upper halves.
          a.move(v1, zero);
          a.move(t2, zero);
          for (let n = 0; n < 32; n++) {
            a.mfc1(t0, n);
            a.addu(v1, v1, t0);
            a.mfhc1(t1, n);
            a.addu(t2, t2, t1);
          }
        },
        vcpu,
        0x4000_3000,
      );
      const sum = (32 * value + (31 * 32) / 2) | 0;
      expect(vcpu.regs.gpr[v1]).toBe(sum);
      expect(vcpu.regs.gpr[t2]).toBe((-32 - sum) | 0);
      expect(vcpu.regs.gpr[v0]! & FCSR.FLAGS).toBe(value & FCSR.FLAGS);
    }
  });

  test("gets the exceptions that it enables, and restoring its FCSR does not trap the host", () => {
    const { guest } = withFpu({ model });
    const { vcpu } = guest;
    guest.assemble(CODE, (a) => {
      setStatus(a, STATUS.CU1);
      a.loadConstant(t0, IEEE.divisionByZero << FCSR.ENABLES_SHIFT);
      a.ctc1(t0, FCR.FCSR);
      constant(a, 2, ONE);
      constant(a, 4, 0);
      a["div.s"](6, 2, 4);
    });
    guest.start(CODE);
    expect(guest.runToTrap()).toBe(0x180);
    expect(excCode(guest)).toBe(EXC_CODE.FPE);
    expect(vcpu.stats.counters.fpe).toBe(1);
    const expected = (IEEE.divisionByZero << FCSR.ENABLES_SHIFT) | (IEEE.divisionByZero << FCSR.CAUSES_SHIFT);
    expect(vcpu.fpu!.fcsr).toBe(expected);
    // The guest's handler looks at it: cause and enable are still there, and each exit restores them.
    run(guest, (a) => {
      setStatus(a, STATUS.CU1);
      for (let n = 0; n < 3; n++) a.mfc0(t1, ...cp0Operands(CP0.Random));
      a.cfc1(v0, FCR.FCSR);
      a.ctc1(zero, FCR.FCSR);
    });
    expect(vcpu.regs.gpr[v0]).toBe(expected);
    expect(vcpu.fpu!.fcsr).toBe(0);
  });

  test("loses it while it has it turned off, and finds it as it was", () => {
    const { guest, aux } = withFpu({ model });
    guest.assemble(0x4000_0180, (a) => {
      // Behind the instruction.
      a.mfc0(GPR.k0, ...cp0Operands(CP0.EPC));
      a.addiu(GPR.k0, GPR.k0, 4);
      a.mtc0(GPR.k0, ...cp0Operands(CP0.EPC));
      a.eret();
    });
    run(guest, (a) => {
      setStatus(a, STATUS.CU1);
      constant(a, 3, 0x1234_5678);
      setStatus(a, 0);
      a.loadConstant(v0, 7);
      a.mfc1(v0, 3);
      setStatus(a, STATUS.CU1 | STATUS.FR);
      a.mfc1(v1, 3);
    });
    expect([guest.vcpu.regs.gpr[v0], guest.vcpu.regs.gpr[v1]]).toEqual([7, 0x1234_5678]);
    expect(ops(aux)).toContain(AUX.disable);
    expect(ops(aux)).not.toContain(AUX.save);
  });
});

test("the delay slot of a branch of the FPU may exit", () => {
  const { guest } = withFpu();
  for (const taken of [false, true]) {
    run(guest, (a) => {
      const to = a.label();
      setStatus(a, STATUS.CU1);
      a.loadConstant(t0, taken ? 1 : 0);
      a.ctc1(t0, FCR.FCCR);
      a.loadConstant(v0, 0);
      a.bc1t(0, to);
      a.mfc0(t1, ...cp0Operands(CP0.Random));
      a.addiu(v0, v0, 1);
      a.bind(to);
    });
    expect(guest.vcpu.regs.gpr[v0]).toBe(taken ? 0 : 1);
  }
});

describe.each<Endian>(["little", "big"])("an FPU access to a device, %s endian", (endian) => {
  const DEVICE = 0x1800_0040;
  const WORD = 0x1122_3344;
  const AT_LOWER = 0x5566_7788;
  const AT_HIGHER = 0x99aa_bbcc;
  /** Halves of a double whose words are AT_LOWER and AT_HIGHER, in this order. */
  const [upper, lower] = endian === "big" ? [AT_LOWER, AT_HIGHER] : [AT_HIGHER, AT_LOWER];

  /** Runs `access`, with t0 at the device, t1 = 8 and $f4 (upper, lower). Each load gets what `values` has next. */
  function runAt(access: (a: Assembler) => void, values: number[] = []): { guest: TestGuest; log: string[] } {
    const { guest } = withFpu({ endian });
    guest.assemble(CODE, (a) => {
      setStatus(a, STATUS.CU1);
      constant(a, 4, lower);
      constant(a, 5, upper);
      a.lui(t0, 0xb800);
      a.addiu(t0, t0, 0x40);
      a.addiu(t1, zero, 8);
      access(a);
      a.mfc1(v0, 4);
      a.mfc1(v1, 5);
      a.wait();
    });
    guest.start(CODE);
    const log: string[] = [];
    for (;;) {
      const exit = guest.run();
      if (exit.reason === "irq-window-open") return { guest, log };
      if (exit.reason !== "mmio") throw new Error(JSON.stringify(exit));
      const { physAddr, len, isWrite, data } = exit;
      log.push(`${isWrite ? "w" : "r"}${len}@${physAddr - DEVICE}${isWrite ? ` ${data.toString(16)}` : ""}`);
      if (!isWrite) exit.data = values.shift()!;
    }
  }
  const f4 = ({ vcpu }: TestGuest): number[] => [vcpu.regs.gpr[v1]! >>> 0, vcpu.regs.gpr[v0]! >>> 0];

  test("loads a word into the register that is named, and into no other", () => {
    for (const [access, at] of [
      [(a: Assembler) => a.lwc1(4, 4, t0), 4],
      [(a: Assembler) => a.lwxc1(4, t1, t0), 8],
    ] as const) {
      const { guest, log } = runAt(access, [WORD]);
      expect(log).toEqual([`r4@${at}`]);
      expect(f4(guest)).toEqual([upper, WORD]);
      expect(guest.vcpu.regs.gpr[t1]).toBe(8);
    }
  });

  test("stores a word", () => {
    expect(runAt((a) => a.swc1(4, 4, t0)).log).toEqual([`w4@4 ${lower.toString(16)}`]);
    expect(runAt((a) => a.swxc1(5, t1, t0)).log).toEqual([`w4@8 ${upper.toString(16)}`]);
  });

  test("loads a double, the word at the lower address first", () => {
    for (const [access, at] of [
      [(a: Assembler) => a.ldc1(4, 16, t0), 16],
      [(a: Assembler) => a.ldxc1(4, t1, t0), 8],
    ] as const) {
      const { guest, log } = runAt(
        (a) => (a.mtc1(zero, 4), a.mtc1(zero, 5), access(a)),
        [AT_LOWER, AT_HIGHER],
      );
      expect(log).toEqual([`r4@${at}`, `r4@${at + 4}`]);
      expect(f4(guest)).toEqual([upper, lower]);
    }
  });

  test("stores a double", () => {
    const words = [AT_LOWER, AT_HIGHER].map((word) => word.toString(16));
    expect(runAt((a) => a.sdc1(4, 0, t0)).log).toEqual([`w4@0 ${words[0]}`, `w4@4 ${words[1]}`]);
    expect(runAt((a) => a.sdxc1(4, t1, t0)).log).toEqual([`w4@8 ${words[0]}`, `w4@12 ${words[1]}`]);
  });

  test("that is not aligned raises an address error", () => {
    const { guest } = withFpu({ endian });
    guest.assemble(CODE, (a) => {
      setStatus(a, STATUS.CU1);
      a.lui(t0, 0xb800);
      a.ldc1(4, 4, t0);
    });
    guest.start(CODE);
    expect(guest.runToTrap()).toBe(0x180);
    expect(excCode(guest)).toBe(EXC_CODE.AdEL);
    expect(guest.vcpu.cp0[CP0.BadVAddr]! >>> 0).toBe(0xb800_0004);
  });

  test("takes the time that it takes a general register", () => {
    const time = (access: (a: Assembler) => void, ...values: number[]): number =>
      runAt(access, values).guest.machine.timeline.now();
    const expected = time((a) => a.lw(t2, 0, t0), 1);
    expect(time((a) => a.lwc1(6, 0, t0), 1)).toBe(expected);
    expect(time((a) => a.ldc1(6, 0, t0), 1, 2)).toBe(expected);
    expect(time((a) => a.sdc1(6, 0, t0))).toBe(expected);
  });
});

test("fast exits change nothing: time, registers and who has the FPU", () => {
  const outcome = (options: TestGuestOptions): unknown => {
    const { guest } = withFpu(options);
    run(guest, (a) => {
      setStatus(a, STATUS.CU1);
      constant(a, 2, ONE);
      a.loadConstant(t2, 50);
      const loop = a.bind("loop");
      a["add.s"](4, 4, 2);
      a.di(t1);
      a.ei(t1);
      a.addiu(t2, t2, -1);
      a.bnez(t2, loop);
      a.nop();
      a.mfc1(v0, 4);
      setStatus(a, 0);
      a.mfc0(v1, ...cp0Operands(CP0.Status));
    });
    return [Array.from(guest.vcpu.regs.gpr), guest.machine.timeline.now(), guest.vcpu.fpu!.fcsr];
  };
  const plain = outcome({ fastExits: false });
  expect(outcome({ fastExits: true })).toEqual(plain);
  const translated = new TestGuest(createTranslator, { model: "24Kf", fpu: true });
  expect(translated.vcpu.fpu).not.toBe(null);
});

describe("ONE_REG", () => {
  const id = (size: 2 | 3, number: number): bigint =>
    0x7000_0000_0000_0000n | (BigInt(size) << 52n) | (3n << 16n) | BigInt(number);
  const fir = id(2, 0x100);
  const fcsr = id(2, 0x11f);

  test("lists 66 registers of the FPU behind the general ones, and reads them while the guest has it", () => {
    const { guest } = withFpu();
    const { vcpu } = guest;
    const list = vcpu.getRegList();
    expect(list.length).toBe(35 + 66 + 32 + 3);
    expect(new Set(list).size).toBe(list.length);
    expect(list.slice(35, 39)).toEqual([fir, fcsr, id(2, 0), id(3, 0)]);
    run(guest, (a) => {
      setStatus(a, STATUS.CU1);
      constant(a, 6, 0x1111_1111);
      constant(a, 7, 0x2222_2222);
    });
    expect(vcpu.getOneReg(id(3, 6))).toBe(0x2222_2222_1111_1111n);
    // With FR = 0 an odd register is the upper half of the double before it.
    expect(vcpu.getOneReg(id(2, 7))).toBe(0x2222_2222n);
    expect(() => vcpu.getOneReg(id(3, 7))).toThrow(OneRegError);
    expect(vcpu.getOneReg(fir)).toBe(0x0073_9300n);
  });

  test("writes them, but for FIR and bits of FCSR that do not exist", () => {
    const { guest } = withFpu();
    const { vcpu } = guest;
    vcpu.cp0[CP0.Status] = STATUS.FR | STATUS.CU1;
    vcpu.setOneReg(id(3, 9), 0x8000_0001_0000_0002n);
    vcpu.setOneReg(fir, 0n);
    vcpu.setOneReg(fcsr, 0xffff_ffffn);
    expect(vcpu.getOneReg(fir)).toBe(0x0073_9300n);
    expect(vcpu.getOneReg(fcsr)).toBe(BigInt.asUintN(64, BigInt(~0x7c_0000)));
    vcpu.setOneReg(fcsr, BigInt(FCSR.FS));
    run(guest, (a) => {
      a.mfc1(v0, 9);
      a.mfhc1(v1, 9);
      a.cfc1(t1, FCR.FCSR);
    });
    expect([vcpu.regs.gpr[v0], vcpu.regs.gpr[v1]]).toEqual([2, -0x7fff_ffff]);
    expect(vcpu.regs.gpr[t1]).toBe(FCSR.FS);
  });

  test("has none of them for a guest without, and takes the FPU away with Config1.FP", () => {
    const plain = new TestGuest(createInterpreter, { model: "24Kf" }).vcpu;
    expect(plain.getRegList().length).toBe(35 + 32 + 3);
    expect(() => plain.getOneReg(fcsr)).toThrow(OneRegError);
    const { guest } = withFpu();
    const config1 = 0x7020_0000_0001_0081n;
    const announced = guest.vcpu.getOneReg(config1);
    guest.vcpu.setOneReg(config1, announced & ~1n);
    expect(() => guest.vcpu.getOneReg(fcsr)).toThrow(OneRegError);
    guest.assemble(CODE, (a) => {
      setStatus(a, STATUS.CU1);
      a.mfc1(v0, 0);
    });
    guest.start(CODE);
    expect(guest.runToTrap()).toBe(0x180);
    expect(excCode(guest)).toBe(EXC_CODE.CpU);
    guest.vcpu.setOneReg(config1, announced);
    expect(guest.vcpu.getOneReg(config1)).toBe(announced);
  });
});

test("a vcpu takes its FPU along to another host CPU", () => {
  const { guest, aux } = withFpu({ cpus: 2 });
  const { vcpu } = guest;
  run(guest, (a) => {
    setStatus(a, STATUS.CU1);
    constant(a, 2, ONE);
  });
  guest.assemble(CODE, (a) => {
    a.mfc1(v0, 2);
    a.wait();
  });
  vcpu.regs.pc = CODE;
  vcpu.waiting = false;
  expect(vcpu.run(1000, 1).reason).toBe("irq-window-open");
  expect(vcpu.regs.gpr[v0]).toBe(ONE);
  expect(ops(aux)).toEqual([AUX.restore, AUX.save, AUX.restore]);
});

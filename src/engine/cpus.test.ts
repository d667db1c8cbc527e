import { describe, expect, test } from "vitest";
import { CAUSE, CP0, cp0Operands, STATUS } from "../isa/cp0.ts";
import { encode } from "../isa/encode.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import { CpuSwitchError, MAX_CPUS, type EngineFactory } from "../machine/machine.ts";
import { createInterpreter } from "./index.ts";
import { InterpreterEngine } from "./interpreter-engine.ts";
import { CODE, TestMachine } from "./testing.ts";
import { DEFAULT_POLICY } from "./translator/translations.ts";

const { v0, a0, t0, t1 } = GPR;
const VA = 0x40_0000;
const DATA = 0x8002_0000;
const FRAME = 0x2_0000;
const [IP2, IP7] = [1 << 10, 1 << 15];

/** Translates whatever is executed a few times. */
const EAGER: EngineFactory = (machine) =>
  new InterpreterEngine(machine, { ...DEFAULT_POLICY, sampleEvery: 16, hot: 1 });

const ENGINES: readonly [string, EngineFactory][] = [
  ["interpreter", createInterpreter],
  ["translator", EAGER],
];

describe.each(ENGINES)("a machine of two CPUs, %s", (_name, engine) => {
  const twoCpus = (model = "24Kc"): TestMachine => new TestMachine({ cpus: 2, engine, model });

  test("each has its own registers, CP0 and place in the same code", () => {
    const m = twoCpus();
    m.code((a) => {
      a.mfc0(t0, ...cp0Operands(CP0.EBase));
      a.andi(t0, t0, 0x3ff);
      a.addiu(t1, t0, 10);
      a.mthi(t1);
      a.mtc0(t1, ...cp0Operands(CP0.ErrorEPC));
      a.sdbbp(1);
      a.mfc0(v0, ...cp0Operands(CP0.ErrorEPC));
      a.mfhi(t0);
      a.addu(v0, v0, t0);
      a.sdbbp(2);
    });
    for (const code of [1, 2])
      for (const number of [0, 1]) {
        m.machine.executeOn(number);
        expect(m.machine.cpu.number).toBe(number);
        expect(m.run()).toBe(code);
      }
    // Registers can be reached wherever they are.
    expect(m.machine.cpus.map((cpu) => cpu.gpr[v0])).toEqual([20, 22]);
    expect(m.machine.cpus.map((cpu) => cpu.hi)).toEqual([10, 11]);
    expect(m.machine.cpus.map((cpu) => cpu.instructions)).toEqual([10, 10]);
    expect(m.machine.instructions).toBe(20);
  });

  test("each has its own TLB and sees through that only, in the same ASID", () => {
    const m = twoCpus();
    m.code((a) => {
      a.loadConstant(t0, VA);
      a.lw(v0, 0, t0);
      a.sdbbp(1);
      a.b(CODE);
      a.nop();
    });
    for (const number of [0, 1]) {
      m.machine.executeOn(number);
      m.map(0, VA, 0, FRAME + number * 0x1000, FRAME);
      m.machine.write32(FRAME + number * 0x1000, 100 + number);
    }
    for (let round = 0; round < 40; round++)
      for (const number of [0, 1]) {
        m.machine.executeOn(number);
        expect(m.run()).toBe(1);
        expect(m.gpr(v0)).toBe(100 + number);
      }
    // A change on one CPU leaves the other's entry.
    m.map(0, VA, 0, FRAME, FRAME);
    expect(m.run()).toBe(1);
    expect(m.gpr(v0)).toBe(100);
    m.machine.executeOn(0);
    m.map(0, VA, 0, FRAME + 0x1000, FRAME);
    expect(m.run()).toBe(1);
    expect(m.gpr(v0)).toBe(101);
    m.machine.executeOn(1);
    expect(m.run()).toBe(1);
    expect(m.gpr(v0)).toBe(100);
  });

  test("one stores to code that the other has executed, decoded and translated", () => {
    const m = twoCpus();
    const routine = 0x8003_0000;
    m.load(routine, (a) => {
      a.loadConstant(t1, 200);
      const loop = a.bind();
      a.addiu(v0, v0, 1);
      a.addiu(t1, t1, -1);
      a.bnez(t1, loop);
      a.nop();
      a.sdbbp(3);
    });
    // Has the page in its soft TLB for stores before there is code in it.
    m.code((a) => {
      a.loadConstant(t0, routine);
      a.sw(0, 0x800, t0);
      a.sdbbp(1);
      a.sw(t1, 4, t0);
      a.sdbbp(2);
      a.sw(t1, 4, t0);
      a.sdbbp(4);
    });
    const { machine } = m;
    const count = (): number => {
      machine.executeOn(1);
      machine.cpu.setPc(routine);
      machine.cpu.gpr[v0] = 0;
      expect(m.run()).toBe(3);
      return m.gpr(v0);
    };
    expect(m.run()).toBe(1);
    // The constant fits one word: the loop starts at the second.
    for (const [step, add] of [
      [2, 3],
      [4, 5],
    ] as const) {
      expect(count()).toBe(step === 2 ? 200 : 600);
      machine.executeOn(0);
      machine.cpu.gpr[t1] = encode("addiu", { rt: v0, rs: v0, imm: add });
      expect(m.run()).toBe(step);
    }
    expect(count()).toBe(1000);
  });

  describe("SC after the other CPU", () => {
    const OTHER = 0x8003_0000;
    const between: readonly [what: string, succeeds: boolean, act: (m: TestMachine) => void][] = [
      ["executed something else", true, (m) => onOther(m, 0, false)],
      ["stored to the word", false, (m) => onOther(m, 0, true)],
      ["stored to the line", false, (m) => onOther(m, 28, true)],
      ["stored behind the line", true, (m) => onOther(m, 32, true)],
      ["stored before the line", true, (m) => onOther(m, -4, true)],
      ["linked and stored by SC", false, (m) => onOther(m, 4, true, true)],
      ["saw the embedder store", false, (m) => meanwhile(m, () => m.machine.write32(FRAME + 0x400, 5))],
      [
        "saw the embedder store much",
        false,
        (m) => meanwhile(m, () => m.machine.writeBytes(FRAME + 0x300, new Uint8Array(0x200))),
      ],
    ];

    function meanwhile(m: TestMachine, act: () => void): void {
      m.machine.executeOn(1);
      act();
      m.machine.executeOn(0);
    }

    /** Has the other CPU load from the page, or store at `offset` from the linked word. */
    function onOther(m: TestMachine, offset: number, store: boolean, conditional = false): void {
      const { machine } = m;
      machine.executeOn(1);
      machine.cpu.setPc(OTHER);
      machine.cpu.gpr[t0] = DATA + 0x400 + offset;
      machine.cpu.gpr[t1] = store ? (conditional ? 2 : 1) : 0;
      expect(m.run()).toBe(2);
      machine.executeOn(0);
    }

    test.each(between)("%s: succeeds: %s", (_what, succeeds, act) => {
      const m = twoCpus();
      m.code((a) => {
        a.loadConstant(t0, DATA + 0x400);
        a.ll(v0, 0, t0);
        a.sdbbp(1);
        a.sc(t1, 0, t0);
        a.sdbbp(2);
      });
      m.load(OTHER, (a) => {
        const conditional = a.label("conditional");
        const store = a.label("store");
        a.lw(v0, 0, t0);
        a.addiu(a0, t1, -1);
        a.beqz(a0, store);
        a.addiu(a0, t1, -2);
        a.beqz(a0, conditional);
        a.nop();
        a.sdbbp(2);
        a.bind(store);
        a.sw(t1, 0, t0);
        a.sdbbp(2);
        a.bind(conditional);
        a.ll(v0, 0, t0);
        a.sc(t1, 0, t0);
        a.sdbbp(2);
      });
      const { machine } = m;
      // Often enough to be translated, and the page is in the other's soft TLB for stores each time.
      for (let round = 0; round < 40; round++) {
        onOther(m, 32, true);
        machine.cpu.setPc(CODE);
        expect(m.run()).toBe(1);
        act(m);
        machine.cpu.gpr[t1] = 77;
        const word = machine.memory.read32(FRAME + 0x400);
        expect(m.run()).toBe(2);
        expect(m.gpr(t1)).toBe(succeeds ? 1 : 0);
        expect(machine.memory.read32(FRAME + 0x400)).toBe(succeeds ? 77 : word);
      }
    });
  });

  test("each has its own Count and Compare on the one timeline, and a line of its own to interrupt it", () => {
    const m = twoCpus();
    const { machine } = m;
    m.code((a) => {
      a.b(CODE);
      a.nop();
    });
    m.load(0x8000_0180, (a) => a.sdbbp(5));
    const enable = STATUS.IE | STATUS.IM;
    m.setCp0("Count", 1000);
    m.setCp0("Compare", 1500);
    m.setCp0("Status", enable);
    machine.executeOn(1);
    m.setCp0("Count", 0);
    m.setCp0("Compare", 600);
    m.setCp0("Status", enable);
    // 500 counts from now CPU 0's timer fires while CPU 1 executes.
    expect(m.run(1010)).toEqual({ kind: "budget" });
    expect(m.cp0("Count")).toBe(505);
    expect(m.cp0("Cause") & CAUSE.TI).toBe(0);
    expect(machine.cpus[0]!.cp0[CP0.Cause]! & CAUSE.TI).not.toBe(0);
    machine.executeOn(0);
    expect(m.cp0("Count")).toBe(1505);
    expect(m.run(10)).toBe(5);
    expect(m.excCode).toBe(EXC_CODE.Int);
    machine.executeOn(1);
    expect(m.run(1000)).toBe(5);
    expect(m.cp0("Count")).toBe(600);
    machine.executeOn(0);
    m.setCp0("Compare", 0);
    m.setCp0("Status", enable);
    machine.cpu.setPc(CODE);
    machine.executeOn(1);
    machine.cpus[0]!.setInterruptLine(3, true);
    expect(m.cp0("Cause") & (1 << 11)).toBe(0);
    machine.executeOn(0);
    expect(m.run(10)).toBe(5);
  });

  test("one waits while the other executes", () => {
    const m = twoCpus();
    const { machine } = m;
    m.code((a) => {
      a.wait();
      a.sdbbp(1);
    });
    m.setCp0("Status", IP2);
    expect(m.run()).toEqual({ kind: "idle", ticks: Infinity });
    machine.executeOn(1);
    m.setCp0("Count", 0);
    m.setCp0("Compare", 50);
    m.setCp0("Status", IP7);
    expect(m.run()).toBe(1);
    expect(m.cp0("Count")).toBe(50);
    machine.executeOn(0);
    expect(m.run()).toEqual({ kind: "idle", ticks: Infinity });
    machine.executeOn(1);
    machine.cpus[0]!.setInterruptLine(2, true);
    machine.executeOn(0);
    expect(m.run()).toBe(1);
  });
});

test("as many CPUs as there can be", () => {
  const m = new TestMachine({ cpus: MAX_CPUS });
  m.code((a) => {
    a.rdhwr(v0, 0);
    a.sdbbp(1);
  });
  for (const { number } of m.machine.cpus.toReversed()) {
    m.machine.executeOn(number);
    expect(m.run()).toBe(1);
  }
  expect(m.machine.cpus.map((cpu) => cpu.gpr[v0])).toEqual(Array.from({ length: MAX_CPUS }, (_, n) => n));
});

test("what cannot execute", () => {
  for (const cpus of [0, 1.5, MAX_CPUS + 1]) expect(() => new TestMachine({ cpus })).toThrow(RangeError);
  const m = new TestMachine({ cpus: 2 });
  expect(() => m.machine.executeOn(2)).toThrow(CpuSwitchError);
  // A device asks for it in the middle of a load.
  const device = { read: () => (m.machine.executeOn(1), 0), write() {} };
  m.machine.bus.add({ name: "switch", base: 0x1000_0000, size: 4, device });
  m.code((a) => {
    a.loadConstant(t0, 0xb000_0000);
    a.lw(t0, 0, t0);
  });
  expect(() => m.run()).toThrow(CpuSwitchError);
  m.machine.executeOn(1);
  expect(m.machine.cpu.number).toBe(1);
});

import { describe, expect, test } from "vitest";
import { CODE, TestMachine, UNEXPECTED } from "../engine/testing.ts";
import { CAUSE, CP0, cp0Operands, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";

const { v0, v1, a0, t0 } = GPR;
const IM7 = 0x8000;

describe("Count and Compare", () => {
  test("Count advances every second instruction", () => {
    const m = new TestMachine().code((a) => {
      for (let register = 2; register < 12; register++) a.mfc0(register, ...cp0Operands(CP0.Count));
      a.sdbbp(1);
    });
    expect(m.run()).toBe(1);
    const values = Array.from({ length: 10 }, (_, n) => m.gpr(2 + n));
    const first = values[0]!;
    expect(values.slice(1).map((value, n) => value - first - Math.floor((n + 1) / 2))).toEqual(
      new Array<number>(9).fill(values[1] === first ? 0 : 1).map((odd, n) => (n % 2 === 0 ? odd : 0)),
    );
  });

  test("the interrupt comes before the instruction at which Count reaches Compare, and no other", () => {
    for (const distance of [1, 2, 3, 50, 51, 1000]) {
      const m = new TestMachine().code((a) => {
        const again = a.bind();
        a.b(again);
        a.addiu(v0, v0, 1);
      });
      m.setCp0("Count", 0);
      m.setCp0("Compare", distance);
      m.setCp0("Status", STATUS.IE | IM7);
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(EXC_CODE.Int);
      expect(m.cp0("Cause") & (CAUSE.TI | 0x8000)).toBe(CAUSE.TI | 0x8000);
      // Two instructions a count, and the SDBBP of the vector.
      expect(m.machine.instructions).toBe(distance * 2 + 1);
      m.setCp0("Compare", 0xffff_ffff);
      expect(m.cp0("Cause") & (CAUSE.TI | 0x8000)).toBe(0);
    }
  });

  test("around the end of 32 bits, and not at once when both are equal", () => {
    const m = new TestMachine().code((a) => {
      const again = a.bind();
      a.b(again);
      a.nop();
    });
    m.setCp0("Count", 0xffff_fff0);
    m.setCp0("Compare", 0x10);
    m.setCp0("Status", STATUS.IE | IM7);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.machine.instructions).toBe(0x20 * 2 + 1);
    const equal = new TestMachine().code((a) => {
      const again = a.bind();
      a.b(again);
      a.nop();
    });
    equal.setCp0("Count", 5);
    equal.setCp0("Compare", 5);
    equal.setCp0("Status", STATUS.IE | IM7);
    expect(equal.run(10_000)).toEqual({ kind: "budget" });
  });

  test("Cause.DC stops Count", () => {
    const m = new TestMachine().code((a) => {
      a.mfc0(v0, ...cp0Operands(CP0.Count));
      for (let n = 0; n < 20; n++) a.nop();
      a.mfc0(v1, ...cp0Operands(CP0.Count));
      a.mtc0(0, ...cp0Operands(CP0.Cause));
      for (let n = 0; n < 20; n++) a.nop();
      a.mfc0(a0, ...cp0Operands(CP0.Count));
      a.sdbbp(1);
    });
    m.setCp0("Cause", CAUSE.DC);
    m.setCp0("Count", 1234);
    expect(m.run()).toBe(1);
    expect([m.gpr(v0), m.gpr(v1)]).toEqual([1234, 1234]);
    expect(m.gpr(a0)).toBe(1234 + 10);
  });

  test("an interrupt in front of a delay slot: EPC is the branch, and it is executed again", () => {
    const m = new TestMachine().code((a) => {
      const again = a.bind();
      a.b(again);
      a.addiu(v0, v0, 1);
    });
    m.run(1);
    expect(m.machine.cpu.inDelaySlot).toBe(true);
    m.setCp0("Status", STATUS.IE | 0x400);
    m.machine.cpu.setInterruptLine(2, true);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.cp0("EPC")).toBe(CODE);
    expect(m.cp0("Cause") & CAUSE.BD).toBe(CAUSE.BD | 0);
    expect(m.gpr(v0)).toBe(0);
  });
});

describe("an exception in a delay slot", () => {
  const time = (slot: (a: Assembler) => void, status: number): number => {
    const m = new TestMachine({ model: "24Kf" }).code((a) => {
      const to = a.label();
      a.b(to);
      slot(a);
      a.bind(to);
    });
    m.setCp0("Status", status);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.cp0("Cause") < 2 ** 31).toBe(false);
    return m.machine.timeline.now();
  };

  test.each([0, STATUS.ERL])(
    "takes the branch along only if both are executed again (Status %i)",
    (status) => {
      // Each time the SDBBP of the vector comes on top.
      for (const slot of [
        (a: Assembler) => a.syscall(),
        (a: Assembler) => a.break(),
        (a: Assembler) => a.teq(0, 0),
        (a: Assembler) => a.mfc1(v0, 0),
      ])
        expect(time(slot, status)).toBe(3);
      expect(time((a) => a.lw(v0, 2, 0), status)).toBe(2);
    },
  );
});

describe("WAIT", () => {
  test("skips to the next timer in virtual time, and goes on behind it even with interrupts disabled", () => {
    for (const enabled of [true, false]) {
      const m = new TestMachine().code((a) => {
        a.wait();
        a.sdbbp(1);
      });
      m.setCp0("Count", 0);
      m.setCp0("Compare", 5000);
      m.setCp0("Status", IM7 | (enabled ? STATUS.IE : 0));
      expect(m.run()).toBe(enabled ? UNEXPECTED : 1);
      expect(m.machine.timeline.now()).toBeGreaterThanOrEqual(10_000);
      expect(m.machine.instructions).toBe(2);
      if (enabled) expect(m.cp0("EPC")).toBe(CODE + 4);
    }
  });

  test("a masked interrupt does not end it; if nothing else can, that is said", () => {
    const m = new TestMachine().code((a) => {
      a.wait();
      a.sdbbp(1);
    });
    const { timeline } = m.machine;
    timeline.register("device", () => {});
    m.setCp0("Compare", 100);
    // The timer is masked, a device's line is not: only the device's own timer makes time pass.
    m.setCp0("Status", STATUS.IE | 0x400);
    timeline.schedule("device", 2500);
    expect(m.run(1000)).toEqual({ kind: "budget" });
    expect(timeline.now()).toBe(1000);
    expect(m.run()).toEqual({ kind: "idle", ticks: Infinity });
    expect(timeline.now()).toBe(2500);
    // Nothing at all, or software interrupts, which no one can raise.
    for (const enabled of [0, 0x300]) {
      m.setCp0("Status", STATUS.IE | enabled);
      expect(m.run()).toEqual({ kind: "halted" });
    }
    m.setCp0("Status", IM7);
    expect(m.run(10)).toBe(1);
  });
});

describe("interrupt vectors", () => {
  const pending = (spacing: number, cause: number, line: number, status = 0): TestMachine => {
    const m = new TestMachine().code((a) => a.sdbbp(1));
    m.setCp0("IntCtl", spacing << 5);
    m.setCp0("Cause", cause);
    m.setCp0("Status", STATUS.IE | 0xff00 | status);
    m.machine.cpu.setInterruptLine(line, true);
    return m;
  };

  test("without IV: the general one; with IV: 200, or by number and spacing", () => {
    for (const [spacing, cause, line, offset] of [
      [0, 0, 4, 0x180],
      [4, 0, 4, 0x180],
      [0, CAUSE.IV, 4, 0x200],
      [1, CAUSE.IV, 2, 0x240],
      [4, CAUSE.IV, 4, 0x200 + 4 * 0x80],
      [16, CAUSE.IV, 7, 0x200 + 7 * 0x200],
    ] as const) {
      const m = pending(spacing, cause, line);
      m.load(0x8000_0000 + offset, (a) => a.sdbbp(55));
      expect(m.run(), `VS ${spacing} IV ${cause} IP${line}`).toBe(55);
      expect(m.machine.cpu.pc).toBe(0x8000_0004 + offset);
    }
  });

  test("the highest pending and enabled interrupt decides", () => {
    const m = pending(1, CAUSE.IV, 3);
    m.machine.cpu.setInterruptLine(6, true);
    m.setCp0("Status", STATUS.IE | 0x0800 | 0x0100);
    m.load(0x8000_0200 + 3 * 0x20, (a) => a.sdbbp(56));
    expect(m.run()).toBe(56);
  });

  test("none is taken at EXL or ERL", () => {
    for (const status of [STATUS.EXL, STATUS.ERL]) expect(pending(0, 0, 4, status).run()).toBe(1);
  });

  test("enabled by EI, MTC0 and ERET: taken before the next instruction", () => {
    for (const how of ["ei", "mtc0", "eret"] as const) {
      const m = new TestMachine().code((a) => {
        if (how === "ei") a.ei(0);
        else if (how === "mtc0") a.mtc0(t0, ...cp0Operands(CP0.Status));
        else a.eret();
        a.addiu(v0, v0, 1);
        a.sdbbp(1);
      });
      m.machine.cpu.setInterruptLine(3, true);
      m.machine.cpu.gpr[t0] = STATUS.IE | 0x800;
      m.setCp0("EPC", CODE + 4);
      m.setCp0("Status", 0x800 | (how === "eret" ? STATUS.IE | STATUS.EXL : 0));
      expect(m.run()).toBe(UNEXPECTED);
      expect([m.cp0("EPC"), m.gpr(v0)]).toEqual([CODE + 4, 0]);
    }
  });
});

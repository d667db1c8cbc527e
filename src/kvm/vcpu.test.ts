import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import { DestroyedError, VcpuIdError } from "./errors.ts";
import type { HostPageSize } from "./page-format.ts";
import { TestGuest } from "./testing.ts";

const CODE = 0x4000_1000;
const { t0, t1, t2, t3 } = GPR;

describe("running a vcpu", () => {
  test("a store to a device leaves with its value, a load goes on with the VMM's", () => {
    const guest = new TestGuest(createInterpreter);
    guest.assemble(CODE, (asm) => {
      asm.lui(t0, 0xa000);
      asm.addiu(t1, 0, 0x42);
      asm.sb(t1, 0x3f8, t0);
      asm.lh(t2, 0x10, t0);
      asm.lbu(t3, 0x12, t0);
      asm.wait();
    });
    guest.start(CODE);
    expect(guest.run()).toEqual({ reason: "mmio", physAddr: 0x3f8, len: 1, isWrite: true, data: 0x42 });
    const load = guest.run();
    expect(load).toMatchObject({ reason: "mmio", physAddr: 0x10, len: 2, isWrite: false });
    if (load.reason === "mmio") load.data = 0x8765;
    const byte = guest.run();
    if (byte.reason === "mmio") byte.data = 0x87;
    guest.runToWait();
    expect(guest.vcpu.regs.gpr[t2]).toBe(0x8765 - 0x1_0000);
    expect(guest.vcpu.regs.gpr[t3]).toBe(0x87);
    expect(guest.machine.timeline.now()).toBe(6);
  });

  describe("looking at the registers between any two instructions changes nothing", () => {
    const loop = (): TestGuest => {
      const guest = new TestGuest(createInterpreter);
      guest.assemble(CODE, (asm) => {
        const again = asm.label();
        asm.addiu(t0, 0, 50);
        asm.bind(again);
        asm.addiu(t1, t1, 1);
        asm.addiu(t0, t0, -1);
        asm.bnez(t0, again);
        asm.addiu(t2, t2, 3);
        asm.mfc0(t3, 9, 0);
        asm.wait();
      });
      guest.start(CODE);
      return guest;
    };
    const outcome = (guest: TestGuest): unknown => ({
      registers: guest.vcpu.getRegs(),
      time: guest.machine.timeline.now(),
      instructions: guest.machine.guestInstructions,
    });
    const expected = (): unknown => {
      const guest = loop();
      guest.runToWait();
      return outcome(guest);
    };

    test.each([1, 2, 3, 4, 5])("in steps of %i", (ticks) => {
      const guest = loop();
      let steps = 0;
      while (guest.vcpu.run(ticks).reason === "intr") {
        guest.vcpu.setRegs(guest.vcpu.getRegs());
        expect(++steps).toBeLessThan(1000);
      }
      expect(outcome(guest)).toEqual(expected());
    });

    test("when it is stopped there", () => {
      for (let at = 1; at < 12; at++) {
        const guest = loop();
        guest.machine.timeline.register("stop", () => guest.vcpu.requestStop());
        guest.machine.timeline.schedule("stop", at);
        expect(guest.run().reason).toBe("intr");
        guest.vcpu.setRegs(guest.vcpu.getRegs());
        guest.runToWait();
        expect(outcome(guest)).toEqual(expected());
      }
    });
  });

  test("a device access in a delay slot goes on behind the branch", () => {
    const guest = new TestGuest(createInterpreter);
    guest.assemble(CODE, (asm) => {
      const target = asm.label();
      asm.lui(t0, 0xa000);
      asm.b(target);
      asm.lw(t1, 0, t0);
      asm.addiu(t2, 0, 1);
      asm.bind(target);
      asm.wait();
    });
    guest.start(CODE);
    const load = guest.run();
    if (load.reason === "mmio") load.data = 7;
    guest.runToWait();
    expect([guest.vcpu.regs.gpr[t1], guest.vcpu.regs.gpr[t2]]).toEqual([7, 0]);
    // LUI, branch, load, WAIT: the branch counts once although it was executed again.
    expect(guest.machine.timeline.now()).toBe(4);
  });

  test("WAIT ends when an interrupt is pending, and not before", () => {
    const guest = new TestGuest(createInterpreter);
    const end = guest.assemble(CODE, (asm) => asm.wait());
    guest.assemble(end, (asm) => {
      asm.addiu(t0, t0, 1);
      asm.wait();
    });
    guest.start(CODE, 0x0400);
    guest.runToWait();
    guest.runToWait();
    expect(guest.vcpu.regs.gpr[t0]).toBe(0);
    // IP2 is enabled, IE is not: WAIT ends, nothing is delivered.
    guest.vcpu.interrupt(2);
    expect(guest.run(5).reason).toBe("intr");
    expect(guest.vcpu.getRegs().gpr[t0]).toBe(1n);
    expect(guest.vcpu.stats.delivered).toBe(0);
  });

  test("a budget ends in the middle of guest code, and running on continues there", () => {
    const counts = [1, 7, 1000].map((slice) => {
      const guest = new TestGuest(createInterpreter);
      guest.assemble(CODE, (asm) => {
        const loop = asm.label();
        asm.addiu(t0, 0, 500);
        asm.bind(loop);
        asm.mfc0(t1, 9, 0);
        asm.addiu(t0, t0, -1);
        asm.bnez(t0, loop);
        asm.nop();
        asm.wait();
      });
      guest.start(CODE);
      let runs = 0;
      while (guest.run(slice).reason === "intr") runs++;
      expect(runs).toBeGreaterThan(1);
      const { stats } = guest.vcpu;
      return [
        guest.machine.timeline.now(),
        guest.vcpu.regs.gpr[t1],
        stats.totalExits,
        guest.machine.instructions,
      ];
    });
    expect(counts[1]).toEqual(counts[0]);
    expect(counts[2]).toEqual(counts[0]);
  });

  test("a stop is honoured before the guest executes anything more", () => {
    const guest = new TestGuest(createInterpreter);
    guest.assemble(CODE, (asm) => {
      asm.b(asm.address);
      asm.nop();
    });
    guest.start(CODE);
    guest.machine.timeline.register("test", () => guest.vcpu.requestStop());
    guest.machine.timeline.schedule("test", 101);
    expect(guest.vcpu.run().reason).toBe("intr");
    expect(guest.machine.timeline.now()).toBe(101);
    expect(guest.run(50).reason).toBe("intr");
    // 151 would be between the branch and its delay slot.
    expect(guest.machine.timeline.now()).toBe(152);
  });

  test("registers read in the middle of guest code are up to date, and can be changed", () => {
    const guest = new TestGuest(createInterpreter);
    const loop = guest.assemble(CODE, (asm) => asm.addiu(t0, 0, 5));
    guest.assemble(loop, (asm) => {
      asm.addiu(t0, t0, 1);
      asm.b(loop);
      asm.nop();
    });
    guest.start(CODE);
    expect(guest.run(1 + 3 * 10).reason).toBe("intr");
    expect(guest.vcpu.inGuest).toBe(true);
    const regs = guest.vcpu.getRegs();
    expect(regs.gpr[t0]).toBe(15n);
    expect(guest.vcpu.inGuest).toBe(false);
    const gpr = regs.gpr.map((value, number) => (number === t0 ? 0xffff_ffff_ffff_fff0n : value));
    guest.vcpu.setRegs({ ...regs, gpr });
    guest.run(3 * 4);
    expect(guest.vcpu.getRegs().gpr[t0]).toBe(BigInt.asUintN(64, -12n));
  });

  test("what no guest can do ends in a report, not in an error", () => {
    const guest = new TestGuest(createInterpreter);
    guest.assemble(CODE, (asm) => {
      asm.lui(t0, 0xc000);
      asm.lw(t1, 4, t0);
    });
    guest.start(CODE);
    const exit = guest.run();
    expect(exit.reason).toBe("internal-error");
    if (exit.reason !== "internal-error") return;
    expect(exit.message).toMatch(/c0000004/);
    expect(exit.report).toMatchObject({ pc: CODE + 4, exception: "AdEL", badVAddr: 0xc000_0004 });
    expect(exit.report.code.find((line) => line.startsWith(">"))).toMatch(/lw t1,4\(t0\)/);
  });

  test("executing where there is no memory is an error of the guest's, not a device access", () => {
    const guest = new TestGuest(createInterpreter);
    guest.trapExceptions();
    guest.assemble(CODE, (asm) => {
      asm.lui(t0, 0xa000);
      asm.jr(t0);
      asm.nop();
    });
    guest.start(CODE);
    expect(guest.runToTrap()).toBe(0x180);
    expect(guest.vcpu.cp0[CP0.EPC]! >>> 0).toBe(0xa000_0000);
    guest.start(CODE, STATUS.BEV);
    expect(guest.run()).toMatchObject({ reason: "internal-error", report: { pc: 0xa000_0000 } });
  });
});

describe("creating and destroying", () => {
  test.each([4096, 16384] as HostPageSize[])("a thousand vcpus leave no page behind (%d)", (pageSize) => {
    const guest = new TestGuest(createInterpreter, { pageSize, checkInvariants: false });
    guest.assemble(CODE, (asm) => asm.wait());
    guest.vm.destroy();
    const { pages } = guest.kvm.host;
    const before = pages.allocated;
    for (let i = 0; i < 1000; i++) {
      const vm = guest.kvm.createVm();
      vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 1 << 20, hostPhysAddr: guest.ram });
      const vcpu = vm.createVcpu();
      vcpu.regs.pc = CODE;
      expect(vcpu.run(100).reason).toBe("irq-window-open");
      vm.destroy();
    }
    expect(pages.allocated).toBe(before);
  });

  test("no wired host TLB entry is used", () => {
    const guest = new TestGuest(createInterpreter);
    expect(guest.machine.cpu.cp0[CP0.Wired]).toBe(0);
    guest.vm.destroy();
    expect(guest.machine.cpu.cp0[CP0.Wired]).toBe(0);
  });

  test("ids are unique and limited, and what is destroyed is refused", () => {
    const guest = new TestGuest(createInterpreter);
    expect(() => guest.vm.createVcpu(0)).toThrow(VcpuIdError);
    expect(() => guest.vm.createVcpu(8)).toThrow(VcpuIdError);
    guest.vm.destroy();
    expect(() => guest.vcpu.run()).toThrow(DestroyedError);
    expect(() => guest.vm.createVcpu(1)).toThrow(DestroyedError);
  });

  test("host memory running out while a vcpu is made leaves nothing allocated", () => {
    const guest = new TestGuest(createInterpreter);
    const { pages } = guest.kvm.host;
    const held: number[] = [];
    while (pages.free > 0) held.push(pages.alloc(4096));
    let failures = 0;
    for (;;) {
      const before = pages.allocated;
      try {
        guest.vm.createVcpu(1).destroy();
        break;
      } catch {
        failures++;
        expect(pages.allocated).toBe(before);
        // In address order, so that the aligned block of code finds room in the end.
        pages.release(held.shift()!);
      }
    }
    expect(failures).toBeGreaterThan(8);
  });

  test("two vcpus take turns on the CPU, each with its own registers and TLB", () => {
    const guest = new TestGuest(createInterpreter);
    const other = guest.vm.createVcpu(1);
    const loop = guest.assemble(CODE, (asm) => asm.mfc0(t1, 15, 1));
    guest.assemble(loop, (asm) => {
      asm.addiu(t0, t0, 1);
      asm.b(loop);
      asm.nop();
    });
    for (const vcpu of [guest.vcpu, other]) {
      vcpu.regs.pc = CODE;
      vcpu.cp0[CP0.Status] = 0;
    }
    for (let i = 0; i < 5; i++) {
      expect(guest.vcpu.run(31).reason).toBe("intr");
      expect(other.run(61).reason).toBe("intr");
    }
    expect(Number(guest.vcpu.getRegs().gpr[t0])).toBeGreaterThan(45);
    expect(Number(other.getRegs().gpr[t0])).toBeGreaterThan(90);
    expect([guest.vcpu.regs.gpr[t1], other.regs.gpr[t1]]).toEqual([0x4000_0000, 0x4000_0001]);
  });
});

describe("interrupts", () => {
  /** A guest that counts in t0, with a handler that reports. */
  function counting(options: ConstructorParameters<typeof TestGuest>[1] = {}): TestGuest {
    const guest = new TestGuest(createInterpreter, options);
    guest.trapExceptions();
    const loop = guest.assemble(CODE, (asm) => asm.nop());
    guest.assemble(loop, (asm) => {
      asm.addiu(t0, t0, 1);
      asm.b(loop);
      asm.addiu(t1, t1, 1);
    });
    return guest;
  }

  test("one that arrives while guest code runs is delivered at the next instruction", () => {
    for (const at of [100, 101, 102, 103]) {
      const guest = counting();
      guest.start(CODE, STATUS.IE | 0x0400);
      guest.machine.timeline.register("device", () => guest.vcpu.interrupt(2));
      guest.machine.timeline.schedule("device", at);
      expect(guest.runToTrap()).toBe(0x180);
      const { cp0, regs } = guest.vcpu;
      expect(cp0[CP0.Cause]! & 0x7c).toBe(0);
      expect(cp0[CP0.Cause]! & 0xff00).toBe(0x0400);
      expect(cp0[CP0.Status]! & STATUS.EXL).toBe(STATUS.EXL);
      // Two instructions of the handler have been executed, and what came before took exactly `at` ticks.
      expect(guest.machine.timeline.now()).toBe(at + 2);
      const inSlot = (cp0[CP0.Cause]! & 0x8000_0000) !== 0;
      expect(regs.gpr[t0]! + regs.gpr[t1]!).toBeGreaterThan(0);
      expect(cp0[CP0.EPC]! >>> 0).toBe(CODE + 4 + 4 * ((at - 1) % 3) - (inSlot ? 4 : 0));
      expect(inSlot).toBe((at - 1) % 3 === 2);
    }
  });

  test("one that the guest masks causes no exit and waits", () => {
    const guest = counting();
    guest.start(CODE, STATUS.IE | 0x0800);
    guest.run(10);
    const exits = guest.vcpu.stats.totalExits;
    guest.vcpu.interrupt(2);
    expect(guest.run(100).reason).toBe("intr");
    expect(guest.vcpu.stats.totalExits).toBe(exits);
    guest.vcpu.interrupt(-2);
    guest.vcpu.interrupt(3);
    expect(guest.runToTrap()).toBe(0x180);
  });

  test("with Cause.IV it has its own vector", () => {
    const guest = counting();
    guest.start(CODE, STATUS.IE | 0x0400);
    guest.vcpu.cp0[CP0.Cause] = 0x0080_0000;
    guest.vcpu.interrupt(2);
    expect(guest.runToTrap()).toBe(0x200);
  });

  test("a line that stays asserted is delivered again after ERET", () => {
    const guest = counting();
    guest.assemble(0x4000_0180, (asm) => {
      asm.addiu(t2, t2, 1);
      asm.eret();
    });
    guest.start(CODE, STATUS.IE | 0x0400);
    guest.vcpu.interrupt(2);
    guest.run(20);
    expect(Number(guest.vcpu.getRegs().gpr[t2])).toBeGreaterThan(5);
    guest.vcpu.interrupt(-2);
    const taken = guest.vcpu.getRegs().gpr[t2]!;
    guest.run(20);
    expect(Number(guest.vcpu.getRegs().gpr[t2]! - taken)).toBeLessThanOrEqual(1);
  });

  test("software interrupts are delivered", () => {
    const guest = counting();
    guest.assemble(CODE, (asm) => {
      asm.addiu(t0, 0, 0x100);
      asm.mtc0(t0, 13, 0);
      asm.nop();
    });
    guest.start(CODE, STATUS.IE | 0x0100);
    expect(guest.runToTrap()).toBe(0x180);
    expect(guest.vcpu.cp0[CP0.EPC]! >>> 0).toBe(CODE + 8);
  });

  test("unknown numbers are refused", () => {
    const guest = counting();
    for (const irq of [0, 1, 5, 7, -1, 2.5, NaN])
      expect(() => guest.vcpu.interrupt(irq)).toThrow(/KVM_INTERRUPT/);
  });

  test("Count and Compare interrupt at the exact tick, whether or not the guest exits meanwhile", () => {
    const guest = counting();
    guest.assemble(CODE, (asm) => {
      asm.mfc0(t0, 9, 0);
      asm.addiu(t0, t0, 50);
      asm.mtc0(t0, 11, 0);
      asm.b(asm.address);
      asm.mfc0(t1, 9, 0);
    });
    guest.start(CODE, STATUS.IE | 0x8000);
    expect(guest.runToTrap()).toBe(0x180);
    expect(guest.vcpu.cp0[CP0.Cause]! & 0x4000_8000).toBe(0x4000_8000);
    // Compare is 50; Count is half the ticks; two instructions of the handler have been executed.
    expect(guest.machine.timeline.now()).toBe(100 + 2);
    expect(guest.vcpu.regs.gpr[t1]).toBeLessThan(50);
  });
});

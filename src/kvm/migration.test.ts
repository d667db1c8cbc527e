import { describe, expect, test } from "vitest";
import { createInterpreter, createTranslator } from "../engine/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { HostCpuError } from "./errors.ts";
import { HostMm } from "./host-mm.ts";
import { entryLo, TestGuest, type TestGuestOptions } from "./testing.ts";
import type { Vcpu } from "./vcpu.ts";

const CODE = 0x4000_1000;
const USER_CODE = 0x0001_0000;
const USER_DATA = 0x0002_0000;
const KSEG2 = 0x6000_0000;
const { k0, k1, v0, v1, a0, a1, t0, t1, t2, t3, s0 } = GPR;

const twoCpus = (options: TestGuestOptions = {}): TestGuest =>
  new TestGuest(createInterpreter, { cpus: 2, ...options });

/** Emits a TLBWI of guest entry `index`: the pair of 4K pages at `gva` in `asid` to `gpa` and the page behind it. */
function emitMap(asm: Assembler, index: number, gva: number, asid: number, gpa: number): void {
  const registers: [cp0: number, value: number][] = [
    [CP0.Index, index],
    [CP0.PageMask, 0],
    [CP0.EntryLo0, entryLo(gpa, true)],
    [CP0.EntryLo1, entryLo(gpa + 0x1000, true)],
    [CP0.EntryHi, gva | asid],
  ];
  for (const [cp0, value] of registers) {
    asm.loadConstant(k0, value);
    asm.mtc0(k0, cp0 >>> 3, cp0 & 7);
  }
  asm.tlbwi();
}

/**
 * A kernel that maps pages, starts a process in each of two ASIDs in turn and serves its system calls; the process
 * counts with LL and SC. Ends in WAIT.
 */
function busyGuest(guest: TestGuest): void {
  const loop = 0x4000_4000;
  // System calls: count them in KSeg2, and go on behind them; each fourth ends the process's turn.
  guest.assemble(0x4000_0180, (asm) => {
    const turn = asm.label();
    asm.loadConstant(k1, KSEG2);
    asm.lw(k0, 0, k1);
    asm.addiu(k0, k0, 1);
    asm.sw(k0, 0, k1);
    asm.andi(k0, k0, 3);
    asm.beqz(k0, turn);
    asm.mfc0(k0, CP0.EPC >>> 3, 0);
    asm.addiu(k0, k0, 4);
    asm.mtc0(k0, CP0.EPC >>> 3, 0);
    asm.eret();
    asm.bind(turn);
    asm.loadConstant(k0, loop);
    asm.jr(k0);
    asm.nop();
  });
  guest.assemble(CODE, (asm) => {
    for (const asid of [1, 2]) {
      emitMap(asm, 2 * asid, USER_CODE, asid, 0x3_0000);
      emitMap(asm, 2 * asid + 1, USER_DATA, asid, 0x4_0000 + asid * 0x2000);
    }
    emitMap(asm, 0, KSEG2, 0, 0x5_0000);
    emitMap(asm, 10, KSEG2, 1, 0x5_0000);
    emitMap(asm, 11, KSEG2, 2, 0x5_0000);
    asm.loadConstant(s0, 7);
    asm.loadConstant(k0, loop);
    asm.jr(k0);
    asm.nop();
  });
  guest.assemble(loop, (asm) => {
    const done = asm.label();
    asm.addiu(s0, s0, -1);
    asm.beqz(s0, done);
    asm.andi(k0, s0, 1);
    asm.addiu(k0, k0, 1);
    asm.mtc0(k0, CP0.EntryHi >>> 3, 0);
    asm.loadConstant(k0, USER_CODE);
    asm.mtc0(k0, CP0.EPC >>> 3, 0);
    asm.loadConstant(k0, STATUS.UM | STATUS.EXL);
    asm.mtc0(k0, CP0.Status >>> 3, 0);
    asm.mfc0(t3, CP0.Count >>> 3, 0);
    asm.eret();
    asm.bind(done);
    asm.mtc0(0, CP0.Status >>> 3, 0);
    asm.wait();
  });
  const process = 0x4003_0000;
  guest.assemble(process, (asm) => {
    asm.loadConstant(t0, USER_DATA);
    const again = asm.label();
    const next = asm.label();
    asm.bind(next);
    asm.addiu(a0, 0, 5);
    asm.bind(again);
    asm.addiu(v0, v0, 1);
    asm.ll(t1, 8, t0);
    asm.addiu(t1, t1, 1);
    asm.sc(t1, 8, t0);
    asm.beqz(t1, again);
    asm.addiu(v1, v1, 1);
    asm.addiu(a0, a0, -1);
    asm.bnez(a0, again);
    asm.lw(t2, 0x1000, t0);
    asm.addu(a1, a1, t2);
    asm.sw(a1, 0x1004, t0);
    asm.syscall(0);
    asm.j(asm.address - 4 * 14);
    asm.nop();
  });
  guest.start(CODE);
}

/** Everything that a guest can see, and what its VMM can count but for what leaving it by force adds. */
function outcome(guest: TestGuest): unknown {
  const { machine, vcpu } = guest;
  const { interrupt: _i, ...exits } = vcpu.stats.exits;
  const { interrupt: _c, signal: _s, ...counters } = vcpu.stats.counters;
  return {
    registers: vcpu.getRegs(),
    cp0: Array.from(vcpu.cp0),
    memory: Array.from({ length: 0x6_0000 / 4 }, (_, word) => guest.read(4 * word)),
    time: machine.timeline.now(),
    instructions: machine.guestInstructions,
    exits,
    counters,
    fastExits: vcpu.stats.fastExits,
    delivered: vcpu.stats.delivered,
    asidChanges: vcpu.stats.asidChanges,
  };
}

describe.each([
  ["24Kc", { fastExits: true }],
  ["24Kc", { fastExits: false, gvaRoots: 1 }],
  ["24Kc-rixi", { fastExits: true, dyntrans: false }],
  ["P5600", { fastExits: true }],
] as const)("a guest that migrates, %s, %j", (model, options) => {
  const run = (engine: typeof createInterpreter, slice: number, cpus: number): unknown => {
    const guest = new TestGuest(engine, { ...options, model, cpus });
    busyGuest(guest);
    for (let n = 0; guest.vcpu.run(slice, n % cpus).reason === "intr"; n++) expect(n).toBeLessThan(20_000);
    return outcome(guest);
  };
  const expected = run(createInterpreter, Infinity, 1);

  test.each([1, 3, 50, 333])("every %i ticks", (slice) => {
    expect(run(createInterpreter, slice, 2)).toEqual(expected);
  });
  test("every 5 ticks between four CPUs, and with translated code", () => {
    expect(run(createTranslator, 5, 4)).toEqual(expected);
  });
});

describe("a vcpu on another host CPU", () => {
  test("is where it was told to be, and stays there", () => {
    const guest = twoCpus();
    guest.assemble(CODE, (asm) => {
      asm.b(CODE);
      asm.nop();
    });
    guest.start(CODE);
    const { vcpu, machine } = guest;
    for (const [cpu, expected] of [
      [undefined, 0],
      [1, 1],
      [undefined, 1],
      [0, 0],
    ] as const) {
      expect(vcpu.run(10, cpu).reason).toBe("intr");
      expect(machine.cpu.number).toBe(expected);
    }
    for (const cpu of [2, -1, 0.5]) expect(() => vcpu.run(10, cpu)).toThrow(HostCpuError);
    expect(vcpu.run(10).reason).toBe("intr");
  });

  test("does not find there what was mapped before it was elsewhere", () => {
    const guest = twoCpus({ guestTlb: 64 });
    guest.write(0x5_0000, 55);
    guest.write(0x6_0000, 66);
    guest.assemble(CODE, (asm) => {
      emitMap(asm, 0, KSEG2, 0, 0x5_0000);
      asm.loadConstant(t0, KSEG2);
      asm.lw(t1, 0, t0);
      asm.wait();
      emitMap(asm, 0, KSEG2, 0, 0x6_0000);
      asm.lw(t2, 0, t0);
      asm.wait();
      asm.lw(t3, 0, t0);
      asm.wait();
    });
    guest.start(CODE);
    const { vcpu } = guest;
    const { gpr } = vcpu.regs;
    for (const cpu of [0, 1, 0]) {
      expect(vcpu.run(1000, cpu).reason).toBe("irq-window-open");
      vcpu.waiting = false;
    }
    expect([t1, t2, t3].map((reg) => gpr[reg])).toEqual([55, 66, 66]);
  });

  test("draws a new ASID where its own has become stale, and only there", () => {
    const guest = twoCpus();
    const { vcpu, kvm, machine } = guest;
    const { asids, pages } = kvm.host;
    const process = new HostMm(machine.memory, pages.allocZeroed(pages.pageSize), 2);
    guest.assemble(CODE, (asm) => {
      asm.b(CODE);
      asm.nop();
    });
    guest.start(CODE);
    for (const cpu of [0, 1]) vcpu.run(10, cpu);
    const { kernelMm } = vcpu.regs;
    const [first, second] = [0, 1].map((cpu) => kernelMm.context(cpu));
    vcpu.run(10, 0);
    machine.executeOn(1);
    const { wraps } = asids;
    while (asids.wraps === wraps) asids.getNew(process);
    expect(asids.isCurrent(kernelMm, 1)).toBe(false);
    expect(asids.isCurrent(kernelMm, 0)).toBe(true);
    vcpu.run(10, 1);
    expect(asids.isCurrent(kernelMm, 1)).toBe(true);
    expect(kernelMm.context(1)).not.toBe(second);
    expect(kernelMm.context(0)).toBe(first);
  });

  test("takes an LL link along, but not past another vcpu", () => {
    const store = (asm: Assembler): void => {
      asm.loadConstant(t0, 0x4004_0000);
      asm.sw(t0, 4, t0);
      asm.wait();
    };
    for (const [cpu, other, stored] of [
      [0, null, 1],
      [1, null, 1],
      // Another vcpu had the CPU in between, or stored to the line on the other CPU.
      [0, 0, 0],
      [0, 1, 0],
      [1, 1, 1],
    ] as const) {
      const guest = twoCpus();
      const { vcpu } = guest;
      const second = guest.vm.createVcpu(1);
      guest.assemble(CODE, (asm) => {
        asm.loadConstant(t0, 0x4004_0000);
        asm.ll(t1, 0, t0);
        asm.nop();
        asm.sc(t1, 0, t0);
        asm.wait();
      });
      guest.assemble(0x4000_2000, other === 1 && cpu === 1 ? (asm) => asm.wait() : store);
      second.regs.pc = 0x4000_2000;
      second.cp0[CP0.Status] = 0;
      // Once before, so that the page is there to be stored to.
      if (other !== null) expect(second.run(100, other).reason).toBe("irq-window-open");
      second.regs.pc = 0x4000_2000;
      second.waiting = false;
      guest.start(CODE);
      expect(vcpu.run(3, 0).reason).toBe("intr");
      if (other !== null) expect(second.run(100, other).reason).toBe("irq-window-open");
      expect(vcpu.run(100, cpu).reason).toBe("irq-window-open");
      expect(vcpu.regs.gpr[t1], `CPU ${cpu}, the other vcpu on ${other}`).toBe(stored);
    }
  });
});

describe("two vcpus on two host CPUs", () => {
  /** Each counts in t1, in a loop, and notes interrupts in t2. */
  function counting(guest: TestGuest): Vcpu[] {
    guest.assemble(0x4000_0180, (asm) => {
      asm.addiu(t2, t2, 1);
      asm.mfc0(k0, CP0.Status >>> 3, 0);
      asm.loadConstant(k1, ~STATUS.IM);
      asm.and(k0, k0, k1);
      asm.mtc0(k0, CP0.Status >>> 3, 0);
      asm.eret();
    });
    guest.assemble(CODE, (asm) => {
      asm.addiu(t1, t1, 1);
      asm.b(CODE);
      asm.nop();
    });
    return [guest.vcpu, guest.vm.createVcpu(1)].map((vcpu) => {
      vcpu.regs.pc = CODE;
      vcpu.cp0[CP0.Status] = STATUS.IE | STATUS.IM;
      return vcpu;
    });
  }

  test("both stay in their guests while the other executes", () => {
    const guest = twoCpus();
    const vcpus = counting(guest);
    for (let round = 0; round < 20; round++)
      vcpus.forEach((vcpu, cpu) => expect(vcpu.run(30, cpu).reason).toBe("intr"));
    expect(vcpus.map((vcpu) => vcpu.inGuest)).toEqual([true, true]);
    // One exit each: the page of code.
    expect(vcpus.map((vcpu) => vcpu.stats.totalExits)).toEqual([1, 1]);
    for (const vcpu of vcpus) vcpu.settle();
    expect(vcpus.map((vcpu) => vcpu.regs.gpr[t1])).toEqual([200, 200]);
    expect(guest.machine.guestInstructions).toBe(2 * 20 * 30);
    guest.vm.destroy();
    expect(guest.kvm.host.vmmRunsOn).toEqual(new Set([0, 1]));
  });

  test("an interrupt reaches the one that stands still", () => {
    const guest = twoCpus();
    const [first, second] = counting(guest) as [Vcpu, Vcpu];
    first.run(30, 0);
    second.run(30, 1);
    first.interrupt(2);
    second.run(30, 1);
    first.run(30, 0);
    for (const vcpu of [first, second]) vcpu.settle();
    expect([first, second].map((vcpu) => vcpu.regs.gpr[t2])).toEqual([1, 0]);
  });

  test("a call across CPUs takes the guest there out of its code, and lets it go on", () => {
    const guest = twoCpus();
    const { machine, kvm } = guest;
    const vcpus = counting(guest) as [Vcpu, Vcpu];
    for (const caller of [1, 0]) {
      vcpus.forEach((vcpu, cpu) => vcpu.run(30, cpu));
      machine.executeOn(caller);
      const seen: unknown[] = [];
      kvm.host.callOn(0, () => seen.push(machine.cpu.number, machine.cpu.isKernel));
      expect(seen).toEqual([0, true]);
      expect(machine.cpu.number).toBe(caller);
      expect(vcpus.map((vcpu) => vcpu.inGuest)).toEqual([false, true]);
    }
    vcpus.forEach((vcpu, cpu) => vcpu.run(30, cpu));
    for (const vcpu of vcpus) vcpu.settle();
    expect(vcpus.map((vcpu) => vcpu.regs.gpr[t1])).toEqual([30, 30]);
  });

  test("they change places", () => {
    const guest = twoCpus();
    const vcpus = counting(guest);
    for (let round = 0; round < 10; round++)
      vcpus.forEach((vcpu, n) => expect(vcpu.run(30, (n + round) % 2).reason).toBe("intr"));
    for (const vcpu of vcpus) vcpu.settle();
    expect(vcpus.map((vcpu) => vcpu.regs.gpr[t1])).toEqual([100, 100]);
  });

  test("memory that goes away is gone for both", () => {
    const guest = twoCpus();
    const vcpus = counting(guest);
    vcpus.forEach((vcpu, cpu) => vcpu.run(30, cpu));
    const { vm } = guest;
    vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 0, hostPhysAddr: 0 });
    for (const [cpu, vcpu] of vcpus.entries()) expect(vcpu.run(30, cpu).reason).toBe("internal-error");
  });
});

import { expect, test } from "vitest";
import { createInterpreter } from "../../src/engine/index.ts";
import { CP0 } from "../../src/isa/cp0.ts";
import { encode } from "../../src/isa/encode.ts";
import { commpageAddress, TE_MAP } from "../../src/kvm/guest-map.ts";
import { cp0Slot } from "../../src/kvm/layout.ts";
import { TestGuest } from "../../src/kvm/testing.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import { Machine } from "../../src/machine/machine.ts";
import { Assembler } from "../../src/uasm/assembler.ts";
import { entryLoOf } from "./words.ts";

/* What the fuzzer has found, each in a few instructions. */

function bare(): Machine {
  return new Machine(
    { model: CPU_MODELS["24Kc"]!, endian: "little", ramBytes: 1 << 20, guestTime: "all", hostCalls: true },
    createInterpreter,
  );
}

/** Starts `machine` in kernel mode at code in kseg0. */
function start(machine: Machine, at: number, emit: (asm: Assembler) => void): void {
  const asm = new Assembler({ level: "mips32r2", baseAddress: 0x8000_0000 + at });
  emit(asm);
  asm.words().forEach((word, i) => machine.write32(at + 4 * i, word));
  machine.ops.writeCp0(CP0.Status, 0);
  machine.cpu.setPc(0x8000_0000 + at);
}

test("SC that stores to its own word changes its register, not $zero", () => {
  const machine = bare();
  start(machine, 0x1000, (asm) => {
    asm.ll(3, 4, 16);
    asm.sc(3, 4, 16);
    asm.sdbbp(0);
  });
  machine.cpu.gpr[16] = 0x8000_1000 | 0;
  expect(machine.run(100).kind).toBe("host-call");
  expect(machine.cpu.gpr[0]).toBe(0);
  expect(machine.cpu.gpr[3]).toBe(1);
});

test("a vector that raises its own exception uses up its time, bare and as a guest", () => {
  const machine = bare();
  start(machine, 0x180, (asm) => asm.syscall());
  expect(machine.run(1000).kind).toBe("budget");
  expect(machine.timeline.now()).toBe(1000);

  const guest = new TestGuest(createInterpreter);
  guest.assemble(0x4000_0180, (asm) => asm.syscall());
  guest.start(0x4000_0180);
  expect(guest.run(5000).reason).toBe("intr");
  expect(guest.machine.timeline.now()).toBe(5000);
});

test("a guest TLB entry that would hide another one leaves it in its place", () => {
  const guest = new TestGuest(createInterpreter);
  guest.trapExceptions();
  const gva = 0x0100_0000;
  guest.write(0x1_0000, 11);
  guest.write(0x2_0000, 22);
  guest.mapPages(5, gva, 0, entryLoOf(0x1_0000, 6), entryLoOf(0x1_1000, 6));
  guest.assemble(0x4000_1000, (asm) => {
    asm.lw(8, 0, 16);
    asm.mtc0(17, 10, 0);
    asm.mtc0(18, 2, 0);
    asm.mtc0(18, 3, 0);
    asm.mtc0(0, 0, 0);
    asm.tlbwi();
  });
  guest.assemble(0x4000_2000, (asm) => {
    asm.lw(9, 0, 16);
    asm.wait();
  });
  guest.start(0x4000_1000);
  guest.vcpu.regs.gpr[16] = gva;
  guest.vcpu.regs.gpr[17] = gva;
  guest.vcpu.regs.gpr[18] = entryLoOf(0x2_0000, 6);
  expect(guest.runToTrap()).toBe(0x180);
  guest.start(0x4000_2000);
  guest.runToWait();
  expect([guest.vcpu.regs.gpr[8], guest.vcpu.regs.gpr[9]]).toEqual([11, 11]);
});

test("a memslot changes after what the guest was doing has been brought to rest", () => {
  const guest = new TestGuest(createInterpreter);
  guest.assemble(0x4000_1000, (asm) => {
    asm.lw(8, 0, 16);
    asm.b(asm.address);
    asm.nop();
  });
  guest.start(0x4000_1000);
  guest.vcpu.regs.gpr[16] = 0x4001_0000;
  expect(guest.run(100).reason).toBe("intr");
  // With invariants checked at the exit that this takes: the tables still say what the old slot says.
  guest.vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 0x8000, hostPhysAddr: guest.ram });
  expect(guest.run(100).reason).toBe("intr");
});

test("a guest that executes its commpage finds the registers there as they are", () => {
  const guest = new TestGuest(createInterpreter, { dyntrans: true });
  const slot = commpageAddress(TE_MAP, 4096) + cp0Slot(CP0.EPC);
  const [first, second] = [encode("jr", { rs: 18 }), encode("jr", { rs: 19 })];
  guest.assemble(0x4000_1000, (asm) => {
    asm.mtc0(17, CP0.EPC >>> 3, 0);
    asm.jalr(31, 16);
    asm.nop();
  });
  guest.assemble(0x4000_2000, (asm) => {
    asm.mtc0(20, CP0.EPC >>> 3, 0);
    asm.jalr(31, 16);
    asm.nop();
    asm.wait();
  });
  guest.assemble(0x4000_3000, (asm) => {
    asm.addiu(8, 8, 1);
    asm.wait();
  });
  guest.start(0x4000_1000);
  guest.vcpu.regs.gpr.set([slot, first, 0x4000_2000, 0x4000_3000, second], 16);
  guest.runToWait();
  expect(guest.vcpu.regs.gpr[8]).toBe(1);
});

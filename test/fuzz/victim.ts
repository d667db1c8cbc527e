import { CP0, ENTRY_LO } from "../../src/isa/cp0.ts";
import { Assembler } from "../../src/uasm/assembler.ts";
import type { Kvm, Memslot, Vcpu, Vm } from "../../src/kvm/index.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { entryLoOf } from "./words.ts";

/** A VM was disturbed by another. */
class VictimError extends Error {
  override readonly name = "VictimError";
}

const KSEG0 = 0x4000_0000;
/** Counted up by the guest, in a register and in memory through its TLB. */
const COUNTER = 8;
const MAPPED = 0x0100_0000;
const COUNTER_GPA = 0x4000;
/** Instructions in a turn of its loop. */
const LOOP = 4;

/** A second VM on the same host that counts: whatever its neighbour does must not show in it. */
export class Victim {
  private readonly vm: Vm;
  private readonly vcpu: Vcpu;
  private readonly slot: Memslot;
  private readonly memory: Memory;
  private turns = 0;

  constructor(kvm: Kvm, slot: Memslot) {
    this.slot = slot;
    this.vm = kvm.createVm();
    this.memory = kvm.host.machine.memory;
    this.vm.setUserMemoryRegion(slot);
    this.vcpu = this.vm.createVcpu();
    const asm = new Assembler({ level: "mips32r2", baseAddress: KSEG0 });
    asm.lui(16, MAPPED >>> 16);
    const loop = asm.label("loop");
    asm.bind(loop);
    asm.addiu(COUNTER, COUNTER, 1);
    asm.sw(COUNTER, 0, 16);
    asm.b(loop);
    asm.lw(9, 0, 16);
    asm.words().forEach((word, i) => kvm.host.machine.write32(slot.hostPhysAddr + 4 * i, word));
    const entryLo = entryLoOf(COUNTER_GPA, ENTRY_LO.V | ENTRY_LO.D);
    this.vcpu.guestTlb.write(0, { entryHi: MAPPED, pageMask: 0x6000, entryLo0: entryLo, entryLo1: 0 });
    this.vcpu.regs.pc = KSEG0;
    this.vcpu.cp0[CP0.Status] = 0;
  }

  /** Lets it count on host CPU `cpu`, and checks that it did and nothing else. */
  run(cpu: number): void {
    const { timeline } = this.vcpu.machine;
    const limit = timeline.now() + LOOP * 20;
    // A stop asked of its neighbour can make it come back early.
    while (timeline.now() < limit) {
      const exit = this.vcpu.run(limit - timeline.now(), cpu);
      if (exit.reason !== "intr") throw new VictimError(`the second VM left with ${JSON.stringify(exit)}`);
    }
    const turns = Number(this.vcpu.getRegs().gpr[COUNTER]);
    const stored = this.memory.read32(this.slot.hostPhysAddr + COUNTER_GPA);
    if (turns < this.turns + 19 || turns > this.turns + 21 || stored < turns - 1 || stored > turns)
      throw new VictimError(`the second VM counted from ${this.turns} to ${turns} and stored ${stored}`);
    this.turns = turns;
  }

  destroy(): void {
    this.vm.destroy();
  }
}

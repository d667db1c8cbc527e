import type { CpuModel } from "../machine/cpu-models.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { Machine, type EngineFactory } from "../machine/machine.ts";
import type { Endian } from "../machine/memory.ts";
import { Assembler } from "../uasm/assembler.ts";
import { needsEva, TE_MAP } from "./guest-map.ts";
import type { HostPageSize } from "./page-format.ts";
import type { VcpuExit } from "./vcpu-exit.ts";
import type { Vcpu } from "./vcpu.ts";
import { Kvm, type Vm, type VmOptions } from "./vm.ts";

/** What a test wants of its guest. */
export interface TestGuestOptions extends VmOptions {
  readonly model?: string;
  readonly endian?: Endian;
  /** Host CPUs (default 1). */
  readonly cpus?: number;
  readonly pageSize?: HostPageSize;
  /** Bytes of guest RAM at GPA 0 (default 1 MiB). */
  readonly guestBytes?: number;
  /** User mode and kernel mode of the host see different things at one address (default: if the map needs it). */
  readonly eva?: boolean;
}

/** Device address at which trapped exceptions are reported. */
const TRAP = 0x0700_0000;

/** EntryLo of a valid page of 4 KiB at `gpa`; `d` is whether it may be written. */
export function entryLo(gpa: number, d: boolean, g = false): number {
  return ((gpa >>> 6) & 0x3fff_ffc0) | 0x18 | (d ? 4 : 0) | 2 | (g ? 1 : 0);
}

/** Everything of a guest that it could notice, and how often it left which way. */
export function outcomeOf({ vcpu, machine }: TestGuest) {
  const { gpr, hi, lo, pc } = vcpu.getRegs();
  return {
    seen: {
      ...{ gpr: [...gpr], hi, lo, pc, cp0: [...vcpu.cp0] },
      time: machine.timeline.now(),
      instructions: machine.guestInstructions,
      link: machine.cpu.llBit,
    },
    exits: vcpu.stats.totalExits,
    fast: Object.values(vcpu.stats.fastExits).reduce((sum, count) => sum + count, 0),
  };
}

/** Host RAM below this belongs to the host kernel and the hypervisor in tests. */
const HOST_BYTES = 2 << 20;

/** A machine with a hypervisor and one guest, for tests. */
export class TestGuest {
  readonly machine: Machine;
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  /** Host physical address of GPA 0. */
  readonly ram = HOST_BYTES;

  constructor(engine: EngineFactory, options: TestGuestOptions = {}) {
    const guestBytes = options.guestBytes ?? 1 << 20;
    const model: CpuModel = CPU_MODELS[options.model ?? "24Kc"]!;
    this.machine = new Machine(
      {
        model,
        cpus: options.cpus ?? 1,
        endian: options.endian ?? "little",
        ramBytes: HOST_BYTES + guestBytes,
        guestTime: "user",
        hostCalls: true,
      },
      engine,
    );
    this.kvm = new Kvm(this.machine, {
      pageSize: options.pageSize ?? 4096,
      end: HOST_BYTES,
      eva: options.eva ?? needsEva(options.map ?? TE_MAP),
    });
    this.vm = this.kvm.createVm({ checkInvariants: true, ...options });
    this.vm.setUserMemoryRegion({
      slot: 0,
      guestPhysAddr: 0,
      memorySize: guestBytes,
      hostPhysAddr: this.ram,
    });
    this.vcpu = this.vm.createVcpu();
  }

  /** Assembles code at guest address `gva` of KSeg0 and puts it into guest memory. Returns the next address. */
  assemble(gva: number, emit: (asm: Assembler) => void): number {
    const asm = new Assembler({ level: "mips32r2", baseAddress: gva });
    emit(asm);
    asm.words().forEach((word, index) => this.write((gva & 0x1fff_ffff) + 4 * index, word));
    return asm.address;
  }

  /** Where the guest's kernel has its commpage. The guest must be one with dynamic translation. */
  get commpage(): number {
    const { commpage } = this.vcpu;
    if (commpage === null) throw new Error("this guest has no commpage");
    return commpage;
  }

  /** Reads the word at GPA `gpa`, unsigned. */
  read(gpa: number): number {
    return this.machine.memory.read32(this.ram + gpa);
  }
  write(gpa: number, word: number): void {
    this.machine.write32(this.ram + gpa, word);
  }

  /** Starts the guest at `pc`, with ERL, BEV and EXL clear unless `status` says otherwise. */
  start(pc: number, status = 0): void {
    this.vcpu.regs.pc = pc;
    this.vcpu.cp0[12 * 8] = status;
  }

  /**
   * Puts code at the guest's exception vectors (EBase is at GPA 0) that stores to device address TRAP + offset:
   * the vector's offset is then the exit's `physAddr` minus {@link TRAP}.
   */
  trapExceptions(): void {
    for (const offset of [0x000, 0x180, 0x200]) {
      this.assemble(0x4000_0000 + offset, (asm) => {
        asm.lui(26, 0xa000 | (TRAP >>> 16));
        asm.sw(0, offset, 26);
        asm.b(asm.address);
        asm.nop();
      });
    }
  }

  /** Runs up to the exception that {@link trapExceptions} reports, and returns the offset of its vector. */
  runToTrap(): number {
    const exit = this.run();
    if (exit.reason !== "mmio") throw new Error(`expected a trap, got ${JSON.stringify(exit)}`);
    return exit.physAddr - TRAP;
  }

  /** Runs up to a WAIT. */
  runToWait(): void {
    const exit = this.run();
    if (exit.reason !== "irq-window-open") throw new Error(`expected WAIT, got ${JSON.stringify(exit)}`);
  }

  /** Writes guest TLB entry `index`, as a guest that did so before anything was derived from it. */
  mapPages(index: number, gva: number, asid: number, lo0: number, lo1: number, pageMask = 0): void {
    this.vcpu.guestTlb.write(index, { entryHi: gva | asid, pageMask, entryLo0: lo0, entryLo1: lo1 });
  }

  /** Runs until an exit other than running out of a slice of time. */
  run(ticks = 100_000): VcpuExit {
    return this.vcpu.run(ticks);
  }
}

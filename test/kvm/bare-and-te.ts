import { createInterpreter } from "../../src/engine/index.ts";
import { CP0 } from "../../src/isa/cp0.ts";
import { FCR } from "../../src/isa/fpu.ts";
import { mfc0, mtc0 } from "../../src/kvm/emulate/cp0.ts";
import { tlbwi } from "../../src/kvm/emulate/tlb-ops.ts";
import { GUEST_STATUS_WRITABLE } from "../../src/kvm/guest-cp0.ts";
import { EVA_MAP } from "../../src/kvm/guest-map.ts";
import { Kvm, type Vcpu, type Vm, type VmOptions } from "../../src/kvm/index.ts";
import { Bus } from "../../src/machine/bus.ts";
import { CPU_MODELS, type CpuModel } from "../../src/machine/cpu-models.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { Endian } from "../../src/machine/memory.ts";
import { STATE } from "../../src/machine/state-layout.ts";
import type { TlbEntry } from "../../src/machine/tlb.ts";
import {
  bareSubject,
  CounterDevice,
  installKernel,
  RAM_BYTES,
  RAM_REGIONS,
  type Subject,
} from "../translator/random-run.ts";

const HOST = CPU_MODELS["P5600"]!;

/** What of a P5600 a guest on one is not told it has, and why. It shows in more than a register of its own. */
const NOT_THE_GUESTS: Readonly<Partial<Record<keyof CpuModel, readonly [value: unknown, why: string]>>> = {
  isa: ["mips32r2", "a guest's CPU is of release 2: privileged instructions of later ones are reserved"],
  physicalBits: [32, "a guest physical address has 32 bits, and EntryLo a frame number of 20"],
  xpa: [false, "so has EntryLo no upper half"],
  rixi: [false, "a guest's EntryLo has neither RI nor XI"],
  tlbInvalidate: [false, "with 64 entries EntryHi has no EHINV"],
  ebaseWriteGate: [false, "a guest's vectors stay in kseg0"],
  ftlb: [null, "a guest's TLB has entries of one kind"],
  vectoredInterrupts: [false, "a guest has one interrupt vector"],
  statusWritable: [GUEST_STATUS_WRITABLE, "a guest's Status has SR, as a 24Kc's"],
};

const GUEST_LIKE = {
  ...HOST,
  ...Object.fromEntries(Object.entries(NOT_THE_GUESTS).map(([name, [value]]) => [name, value])),
} as CpuModel;

/** How a run ended, and all that its program could see then. */
export interface Outcome {
  /** "ran", if the time was up; else why the program could not go on. */
  readonly end: string;
  /** Registers and other numbers, by name. */
  readonly values: Readonly<Record<string, number | boolean>>;
  readonly tlb: readonly TlbEntry[];
  readonly ram: Int32Array;
}

const CP0_NAMES = Object.keys(CP0) as (keyof typeof CP0)[];
/** Both sides start a program at a multiple of this time: it decides in which half of a count they do. */
const TIME_STEP = 0x1_0000;

/** A machine, bare or with a guest, that one random program after the other is put into. */
abstract class Side {
  protected readonly machine: Machine;
  protected readonly device = new CounterDevice((n, level) => this.subject.setInterruptLine(n, level));
  /** Memory offset of the program's RAM. */
  private readonly ram: number;
  private start = 0;
  abstract readonly subject: Subject;

  constructor(machine: Machine, ramOffset: number) {
    this.machine = machine;
    this.ram = ramOffset;
  }

  /** Makes everything as it was in the beginning, with the kernel of random programs in memory. */
  renew(): void {
    const { timeline } = this.machine;
    this.machine.writeBytes(this.ram, new Uint8Array(RAM_BYTES));
    timeline.pass(TIME_STEP - (timeline.now() % TIME_STEP));
    this.start = timeline.now();
    this.device.reset();
    this.renewCpu();
    installKernel(this.subject);
  }

  protected abstract renewCpu(): void;

  /** Runs for `ticks`. Returns "ran", or why the program cannot go on. */
  abstract run(ticks: number): string;

  /** Ticks since it was renewed. */
  get now(): number {
    return this.machine.timeline.now() - this.start;
  }

  /** Takes an interrupt that is due now, which takes no time, and returns registers that {@link Subject} does not show. */
  protected abstract registers(): Readonly<Record<string, number | boolean>>;
  protected abstract tlbEntry(index: number): TlbEntry;

  outcome(end: string): Outcome {
    const { machine, subject } = this;
    const registers = this.registers();
    const first = (machine.memory.plan.ram + this.ram) >>> 2;
    return {
      end,
      values: {
        ...{ time: this.now, ...registers },
        ...Object.fromEntries(Array.from(subject.gpr, (value, n) => [`$${n}`, value >>> 0])),
        ...Object.fromEntries(CP0_NAMES.map((name) => [name, subject.cp0(name)])),
      },
      tlb: Array.from({ length: subject.tlbEntries }, (_, index) => this.tlbEntry(index)),
      ram: machine.memory.i32.slice(first, first + RAM_BYTES / 4),
    };
  }
}

const fpuRegisters = (word: (n: number) => number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`$f${n}`, word(n) >>> 0]));

/** A bare P5600, as far as a guest's CPU is like one. */
export class BareSide extends Side {
  readonly subject: Subject;

  constructor(endian: Endian) {
    const config = { model: GUEST_LIKE, endian, guestTime: "all", hostCalls: false } as const;
    super(new Machine({ ...config, ramBytes: RAM_BYTES, ramRegions: RAM_REGIONS }, createInterpreter), 0);
    this.subject = bareSubject(this.machine);
    this.machine.bus.add(this.device.region);
  }

  /** Stands between a branch and its delay slot. */
  get inDelaySlot(): boolean {
    return this.machine.cpu.inDelaySlot;
  }

  protected renewCpu(): void {
    const { cpu, ops } = this.machine;
    cpu.reset();
    ops.tlbinvf();
    cpu.state.fill(0, STATE.fpr >>> 2, STATE.fcsr >>> 2);
  }

  run(ticks: number): string {
    const { kind } = this.machine.run(ticks);
    return kind === "budget" ? "ran" : kind;
  }

  protected registers(): Readonly<Record<string, number | boolean>> {
    const { cpu } = this.machine;
    this.machine.run(0);
    if (cpu.interruptDeliverable) cpu.takeInterrupt();
    const { hi, lo, pc, llBit, fpu } = cpu;
    return { hi, lo, pc, llBit, fcsr: fpu!.readControl(FCR.FCSR), ...fpuRegisters((n) => fpu!.word(n)) };
  }
  protected tlbEntry(index: number): TlbEntry {
    return this.machine.cpu.tlb.read(index);
  }
}

/** Host memory of the hypervisor. */
const HYPERVISOR_BYTES = 2 << 20;

/** A guest's CPU as a {@link Subject}. */
function guestSubject(vcpu: Vcpu): Subject {
  const { machine, regs, fpu } = vcpu;
  return {
    tlbEntries: vcpu.guestTlb.size,
    gpr: regs.gpr,
    write32: (pa, word) => machine.write32(HYPERVISOR_BYTES + pa, word),
    cp0: (name) => mfc0(vcpu, CP0[name]) >>> 0,
    setCp0: (name, value) => mtc0(vcpu, CP0[name], value),
    tlbwi: () => void tlbwi(vcpu),
    setHiLo: (hi, lo) => {
      regs.hi = hi;
      regs.lo = lo;
    },
    setInterruptLine: (n, level) => vcpu.interrupt(level ? n : -n),
    setFpu: (words, fcsr) => {
      fpu!.setControl(FCR.FCSR, fcsr);
      words.forEach((word, n) => fpu!.setWord(n, word));
    },
    setPc: (pc) => {
      regs.pc = pc;
    },
  };
}

/** The guest of a P5600 with the hypervisor, at the addresses of an unmodified kernel. */
export class TeSide extends Side {
  subject!: Subject;
  private readonly kvm: Kvm;
  private readonly options: VmOptions;
  private readonly bus = new Bus();
  private vm: Vm | null = null;
  private vcpu!: Vcpu;

  constructor(endian: Endian, options: VmOptions) {
    const config = { model: HOST, endian, guestTime: "user", hostCalls: true } as const;
    super(
      new Machine({ ...config, ramBytes: HYPERVISOR_BYTES + RAM_BYTES }, createInterpreter),
      HYPERVISOR_BYTES,
    );
    this.kvm = new Kvm(this.machine, { pageSize: 4096, end: HYPERVISOR_BYTES, eva: true });
    this.options = { map: EVA_MAP, guestTlb: HOST.tlbEntries, fpu: true, ...options };
    this.bus.add(this.device.region);
  }

  protected renewCpu(): void {
    this.vm?.destroy();
    this.vm = this.kvm.createVm(this.options);
    for (const [slot, { base, size, offset }] of RAM_REGIONS.entries())
      this.vm.setUserMemoryRegion({
        ...{ slot, guestPhysAddr: base, memorySize: size, hostPhysAddr: HYPERVISOR_BYTES + offset },
      });
    this.vcpu = this.vm.createVcpu();
    this.subject = guestSubject(this.vcpu);
  }

  run(ticks: number): string {
    const { vcpu, bus } = this;
    const { timeline } = this.machine;
    const limit = timeline.now() + ticks;
    for (;;) {
      const exit = vcpu.run(limit - timeline.now());
      switch (exit.reason) {
        case "mmio":
          if (exit.isWrite) bus.write(exit.physAddr, exit.len, exit.data);
          else exit.data = bus.read(exit.physAddr, exit.len);
          break;
        case "irq-window-open":
          if (vcpu.wakeUp === "nothing") return "halted";
          if (timeline.now() >= limit) return "ran";
          if (vcpu.wakeUp === "device") return "idle";
          timeline.skipTo(limit);
          break;
        case "intr":
          return "ran";
        case "internal-error":
          return exit.message;
        case "debug":
          throw new Error("nobody debugs this guest");
        default:
          exit satisfies never;
      }
    }
  }

  protected registers(): Readonly<Record<string, number | boolean>> {
    const { vcpu } = this;
    // Settles it and its FPU.
    const llBit = vcpu.put() !== null;
    vcpu.run(0);
    const { regs, fpu } = vcpu;
    const { hi, lo, pc } = regs;
    return { hi, lo, pc, llBit, fcsr: fpu!.fcsr, ...fpuRegisters((n) => fpu!.word(n)) };
  }
  protected tlbEntry(index: number): TlbEntry {
    return this.vcpu.guestTlb.read(index);
  }
}

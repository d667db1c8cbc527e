import type { DebugStop, DebugView } from "../debug.ts";
import type { BootMemory, BootState } from "../boards/malta/boot.ts";
import { createMalta, type MaltaBoard } from "../boards/malta/malta.ts";
import { maltaRamRegions } from "../boards/malta/malta-map.ts";
import { ENGINES } from "../engine/index.ts";
import type { RunResult } from "../guest.ts";
import { GuestInspection, type Inspection } from "../inspect/index.ts";
import { CAUSE, CP0, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import {
  EVA_MAP,
  guestAsid,
  GuestState,
  Kvm,
  needsEva,
  TE_MAP,
  type MmioExit,
  type Tracer,
  type Vcpu,
  type Vm,
} from "../kvm/index.ts";
import { Bus } from "../machine/bus.ts";
import { Machine } from "../machine/machine.ts";
import type { RamRegion } from "../machine/mmu.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import type { Stats } from "../stats.ts";
import { AddedDevices } from "./added-devices.ts";
import { MachineTarget } from "./debug-target.ts";
import { MachineDebugView } from "./debug-view.ts";
import { HYPERVISOR_MEMORY, MEMORY_UNIT } from "./limits.ts";
import { MachineGuest, type Surroundings } from "./machine-guest.ts";
import { failureReport, HALTED } from "./report.ts";
import type { HypervisorSettings, Settings } from "./settings.ts";

const GPR_A0 = 4;
/** Guest interrupt inputs that KVM_INTERRUPT can drive. */
const KVM_INTERRUPTS: readonly number[] = [2, 3, 4];
const MAPS = { te: TE_MAP, eva: EVA_MAP } as const;

/** Tells `tracer` of each refill exception. */
function reportRefills({ cpus }: Machine, tracer: Tracer): void {
  for (const cpu of cpus)
    cpu.onRefill = (): void => {
      const { cp0 } = cpu;
      const store = (cp0[CP0.Cause]! & CAUSE.ExcCode) >>> 2 === EXC_CODE.TLBS;
      tracer.kseg_refill?.(cp0[CP0.EPC]! >>> 0, cp0[CP0.BadVAddr]! >>> 0, store);
    };
}

/**
 * A guest under the hypervisor, and the VMM that gives it a board: guest physical memory is the part of host
 * memory above the hypervisor's own, devices are reached by MMIO exits.
 */
export class TrapAndEmulateGuest extends MachineGuest {
  protected readonly machine: Machine;
  protected readonly vm: Vm;
  private readonly vcpu: Vcpu;
  readonly debug: DebugView;
  readonly hostDebug: DebugView;
  protected readonly board: MaltaBoard;
  protected readonly devices: AddedDevices;
  private readonly bus = new Bus();
  /** Where the board shows the guest's memory: devices lie between the regions. */
  private readonly ram: readonly RamRegion[];
  readonly memory: BootMemory;

  /** A VM whose CPU comes out of reset, without a kernel. */
  constructor(settings: Settings, hypervisor: HypervisorSettings, surroundings: Surroundings) {
    super(settings, surroundings);
    const { endian, memoryUnits } = settings;
    const { model, wallClock, engine, checkInvariants, refillLog, tracer, devices } = surroundings;
    const size = memoryUnits * MEMORY_UNIT;
    const map = MAPS[hypervisor.map];
    this.ram = maltaRamRegions(size);
    const machine = new Machine(
      {
        ...{ model, endian },
        ...(wallClock === undefined ? {} : { wallClock }),
        cpus: hypervisor.hostCpus,
        ramBytes: HYPERVISOR_MEMORY + size,
        guestTime: "user",
        hostCalls: true,
        refillLog,
        reportRefills: tracer?.kseg_refill !== undefined,
      },
      ENGINES[engine],
    );
    this.machine = machine;
    if (tracer !== undefined) reportRefills(machine, tracer);
    const kvm = new Kvm(machine, {
      pageSize: hypervisor.hostPageSize,
      end: HYPERVISOR_MEMORY,
      eva: needsEva(map),
    });
    const { refill, gvaRoots, guestTlb, fastExits, guestFpu, dyntrans } = hypervisor;
    this.vm = kvm.createVm({
      ...{ map, refill, gvaRoots, guestTlb, fastExits, fpu: guestFpu, dyntrans, checkInvariants },
      ...(tracer === undefined ? {} : { tracer }),
    });
    for (const [slot, { base, size: bytes, offset }] of this.ram.entries())
      this.vm.setUserMemoryRegion({
        slot,
        guestPhysAddr: base,
        memorySize: bytes,
        hostPhysAddr: HYPERVISOR_MEMORY + offset,
      });
    this.vcpu = this.vm.createVcpu(0);
    this.board = createMalta({
      timeline: machine.timeline,
      bus: this.bus,
      endian,
      setInterrupt: (ip, level) => {
        if (KVM_INTERRUPTS.includes(ip)) this.vcpu.interrupt(level ? ip : -ip);
      },
      console: this.console,
      ...this.serial,
      onPowerOff: () => this.turnOff("power-off"),
      onReset: () => this.turnOff("reset"),
    });
    this.console.attach(this.board);
    const { bus, board } = this;
    const { timeline } = machine;
    this.devices = new AddedDevices(devices, { bus, timeline, endian, board, memory: size });
    this.memory = {
      size,
      writeBytes: (pa, bytes) => machine.writeBytes(HYPERVISOR_MEMORY + pa, bytes),
      write32: (pa, value) => machine.write32(HYPERVISOR_MEMORY + pa, value),
    };
    this.debug = this.guestView();
    this.hostDebug = this.hostView();
  }

  private guestView(): DebugView {
    const { machine, vcpu } = this;
    return new MachineDebugView({
      ...{ name: "guest", machine, target: new GuestState(vcpu) },
      isExecuting: () => !machine.cpu.isKernel,
      asid: () => guestAsid(vcpu),
      step: () => this.step("guest"),
    });
  }

  private hostView(): DebugView {
    const { machine } = this;
    return new MachineDebugView({
      ...{ name: "host", machine, target: new MachineTarget(machine) },
      isExecuting: () => machine.cpu.isKernel,
      asid: () => machine.cpu.asid,
      step: () => this.step("host"),
    });
  }

  protected beginStep(view: DebugView["name"]): void {
    const { debug, cpu } = this.machine;
    if (view === "guest") this.vcpu.beginStep();
    else debug.beginStep("all", cpu.pc);
  }
  protected endStep(view: DebugView["name"]): void {
    if (view === "guest") this.vcpu.endStep();
    else this.machine.debug.endStep();
  }
  protected get isWaiting(): boolean {
    return this.vcpu.waiting;
  }

  start(boot: BootState): void {
    const regs = this.vcpu.getRegs();
    const { a0, a1, a2, a3 } = boot.registers;
    const gpr = Array.from(regs.gpr);
    for (const [i, value] of [a0, a1, a2, a3].entries()) gpr[GPR_A0 + i] = BigInt(value | 0);
    this.vcpu.setRegs({ ...regs, gpr, pc: BigInt(boot.entry | 0) });
    // As YAMON enters a kernel. One for trap and emulate starts with ERL set, as its CPU comes out of reset.
    if (needsEva(this.vm.map)) this.vcpu.cp0[CP0.Status] = STATUS.BEV;
  }

  protected runMachine(limit: number, hostCpu: number | undefined): RunResult {
    const { vcpu, machine } = this;
    const { timeline } = machine;
    for (;;) {
      const exit = vcpu.run(limit - timeline.now(), hostCpu);
      switch (exit.reason) {
        case "mmio":
          this.mmio(exit);
          break;
        case "irq-window-open": {
          if (vcpu.wakeUp === "nothing") return { kind: "failed", report: HALTED };
          if (timeline.now() >= limit) return { kind: "running" };
          if (vcpu.wakeUp === "device" && !timeline.isArmedBesides(...machine.countTimers, vcpu.timerName))
            return { kind: "idle", milliseconds: Infinity };
          if (timeline.skipTo(limit)) break;
          const milliseconds = (timeline.untilNextTimer() / TICKS_PER_SECOND) * 1000;
          if (milliseconds === 0) break;
          return { kind: "idle", milliseconds };
        }
        case "intr":
          return { kind: "running" };
        case "debug":
          return { kind: "debug", view: this.viewOf(exit.stop), stop: exit.stop };
        case "internal-error":
          return { kind: "failed", report: failureReport(exit) };
        default:
          exit satisfies never;
      }
    }
  }

  /** Whose step it was, or whose code the machine stopped in. */
  private viewOf(stop: DebugStop): DebugView["name"] {
    const { debug, cpu } = this.machine;
    const inHost = stop.kind === "step" ? debug.stepsAll : cpu.isKernel;
    return inHost ? "host" : "guest";
  }

  /** Guest addresses that the guest reaches as devices: the board's, and RAM through kseg0 and kseg1 pointers. */
  private mmio(exit: MmioExit): void {
    const { physAddr, len, isWrite } = exit;
    const region = this.ram.find(({ base, size }) => physAddr >= base && physAddr - base + len <= size);
    if (region !== undefined) {
      const at = HYPERVISOR_MEMORY + region.offset + physAddr - region.base;
      if (isWrite) this.writeRam(at, len, exit.data);
      else exit.data = this.readRam(at, len);
    } else if (isWrite) this.bus.write(physAddr, len, exit.data);
    else exit.data = this.bus.read(physAddr, len);
  }

  private readRam(hpa: number, len: 1 | 2 | 4): number {
    const bytes = this.machine.memory.readBytes(hpa, len);
    if (this.machine.memory.endian === "little") bytes.reverse();
    return bytes.reduce((value, byte) => value * 256 + byte, 0);
  }

  private writeRam(hpa: number, len: 1 | 2 | 4, value: number): void {
    const bytes = Uint8Array.from({ length: len }, (_, i) => value >>> (8 * i));
    if (this.machine.memory.endian === "big") bytes.reverse();
    this.machine.writeBytes(hpa, bytes);
  }

  protected pause(): void {
    this.vcpu.requestStop();
  }

  stats(): Stats {
    const { machine } = this;
    const { stats } = this.vcpu;
    return {
      instructions: machine.instructions,
      guestInstructions: machine.guestInstructions,
      exits: stats.exits,
      fastExits: stats.fastExits,
      counters: stats.counters,
      // With the generated handler off, the refill vector leads out of the machine.
      refills: {
        fast: this.vcpu.code.refill === "fast" ? machine.refills : 0,
        slow: stats.slowRefills,
      },
      guestTlbLookups: stats.guestTlbLookups,
      asidChanges: stats.asidChanges,
      gvaPtesInvalidated: stats.gvaPtesInvalidated,
      gvaPtesFilled: stats.gvaPtesFilled,
      hostTlbWrites: machine.tlbWrites,
    };
  }

  inspect(): Inspection {
    return new GuestInspection(this.vcpu, () => this.bus.all);
  }

  protected release(): void {
    this.vm.destroy();
  }
}

import type { DebugView } from "../debug.ts";
import type { BootMemory, BootState } from "../boards/malta/boot.ts";
import { createMalta, type MaltaBoard } from "../boards/malta/malta.ts";
import { maltaRamRegions } from "../boards/malta/malta-map.ts";
import { ENGINES } from "../engine/index.ts";
import type { RunResult } from "../guest.ts";
import { BareInspection, type Inspection } from "../inspect/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { Machine } from "../machine/machine.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import type { Stats } from "../stats.ts";
import { AddedDevices } from "./added-devices.ts";
import { MachineTarget } from "./debug-target.ts";
import { MachineDebugView } from "./debug-view.ts";
import { MEMORY_UNIT } from "./limits.ts";
import { MachineGuest, type Surroundings } from "./machine-guest.ts";
import { HALTED } from "./report.ts";
import type { Settings } from "./settings.ts";

const GPR_A0 = 4;
const GPR_SP = 29;
/** What YAMON hands over as a stack: below the argument tables. */
const INITIAL_STACK = 0x8000_1ff0;

/** A guest directly on the machine: the kernel is the machine's own. */
export class BareGuest extends MachineGuest {
  protected readonly machine: Machine;
  readonly debug: DebugView;
  readonly hostDebug = null;
  protected readonly board: MaltaBoard;
  protected readonly devices: AddedDevices;
  protected readonly vm = null;
  readonly memory: BootMemory;

  /** A machine whose CPU comes out of reset, without a kernel. */
  constructor(settings: Settings, surroundings: Surroundings) {
    super(settings, surroundings);
    const { endian, memoryUnits } = settings;
    const { model, wallClock, engine, devices } = surroundings;
    const size = memoryUnits * MEMORY_UNIT;
    const machine = new Machine(
      {
        ...{ model, endian },
        ...(wallClock === undefined ? {} : { wallClock }),
        ramBytes: size,
        ramRegions: maltaRamRegions(size),
        guestTime: "all",
        hostCalls: false,
      },
      ENGINES[engine],
    );
    this.machine = machine;
    this.board = createMalta({
      timeline: machine.timeline,
      bus: machine.bus,
      endian,
      setInterrupt: (ip, level) => machine.cpu.setInterruptLine(ip, level),
      console: this.console,
      ...this.serial,
      onPowerOff: () => this.turnOff("power-off"),
      onReset: () => this.turnOff("reset"),
    });
    this.console.attach(this.board);
    const { bus, timeline } = machine;
    this.devices = new AddedDevices(devices, { bus, timeline, endian, board: this.board, memory: size });
    this.memory = {
      size,
      writeBytes: (pa, bytes) => machine.writeBytes(pa, bytes),
      write32: (pa, value) => machine.write32(pa, value),
    };
    this.debug = new MachineDebugView({
      ...{ name: "guest", machine, target: new MachineTarget(machine), isExecuting: null },
      asid: () => machine.cpu.asid,
      step: () => this.step("guest"),
    });
  }

  protected beginStep(): void {
    const { debug, cpu } = this.machine;
    debug.beginStep("all", cpu.pc);
  }
  protected endStep(): void {
    this.machine.debug.endStep();
  }
  protected get isWaiting(): boolean {
    return this.machine.cpu.waiting;
  }

  /** As YAMON enters a kernel: kernel mode, interrupts off, cached kseg0. */
  start(boot: BootState): void {
    const { cpu, ops } = this.machine;
    const { a0, a1, a2, a3 } = boot.registers;
    cpu.gpr.set([a0, a1, a2, a3], GPR_A0);
    cpu.gpr[GPR_SP] = INITIAL_STACK;
    ops.writeCp0(CP0.Status, STATUS.BEV);
    ops.writeCp0(CP0.Config, 3);
    cpu.setPc(boot.entry);
  }

  protected runMachine(limit: number): RunResult {
    const stop = this.machine.run(limit - this.machine.timeline.now());
    if (stop.kind === "halted") return { kind: "failed", report: HALTED };
    if (stop.kind === "debug") return { kind: "debug", view: "guest", stop: stop.stop };
    if (stop.kind !== "idle") return { kind: "running" };
    return { kind: "idle", milliseconds: (stop.ticks / TICKS_PER_SECOND) * 1000 };
  }

  protected pause(): void {
    this.machine.stop();
  }

  stats(): Stats {
    const { machine } = this;
    return {
      instructions: machine.instructions,
      guestInstructions: machine.guestInstructions,
      exits: {},
      fastExits: {},
      counters: {},
      refills: { fast: 0, slow: 0 },
      guestTlbLookups: 0,
      asidChanges: 0,
      gvaPtesInvalidated: 0,
      gvaPtesFilled: 0,
      hostTlbWrites: machine.tlbWrites,
    };
  }

  inspect(): Inspection {
    return new BareInspection(this.machine);
  }

  /** A machine by itself holds nothing that the garbage collector does not find. */
  protected release(): void {}
}

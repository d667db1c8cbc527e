import type { DebugView } from "../debug.ts";
import type { DeviceConfig } from "../device.ts";
import type { BootMemory, BootState } from "../boards/malta/boot.ts";
import { MALTA_STATE, type MaltaBoard, type MaltaState } from "../boards/malta/malta.ts";
import {
  checkHostCpu,
  checkTicks,
  GuestBusyError,
  type Guest,
  type GuestConfig,
  type RunResult,
} from "../guest.ts";
import type { Inspection } from "../inspect/index.ts";
import type { Vm, VmSnapshot } from "../kvm/index.ts";
import type { CpuModel } from "../machine/cpu-models.ts";
import { machineSnapshot, type MachineSnapshot } from "../machine/machine-snapshot.ts";
import type { Machine, MachineConfig } from "../machine/machine.ts";
import { ByteReader, ByteWriter } from "../state/byte-stream.ts";
import { crc32 } from "../state/crc32.ts";
import { byteString, choice, nothing, orNull, record, text, variants, type Field } from "../state/fields.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import type { Stats } from "../stats.ts";
import { ADDED_DEVICES_STATE, type AddedDevices, type AddedDeviceState } from "./added-devices.ts";
import { Console } from "./console.ts";
import type { Place } from "./place.ts";
import { SerialOutput } from "./serial-output.ts";
import { captureRam, restoreRam, type PageKind, type RamPages } from "./ram-pages.ts";
import type { Settings } from "./settings.ts";
import { encodeSnapshot, type GuestImage } from "./snapshot-file.ts";

/** Where a guest's output goes. */
export type OutputCallbacks = Pick<GuestConfig, "onConsole" | "onSerial">;

/** What the embedder chooses for each guest anew, whatever its state is. */
export interface Surroundings
  extends Pick<MachineConfig, "wallClock">, Pick<GuestConfig, "tracer">, OutputCallbacks {
  /** The CPU whose name is in the settings. */
  readonly model: CpuModel;
  readonly devices: readonly DeviceConfig[];
  readonly engine: NonNullable<GuestConfig["engine"]>;
  readonly checkInvariants: boolean;
  readonly refillLog: boolean;
}

/** How a guest has come to its end. */
type End = Extract<RunResult, { kind: "off" | "failed" }>;

/** All state of a guest but RAM. */
interface GuestState {
  readonly machine: MachineSnapshot;
  /** Null without a hypervisor. */
  readonly vm: VmSnapshot | null;
  readonly board: MaltaState;
  /** Of the embedder's devices. */
  readonly devices: readonly AddedDeviceState[];
  /** Console input that the guest has not taken yet. */
  readonly input: Uint8Array;
  readonly end: End | null;
}

/** What goes into an image of a guest. */
interface CaptureOptions {
  readonly before?: RamPages;
  readonly withInput?: boolean;
}

/** More console input, and longer reports, than there can be. */
const MOST_INPUT = 2 ** 31;
const MOST_TEXT = 2 ** 16;

const END = variants<"kind", End>("kind", {
  off: record<Omit<Extract<End, { kind: "off" }>, "kind">>({ how: choice(["power-off", "reset"]) }),
  failed: record<Omit<Extract<End, { kind: "failed" }>, "kind">>({ report: text(MOST_TEXT) }),
});

/**
 * What guests of every kind have in common: a console, an end, snapshots, and the rules of what the embedder may call
 * when. The embedder's console callback is called while the machine stands still, between two instructions, so that
 * it may do anything. Only its clock is read in the middle of a run.
 */
export abstract class MachineGuest implements Guest {
  protected abstract readonly machine: Machine;
  protected abstract readonly board: MaltaBoard;
  protected abstract readonly devices: AddedDevices;
  /** Null without a hypervisor. */
  protected abstract readonly vm: Vm | null;
  protected readonly console: Console;
  /** The board's other serial ports, if anybody wants to know what is sent there. */
  protected readonly serial: { readonly serial1?: SerialOutput; readonly boardSerial?: SerialOutput };
  private readonly settings: Settings;
  private end: End | null = null;
  private running = false;
  /** The machine executes: only the embedder's clock can call anything now. */
  private inMachine = false;
  private stopRequested = false;
  private destroyed = false;
  /** The machine threw: nothing may run on it any more. */
  private broken = false;

  constructor(settings: Settings, { onConsole, onSerial }: OutputCallbacks) {
    this.settings = settings;
    const onFull = (): void => this.pause();
    this.console = new Console(onConsole, onFull);
    this.serial =
      onSerial === undefined
        ? {}
        : {
            serial1: new SerialOutput((bytes) => onSerial(1, bytes), onFull),
            boardSerial: new SerialOutput((bytes) => onSerial(2, bytes), onFull),
          };
  }

  /** Physical memory as the guest sees it, for whoever loads a kernel. */
  abstract readonly memory: BootMemory;
  /** Puts the CPU into the state in which the board's monitor enters a kernel. */
  abstract start(boot: BootState): void;

  /**
   * Runs the machine up to tick `limit`, or until something happens. "running" if it was paused as well. The guest is
   * on `hostCpu`, or if that is undefined where it was.
   */
  protected abstract runMachine(limit: number, hostCpu: number | undefined): RunResult;
  /** Makes `runMachine` come back. */
  protected abstract pause(): void;
  /** Gives back what the guest has. */
  protected abstract release(): void;
  abstract stats(): Stats;
  abstract inspect(): Inspection;
  abstract readonly debug: DebugView;
  abstract readonly hostDebug: DebugView | null;

  /** The guest turns the machine off, or asks for a reset. */
  protected turnOff(how: "power-off" | "reset"): void {
    this.end = { kind: "off", how };
    this.pause();
  }

  run(ticks: number, hostCpu?: number): RunResult {
    checkTicks(ticks);
    checkHostCpu(hostCpu, this.machine.cpus.length);
    if (this.running) throw new GuestBusyError();
    this.running = true;
    this.stopRequested = false;
    try {
      return (
        this.end ??
        this.runOn(
          this.onMachine(({ timeline }) => timeline.now() + Math.ceil(ticks)),
          hostCpu,
        )
      );
    } finally {
      this.running = false;
      if (this.destroyed) this.giveBack();
    }
  }

  private get outputs(): readonly SerialOutput[] {
    const { serial1, boardSerial } = this.serial;
    return [this.console, serial1, boardSerial].filter((line) => line !== undefined);
  }

  /** Runs up to tick `limit`, in stretches between which the console is flushed. */
  private runOn(limit: number, hostCpu: number | undefined): RunResult {
    for (;;) {
      const result = this.onMachine(() => this.runMachine(limit, hostCpu));
      const paused = this.onMachine(({ timeline }) => result.kind === "running" && timeline.now() < limit);
      if (result.kind === "failed") this.end = result;
      for (const line of this.outputs) line.flush();
      if (this.end !== null) return this.end;
      if (!paused || this.stopRequested) return result;
    }
  }

  // --- snapshots ---

  save(): Uint8Array {
    const image = this.capture();
    if (this.vm?.vcpus.some(({ isInHandler }) => isInHandler) === true)
      throw new SnapshotError("the hypervisor's code is in the middle of something: run the guest on first");
    return encodeSnapshot(image);
  }

  hash(): string {
    return crc32(encodeSnapshot(this.capture())).toString(16).padStart(8, "0");
  }

  /**
   * The state of the guest. Pages of RAM that are as in `before` are shared with it. Console input that the guest has
   * not taken yet is left out if `withInput` is false.
   */
  capture({ before, withInput = true }: CaptureOptions = {}): GuestImage {
    if (this.inMachine) throw new GuestBusyError();
    if (this.destroyed || this.broken)
      throw new SnapshotError("the guest is no more: there is nothing to save");
    const { machine, vm, board, devices, settings } = this;
    const state = new ByteWriter();
    this.stateField.write(state, {
      machine: machine.snapshot(),
      vm: vm?.snapshot() ?? null,
      board: board.snapshot(),
      devices: devices.snapshot(),
      input: withInput ? this.console.snapshot() : new Uint8Array(0),
      end: this.end,
    });
    return {
      settings,
      state: state.bytes,
      ram: captureRam(machine, (offset) => this.pageKind(offset), before),
    };
  }

  /**
   * Takes over the state of a guest with the same settings. With `isForeign` it is one that may say anything, and this
   * guest has never been run. Throws SnapshotError; it must not be run then.
   */
  reinstate({ state: kept, ram }: Omit<GuestImage, "settings">, isForeign = false): void {
    if (this.running) throw new GuestBusyError();
    const { machine, vm, board, devices } = this;
    const reader = new ByteReader(kept, "state");
    const state = this.stateField.read(reader);
    reader.end();
    devices.check(state.devices);
    vm?.beforeRestore();
    restoreRam(machine, (offset) => this.pageKind(offset), ram);
    machine.restore(state.machine);
    if (vm !== null && state.vm !== null) {
      vm.restore(state.vm);
      if (isForeign) vm.checkRestored(state.vm, state.machine);
    }
    board.restore(state.board);
    devices.restore(state.devices);
    this.console.restore(state.input);
    for (const line of this.outputs) line.clear();
    this.end = state.end;
  }

  private pageKind(offset: number): PageKind {
    return this.vm?.pageKind(offset) ?? "contents";
  }

  /** How the state is kept. */
  private get stateField(): Field<GuestState> {
    return record<GuestState>({
      machine: machineSnapshot(this.machine.config),
      vm: this.vm?.snapshotField ?? nothing,
      board: MALTA_STATE,
      devices: ADDED_DEVICES_STATE,
      input: byteString(MOST_INPUT),
      end: orNull(END),
    });
  }

  /** What throws in the middle of the machine, a defect or the embedder's clock, ends the guest for good. */
  private onMachine<Result>(action: (machine: Machine) => Result): Result {
    this.inMachine = true;
    try {
      return action(this.machine);
    } catch (error) {
      this.broken = true;
      this.end = { kind: "failed", report: `the guest cannot go on: ${String(error)}` };
      throw error;
    } finally {
      this.inMachine = false;
    }
  }

  // --- a debugger ---

  /** From now on `run` comes back when a step of a view is over. */
  protected abstract beginStep(view: DebugView["name"]): void;
  protected abstract endStep(view: DebugView["name"]): void;

  /** Runs to the end of a step of a view, by `run`. */
  step(view: DebugView["name"], run = (): RunResult => this.run(Infinity)): RunResult {
    if (this.running) throw new GuestBusyError();
    this.beginStep(view);
    try {
      return run();
    } finally {
      this.endStep(view);
    }
  }

  /** Where it is. */
  get place(): Place {
    const { machine } = this;
    return {
      executed: machine.instructions,
      time: this.time,
      pc: machine.cpu.pc,
      instructions: this.instructions,
      guestPc: this.debug.readRegister("pc")!,
    };
  }

  /** Does `action`, in which nothing stops at breakpoints and watchpoints. */
  withoutPoints<Result>(action: () => Result): Result {
    const { debug } = this.machine;
    debug.ignoresPoints = true;
    try {
      return action();
    } finally {
      debug.ignoresPoints = false;
    }
  }

  /** Has the guest stop at `place`, while `action` is under way. */
  withMark<Result>({ pc, executed }: Place, action: () => Result): Result {
    const { machine } = this;
    // The CPU asks in the middle of the instruction, which counts as retired.
    const mark = { address: pc, applies: () => machine.instructions - 1 === executed };
    machine.debug.addBreakpoint(mark);
    try {
      return action();
    } finally {
      machine.debug.remove(mark);
    }
  }

  stop(): void {
    if (!this.running) return;
    this.stopRequested = true;
    this.pause();
  }

  sendInput(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("console input is no Uint8Array");
    if (!this.destroyed) this.console.send(bytes);
  }
  /** Lets ticks pass in which the guest executes nothing. Does nothing by the wall clock. */
  passTime(ticks: number): void {
    this.machine.timeline.pass(ticks);
  }
  /** Instructions that the guest has executed. */
  get instructions(): number {
    return this.machine.guestInstructions;
  }
  get time(): number {
    return this.machine.timeline.now();
  }
  get inputPending(): number {
    return this.console.pending;
  }
  /** Ticks that will pass before the guest executes an instruction, for all that is known now. */
  get ticksToWait(): number {
    return this.isWaiting ? this.machine.timeline.untilNextTimer() : 0;
  }
  protected abstract readonly isWaiting: boolean;
  /** A copy of that input. */
  get pendingInput(): Uint8Array {
    return this.console.snapshot();
  }
  /** Puts `input` in the place of what the guest has not taken yet. */
  set pendingInput(input: Uint8Array) {
    this.console.restore(input);
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.end ??= { kind: "off", how: "power-off" };
    if (this.running) this.pause();
    else this.giveBack();
  }

  private giveBack(): void {
    if (!this.broken) this.release();
  }
}

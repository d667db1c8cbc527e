import { CAUSE, CP0 } from "../isa/cp0.ts";
import { Bus } from "./bus.ts";
import { Cpu, EXIT } from "./cpu.ts";
import type { CpuModel } from "./cpu-models.ts";
import { Memory, type Endian } from "./memory.ts";
import { Mmu, type RamRegion } from "./mmu.ts";
import { PageWalker } from "./page-walker.ts";
import { PAGE_SHIFT, RECORD } from "./state-layout.ts";
import { SystemOps } from "./system-ops.ts";
import { MachineTimeline, type WallClock } from "./machine-timeline.ts";
import { wakeUpOf } from "./wake-up.ts";

/** What executes instructions on a machine's state. Interpreter and translator both implement it. */
export interface Engine {
  /**
   * Executes until the slice that the CPU opened is used up or something else ends it; returns an `EXIT`
   * reason. Never blocks and never throws for anything a guest does.
   */
  run(): number;
}

export type EngineFactory = (machine: Machine) => Engine;

export interface MachineConfig {
  readonly model: CpuModel;
  readonly endian: Endian;
  /** Bytes of RAM, a multiple of 64 KiB. */
  readonly ramBytes: number;
  /** Where RAM appears in the physical address space; by default at 0. */
  readonly ramRegions?: readonly RamRegion[];
  /**
   * Whose instructions make time pass: "all", or only those executed in user mode, where the guest of a
   * trap-and-emulate hypervisor runs. In the second case handlers and hypervisor take no guest time.
   */
  readonly guestTime: "all" | "user";
  /** SDBBP in kernel mode leaves the machine: the hypervisor's way out of its generated code. */
  readonly hostCalls: boolean;
  /** Present: time follows this clock instead of retired instructions. */
  readonly wallClock?: WallClock;
}

/** Why `run` came back. */
export type StopReason =
  /** SDBBP `code` in kernel mode: the embedder is to act, then run again. */
  | { readonly kind: "host-call"; readonly code: number }
  /**
   * The CPU waits. Under a wall clock the next timer is `ticks` away. `ticks` is Infinity if no timer is armed
   * that could wake it, only input from outside can.
   */
  | { readonly kind: "idle"; readonly ticks: number }
  /** The CPU waits with every hardware interrupt disabled: nothing can wake it. */
  | { readonly kind: "halted" }
  /** The given number of instructions was executed. */
  | { readonly kind: "budget" }
  /** `stop` was called. */
  | { readonly kind: "stopped" };

/** Name of the timer that CP0 Count and Compare are. It is always armed while Count runs. */
export const COUNT_COMPARE_TIMER = "count-compare";

/** Longest run of host code (handlers) between two looks at the clock, in instructions. */
const HOST_SLICE = 1_000_000;
/** V8 replaces running code only between calls: a limited slice lets the optimised interpreter take over. */
const WARM_UP_SLICE = 50_000;
const WARM_UP_INSTRUCTIONS = 5_000_000;

/**
 * A MIPS machine: CPU, memory, bus and time. It is also the host that the hypervisor runs on. One owner for
 * each piece of state: registers and CP0 `cpu`, address translation `mmu`, privileged operations `ops`,
 * devices `bus`, time `timeline`.
 */
export class Machine {
  readonly config: MachineConfig;
  readonly memory: Memory;
  readonly cpu: Cpu;
  readonly bus = new Bus();
  readonly mmu: Mmu;
  readonly ops: SystemOps;
  readonly timeline: MachineTimeline;
  private readonly engine: Engine;
  /** Told of RAM pages with decoded code that are written to. */
  onCodeWritten: ((page: number) => void) | null = null;
  private stopRequested = false;
  private limit = Infinity;
  /** Whether guest time passes now: the answer for the mode that the current slice runs in. */
  private guestRuns = false;
  /** WAIT was executed and no interrupt has ended it yet. */
  private waiting = false;

  constructor(config: MachineConfig, createEngine: EngineFactory) {
    this.config = config;
    this.memory = new Memory(config.ramBytes, config.endian);
    this.cpu = new Cpu(config.model, this.memory);
    this.cpu.hostCalls = config.hostCalls;
    this.cpu.exceptionsTakeTime = config.guestTime === "all";
    const ram = config.ramRegions ?? [{ base: 0, size: config.ramBytes, offset: 0 }];
    this.mmu = new Mmu(this.cpu, this.memory, this.bus, ram);
    this.ops = new SystemOps(this.cpu, this.mmu);
    this.cpu.peekInstruction = (va) => {
      const pa = this.mmu.peek(va, this.cpu.mode, this.cpu.asid);
      const offset = pa < 0 ? -1 : this.mmu.ramOffset(pa);
      return offset < 0 ? 0 : this.memory.read32(offset) | 0;
    };
    if (config.model.pageWalker) {
      const walker = new PageWalker(this.cpu, this.mmu, this.memory, this.ops);
      this.mmu.walk = (va) => walker.walk(va);
    }
    this.timeline = new MachineTimeline(
      () => (this.guestRuns ? this.cpu.retiredInSlice : 0),
      config.wallClock,
    );
    this.timeline.onSooner = () => {
      if (this.guestRuns) this.shortenSlice();
    };
    this.timeline.register(COUNT_COMPARE_TIMER, () => this.compareReached());
    this.cpu.clock = {
      count: () => this.count(),
      setCount: (value) => this.setCount(value),
      rearm: () => this.rearm(),
      // A bare machine's time passes in every mode.
      modeChanged: () => {
        if (config.guestTime === "user") this.reopenSlice();
      },
    };
    this.engine = createEngine(this);
    this.reopenSlice();
  }

  /** Instructions retired since reset, whoever's they were. */
  get instructions(): number {
    return this.cpu.instructions;
  }

  /** Instructions retired by the guest: all of them, or those of user mode (`MachineConfig.guestTime`). */
  get guestInstructions(): number {
    return this.timeline.retired;
  }

  /** Makes `run` return before the next instruction. */
  stop(): void {
    this.stopRequested = true;
    this.cpu.endSlice();
  }

  /**
   * Executes until something asks for the embedder, or `ticks` of guest time have passed, counted from now.
   */
  run(ticks = Infinity): StopReason {
    this.limit = this.timeline.now() + Math.ceil(ticks);
    this.stopRequested = false;
    for (;;) {
      this.timeline.fireDue();
      if (this.stopRequested) return { kind: "stopped" };
      if (this.waiting) {
        const wakeUp = wakeUpOf(this.cpu.cp0[CP0.Status]!, this.cpu.cp0[CP0.IntCtl]!);
        if (this.cpu.pendingInterrupts !== 0) this.waiting = false;
        else if (wakeUp === "nothing") return { kind: "halted" };
        else if (this.timeline.now() >= this.limit) return { kind: "budget" };
        else if (wakeUp === "device" && !this.timeline.isArmedBesides(COUNT_COMPARE_TIMER))
          return { kind: "idle", ticks: Infinity };
        else if (!this.timeline.skipTo(this.limit))
          return { kind: "idle", ticks: this.timeline.untilNextTimer() };
        continue;
      }
      if (this.timeline.now() >= this.limit) return { kind: "budget" };
      if (this.cpu.interruptDeliverable) this.cpu.takeInterrupt();
      this.reopenSlice();
      const reason = this.engine.run();
      if (reason === EXIT.hostCall) return { kind: "host-call", code: this.cpu.hostCallCode };
      if (reason === EXIT.wait) this.waiting = true;
    }
  }

  /**
   * Executes host code from `pc` up to its next host call, and returns that call's code. No guest time passes and no
   * timer is looked at: for a hypervisor that is in the middle of handling an exit. The CPU must be in kernel mode,
   * with interrupts off.
   */
  callHostCode(pc: number): number {
    this.cpu.setPc(pc);
    for (;;) {
      this.cpu.openSlice(HOST_SLICE);
      if (this.engine.run() === EXIT.hostCall) return this.cpu.hostCallCode;
    }
  }

  // --- slices: stretches of execution in which guest time either passes or stands still ---

  private reopenSlice(): void {
    if (this.guestRuns) this.timeline.retire(this.cpu.retiredInSlice);
    this.guestRuns = this.config.guestTime === "all" || !this.cpu.isKernel;
    const room = this.guestRuns
      ? Math.min(this.timeline.untilNext(), this.limit - this.timeline.now())
      : HOST_SLICE;
    const warm = this.cpu.instructions > WARM_UP_INSTRUCTIONS;
    this.cpu.openSlice(Math.max(0, Math.min(room, warm ? HOST_SLICE : WARM_UP_SLICE)));
    if (this.cpu.interruptDeliverable || this.stopRequested) this.cpu.endSlice();
  }

  /** A timer was armed that may fall due within the current slice. */
  private shortenSlice(): void {
    const room = Math.max(0, this.timeline.untilNext());
    this.cpu.shortenSlice(room);
  }

  // --- CP0 Count and Compare ---

  /** Ticks at which Count was 0 (or would have been), and the value at which it stopped, if it is stopped. */
  private countBase = 0;
  private countStopped: number | null = null;

  private get ticksPerCount(): number {
    return this.config.model.ccres;
  }

  private count(): number {
    if (this.countStopped !== null) return this.countStopped;
    return Math.floor((this.timeline.now() - this.countBase) / this.ticksPerCount) % 2 ** 32;
  }

  private setCount(value: number): void {
    if (this.countStopped !== null) this.countStopped = value >>> 0;
    else this.countBase = this.timeline.now() - (value >>> 0) * this.ticksPerCount;
    this.rearm();
  }

  /** Compare, Count or Cause.DC changed. */
  private rearm(): void {
    const stop = (this.cpu.cp0[CP0.Cause]! & CAUSE.DC) !== 0;
    if (stop !== (this.countStopped !== null)) {
      const count = this.count();
      this.countStopped = stop ? count : null;
      if (!stop) this.countBase = this.timeline.now() - count * this.ticksPerCount;
    }
    if (this.countStopped !== null) {
      this.timeline.cancel(COUNT_COMPARE_TIMER);
      return;
    }
    const compare = this.cpu.cp0[CP0.Compare]! >>> 0;
    const distance = (compare - this.count()) >>> 0;
    // Equal now means: equal again after a whole turn.
    const counts = distance === 0 ? 2 ** 32 : distance;
    const phase = (this.timeline.now() - this.countBase) % this.ticksPerCount;
    this.timeline.schedule(COUNT_COMPARE_TIMER, this.timeline.now() - phase + counts * this.ticksPerCount);
  }

  private compareReached(): void {
    this.cpu.setTimerInterrupt(true);
    this.rearm();
  }

  // --- physical memory, as the embedder and the hypervisor use it ---

  /** Writes the word at RAM offset `offset`; decoded code there is decoded anew. */
  write32(offset: number, value: number): void {
    this.memory.write32(offset, value);
    this.codeWritten(offset, 4);
  }

  /** Writes bytes at RAM offset `offset`; decoded code there is decoded anew. */
  writeBytes(offset: number, bytes: Uint8Array): void {
    this.memory.writeBytes(offset, bytes);
    this.codeWritten(offset, bytes.length);
  }

  /** Forgets what was decoded of the words in `length` bytes of RAM from `offset`. */
  codeWritten(offset: number, length: number): void {
    const { i32, u8, plan } = this.memory;
    for (let at = offset & ~3; at < offset + length;) {
      const records = i32[(plan.codeMap >>> 2) + (at >>> PAGE_SHIFT)]!;
      if (records === 0) {
        at = ((at >>> PAGE_SHIFT) + 1) << PAGE_SHIFT;
        continue;
      }
      this.onCodeWritten?.(at >>> PAGE_SHIFT);
      // Only the operation: an SC that stores to itself has yet to find its register in the record.
      const operation = records + ((at & 0xffc) >>> 2) * RECORD.bytes + RECORD.op;
      u8[operation] = 0;
      u8[operation + 1] = 0;
      at += 4;
    }
  }
}

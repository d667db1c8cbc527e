import { CP0 } from "../isa/cp0.ts";
import { Bus } from "./bus.ts";
import { CountCompare } from "./count-compare.ts";
import { Cpu } from "./cpu.ts";
import { EXIT } from "./cpu-contracts.ts";
import type { CpuModel } from "./cpu-models.ts";
import { MachineDebug, type DebugStop } from "./debug.ts";
import type { MachineSnapshot } from "./machine-snapshot.ts";
import { FpuInstructions } from "./fpu/fpu-instructions.ts";
import { Memory, type Endian } from "./memory.ts";
import { Mmu, type RamRegion } from "./mmu.ts";
import { PageWalker } from "./page-walker.ts";
import { ParkedLinks } from "./parked-links.ts";
import { RefillLog } from "./refill-log.ts";
import { PAGE_SHIFT, PAGE_SIZE, RECORD } from "./state-layout.ts";
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
  /** CPUs, all of that model, 1 (the default) to {@link MAX_CPUS}. */
  readonly cpus?: number;
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
  /** Each refill exception is told to {@link Cpu.onRefill}: none is taken by the engine alone. Slow. */
  readonly reportRefills?: boolean;
  /** Each CPU keeps which pages its last refill exceptions were for: {@link Cpu.refillLog}. */
  readonly refillLog?: boolean;
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
  | { readonly kind: "stopped" }
  /** A breakpoint or watchpoint was met, or the end of a step (`Machine.debug`). */
  | { readonly kind: "debug"; readonly stop: DebugStop };

/** CPUs that a machine can have. */
export const MAX_CPUS = 8;

/** `executeOn` was called for a CPU that there is not, or while a CPU was executing. */
export class CpuSwitchError extends Error {
  readonly cpu: number;
  constructor(cpu: number, why: string) {
    super(`CPU ${cpu} cannot execute: ${why}`);
    this.name = "CpuSwitchError";
    this.cpu = cpu;
  }
}

const STEPPED: StopReason = { kind: "debug", stop: { kind: "step" } };
/** Longest run of host code (handlers) between two looks at the clock, in instructions. */
const HOST_SLICE = 1_000_000;
/** By the wall clock guest time passes more slowly: the handlers of a guest's traps take none of it. In ticks. */
const WALL_SLICE_OF_GUEST = 50_000;
/** V8 replaces running code only between calls: a limited slice lets the optimised interpreter take over. */
const WARM_UP_SLICE = 50_000;
const WARM_UP_INSTRUCTIONS = 5_000_000;

/**
 * A MIPS machine: CPUs, memory, bus and time. It is also the host that the hypervisor runs on. One owner for
 * each piece of state: registers and CP0 `cpu`, address translation `mmu`, privileged operations `ops`,
 * devices `bus`, time `timeline`.
 *
 * Of several CPUs one executes, the others stand still; the embedder decides which ({@link executeOn}). So a machine
 * with several is as deterministic as one with one. They share memory, bus and time; each has its own registers, TLB,
 * LL link, and Count and Compare.
 */
export class Machine {
  readonly config: MachineConfig;
  readonly memory: Memory;
  readonly cpus: readonly Cpu[];
  readonly bus = new Bus();
  readonly mmu: Mmu;
  readonly ops: SystemOps;
  /** The hardware page walker of the CPUs, null if the model has none. */
  readonly pageWalker: PageWalker | null;
  /** What the FPU executes, null if the CPUs have none. */
  readonly fpuInstructions: FpuInstructions | null;
  readonly timeline: MachineTimeline;
  readonly debug: MachineDebug;
  private readonly engine: Engine;
  /** Told of RAM pages with decoded code that are written to. */
  onCodeWritten: ((page: number) => void) | null = null;
  private executing: Cpu;
  private readonly links = new ParkedLinks();
  /** Names of the timers of all CPUs' Count and Compare. */
  readonly countTimers: readonly string[];
  private readonly counts: readonly CountCompare[];
  private engineRuns = false;
  private stopRequested = false;
  private limit = Infinity;

  constructor(config: MachineConfig, createEngine: EngineFactory) {
    this.config = config;
    const count = config.cpus ?? 1;
    if (!Number.isInteger(count) || count < 1 || count > MAX_CPUS)
      throw new RangeError(`a machine of ${count} CPUs: there can be 1 to ${MAX_CPUS}`);
    this.memory = new Memory(config.ramBytes, config.endian, count);
    this.cpus = Array.from({ length: count }, (_, number) => new Cpu(config.model, this.memory, number));
    this.executing = this.cpus[0]!;
    const ram = config.ramRegions ?? [{ base: 0, size: config.ramBytes, offset: 0 }];
    this.mmu = new Mmu(this.cpu, this.memory, this.bus, ram);
    this.ops = new SystemOps(this.cpu, this.mmu);
    this.fpuInstructions =
      config.model.fpu === null ? null : new FpuInstructions(() => this.cpu, this.mmu, this);
    this.pageWalker = config.model.pageWalker ? new PageWalker(this.mmu, this.memory, this.ops) : null;
    const walker = this.pageWalker;
    if (walker !== null) this.mmu.walk = (va) => walker.walk(va);
    this.timeline = new MachineTimeline(
      this.countRetired(),
      config.wallClock,
      config.guestTime === "all" ? undefined : WALL_SLICE_OF_GUEST,
    );
    this.timeline.onSooner = () => this.shortenSlice();
    this.debug = new MachineDebug(this);
    this.counts = this.cpus.map((cpu) => this.connect(cpu));
    this.countTimers = this.counts.map(({ name }) => name);
    this.engine = createEngine(this);
    this.reopenSlice();
  }

  /** Has `cpu` see memory and time. */
  private connect(cpu: Cpu): CountCompare {
    const { guestTime, hostCalls, refillLog = false } = this.config;
    if (refillLog) cpu.refillLog = new RefillLog(this.memory.i32, cpu.number);
    cpu.hostCalls = hostCalls;
    cpu.exceptionsTakeTime = guestTime === "all";
    cpu.peekInstruction = (va) => {
      const pa = this.mmu.peek(va, cpu.mode, cpu.asid);
      const offset = pa < 0 ? -1 : this.mmu.ramOffset(pa);
      return offset < 0 ? 0 : this.memory.read32(offset) | 0;
    };
    const timer = new CountCompare(this.timeline, cpu);
    cpu.clock = {
      count: () => timer.count(),
      setCount: (value) => timer.setCount(value),
      rearm: () => timer.rearm(),
      // A bare machine's time passes in every mode.
      modeChanged: () => {
        if (guestTime === "all") return;
        cpu.retireElsewhere();
        if (cpu === this.executing) this.reopenSlice();
      },
    };
    return timer;
  }

  // --- which CPU executes ---

  /** The CPU that executes, or will when the machine is run. */
  get cpu(): Cpu {
    return this.executing;
  }

  /**
   * From now on CPU `number` executes and the others stand still, each where it is. Not to be called by what the
   * engine calls. Throws {@link CpuSwitchError}.
   */
  executeOn(number: number): void {
    const before = this.executing;
    if (number === before.number) return;
    const next = this.cpus[number];
    if (next === undefined) throw new CpuSwitchError(number, `there are ${this.cpus.length}`);
    if (this.engineRuns)
      throw new CpuSwitchError(number, `CPU ${before.number} is in the middle of something`);
    before.openSlice(0);
    this.watchLink(before);
    this.links.remove(next);
    this.exchange(next);
    for (const page of this.links.pages)
      next.translations.protectPage(this.memory.plan.ram + (page << PAGE_SHIFT));
    this.reopenSlice();
  }

  /** A CPU that stands still loses its link when another one stores there. */
  private watchLink(cpu: Cpu): void {
    const linked = cpu.llBit ? this.mmu.ramOffset(cpu.linkedAddress) : -1;
    if (linked >= 0) this.links.add(cpu, linked);
  }

  /** Puts the state block of `next` where that of the executing CPU is. */
  private exchange(next: Cpu): void {
    this.executing.park();
    next.unpark();
    this.executing = next;
    this.mmu.cpu = next;
    this.ops.cpu = next;
  }

  /** Instructions retired since reset, whoever's they were. */
  get instructions(): number {
    return this.cpus.length === 1 ? this.executing.instructions : this.sum((cpu) => cpu.instructions);
  }
  /** What counts the instructions that the guest has retired. It is asked some times at each exit of one. */
  private countRetired(): () => number {
    if (this.config.guestTime === "all") return () => this.instructions;
    const [cpu, ...others] = this.cpus as [Cpu, ...Cpu[]];
    return others.length === 0 ? () => cpu.userInstructions : () => this.sum((each) => each.userInstructions);
  }
  /** Exceptions taken at the refill vectors since reset. */
  get refills(): number {
    return this.sum((cpu) => cpu.refills);
  }
  /** TLB entries written since reset. */
  get tlbWrites(): number {
    return this.sum((cpu) => cpu.tlbWrites);
  }
  /** The sum over all CPUs. */
  private sum(of: (cpu: Cpu) => number): number {
    let sum = 0;
    for (const cpu of this.cpus) sum += of(cpu);
    return sum;
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
    return this.runUntil(this.timeline.now() + ticks);
  }

  /** As {@link run}, up to the time `limit`. */
  runUntil(limit: number): StopReason {
    this.limit = Math.ceil(limit);
    this.stopRequested = false;
    for (;;) {
      const now = this.timeline.fireDue();
      if (this.stopRequested) return { kind: "stopped" };
      if (this.debug.isStepping && this.debug.stepIsOver) return STEPPED;
      if (this.cpu.waiting) {
        const idle = this.wait(now);
        if (idle !== null) return idle;
        continue;
      }
      if (now >= this.limit) return { kind: "budget" };
      if (this.cpu.interruptDeliverable) {
        this.cpu.takeInterrupt();
        if (this.debug.stepsHere) return STEPPED;
      }
      this.reopenSlice(now);
      const reason = this.runEngine();
      if (reason === EXIT.debug) return { kind: "debug", stop: this.debug.takeStop() };
      if (reason === EXIT.hostCall) return { kind: "host-call", code: this.cpu.hostCallCode };
      if (reason === EXIT.wait) this.cpu.waiting = true;
    }
  }

  /** The CPU waits at time `now`: ends that, or passes time. A reason to come back if it can do neither. */
  private wait(now: number): StopReason | null {
    const { cpu, timeline } = this;
    const wakeUp = wakeUpOf(cpu.cp0[CP0.Status]!, cpu.cp0[CP0.IntCtl]!);
    if (cpu.pendingInterrupts !== 0) cpu.waiting = false;
    else if (wakeUp === "nothing") return { kind: "halted" };
    else if (now >= this.limit) return { kind: "budget" };
    else if (wakeUp === "device" && !timeline.isArmedBesides(...this.countTimers))
      return { kind: "idle", ticks: Infinity };
    else if (!timeline.skipTo(this.limit)) return { kind: "idle", ticks: timeline.untilNextTimer() };
    return null;
  }

  /**
   * Executes host code from `pc` up to its next host call, and returns that call's code. No guest time passes and no
   * timer is looked at, nor anything that a debugger is to stop for: for a hypervisor that is in the middle of handling
   * an exit. The CPU must be in kernel mode, with interrupts off.
   */
  callHostCode(pc: number): number {
    this.cpu.setPc(pc);
    this.debug.quiet = true;
    do this.cpu.openSlice(HOST_SLICE);
    while (this.runEngine() !== EXIT.hostCall);
    this.debug.quiet = false;
    return this.cpu.hostCallCode;
  }

  private runEngine(): number {
    this.engineRuns = true;
    try {
      return this.engine.run();
    } finally {
      this.engineRuns = false;
    }
  }

  // --- slices: stretches of execution in which guest time either passes or stands still ---

  /** Whether guest time passes now. */
  private get guestRuns(): boolean {
    return this.config.guestTime === "all" || !this.cpu.isKernel;
  }

  private reopenSlice(now = this.timeline.now()): void {
    const longest = this.cpu.instructions > WARM_UP_INSTRUCTIONS ? HOST_SLICE : WARM_UP_SLICE;
    const guestSlice = Math.max(0, Math.min(this.timeline.untilNext(now, this.limit), longest));
    this.cpu.guestRemaining = guestSlice;
    this.cpu.hostSlice = longest;
    this.cpu.openSlice(this.guestRuns ? guestSlice : longest);
    if (this.debug.isStepping) this.limitToStep();
    if (this.cpu.interruptDeliverable || this.stopRequested) this.cpu.endSlice();
  }

  /** Has the engine come back where a step may be over. */
  private limitToStep(): void {
    const { cpu, debug } = this;
    const room = debug.stepRoom;
    cpu.guestRemaining = Math.min(cpu.guestRemaining, room);
    if (debug.stepsHere) cpu.shortenSlice(room);
    // What raises in user mode is a step of the host's by itself.
    if (debug.stepsAll) cpu.hostSlice = 0;
  }

  /** A timer was armed that may fall due within the current slice. */
  private shortenSlice(): void {
    const room = Math.max(0, this.timeline.untilNext(this.timeline.now()));
    if (this.guestRuns) this.cpu.shortenSlice(room);
    else if (room < this.cpu.guestRemaining) this.cpu.guestRemaining = room;
  }

  // --- snapshots ---

  /** All that the machine is but RAM and devices. Not to be called while it executes. */
  snapshot(): MachineSnapshot {
    return {
      executing: this.executing.number,
      cpus: this.cpus.map((cpu, n) => ({
        cpu: cpu.snapshot(),
        tlb: cpu.tlb.snapshot(),
        count: this.counts[n]!.snapshot(),
      })),
      timeline: this.timeline.snapshot(),
    };
  }

  /** Takes over the state of a machine of the same configuration. Throws SnapshotError. */
  restore({ executing, cpus, timeline }: MachineSnapshot): void {
    this.limit = Infinity;
    this.stopRequested = false;
    if (executing !== this.executing.number) this.exchange(this.cpus[executing]!);
    this.links.clear();
    for (const [n, { cpu: saved, tlb, count }] of cpus.entries()) {
      const cpu = this.cpus[n]!;
      cpu.restore(saved);
      // What the registers say decides which entries there are.
      cpu.tlb.restore(tlb);
      this.counts[n]!.restore(count);
      if (n !== executing) this.watchLink(cpu);
    }
    this.timeline.restore(timeline);
    this.debug.forgetReports();
    this.reopenSlice();
  }

  /** Replaces the page of RAM at offset `offset`; null stands for zeros. */
  restorePage(offset: number, page: Uint8Array | null): void {
    const at = this.memory.plan.ram + offset;
    if (page === null) this.memory.u8.fill(0, at, at + PAGE_SIZE);
    else this.memory.u8.set(page, at);
    this.stored(offset, PAGE_SIZE);
  }

  // --- physical memory, as the embedder and the hypervisor use it ---

  /** Writes the word at RAM offset `offset`; decoded code there is decoded anew. */
  write32(offset: number, value: number): void {
    this.memory.write32(offset, value);
    this.stored(offset, 4);
  }

  /** Writes bytes at RAM offset `offset`; decoded code there is decoded anew. */
  writeBytes(offset: number, bytes: Uint8Array): void {
    this.memory.writeBytes(offset, bytes);
    this.stored(offset, bytes.length);
  }

  /** True if each store to the page of RAM at `offset` has to be reported to {@link stored}. */
  watches(offset: number): boolean {
    const { i32, plan } = this.memory;
    return i32[(plan.codeMap >>> 2) + (offset >>> PAGE_SHIFT)] !== 0 || this.links.isNear(offset);
  }

  /**
   * `length` bytes of RAM from `offset` were stored to: what was decoded of their words is forgotten, and links of
   * other CPUs end.
   */
  stored(offset: number, length: number): void {
    this.links.stored(offset, length);
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

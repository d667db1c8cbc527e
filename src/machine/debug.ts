import { decoderFor } from "../isa/decode.ts";
import { lowerRow } from "../isa/instructions.ts";
import { EXIT } from "./cpu-contracts.ts";
import type { Cpu } from "./cpu.ts";
import { ACCESS, type Access, type AccessWatch, type Mmu } from "./mmu.ts";
import { KSEG0 } from "./segments.ts";
import { PAGE_SIZE, STATE } from "./state-layout.ts";

/** Execution stops in front of the instruction at virtual address `address`. */
export interface Breakpoint {
  readonly address: number;
  /** Asked when the CPU comes there, in the middle of execution: whether this is a place to stop. Default: always. */
  readonly applies?: () => boolean;
}

/** Execution stops in front of an instruction that accesses one of `length` bytes from virtual address `address`. */
export interface Watchpoint extends Breakpoint {
  readonly length: number;
  readonly access: "read" | "write" | "access";
}

/** Why the machine stopped for a debugger: in front of the instruction at PC. */
export type DebugStop =
  | { readonly kind: "breakpoint" }
  /** `address` is the first watched byte that the instruction accesses. */
  | {
      readonly kind: "watchpoint";
      readonly watchpoint: Watchpoint;
      readonly address: number;
      readonly access: "read" | "write";
    }
  | { readonly kind: "step" };

/** Whose instructions a step counts: all, or those of user mode. */
export type Stepping = "all" | "user";

/** What the debugger needs of the machine. */
interface DebuggedMachine {
  readonly cpu: Cpu;
  readonly cpus: readonly Cpu[];
  readonly mmu: Mmu;
  readonly config: { readonly guestTime: "all" | "user" };
  readonly instructions: number;
  readonly guestInstructions: number;
}

/** A moment between two instructions: how many came before it, and where the CPU is. */
interface Moment {
  readonly count: number;
  readonly pc: number;
}

/** A moment, and what execution has stopped for then. */
interface Reported extends Moment {
  readonly points: Set<Breakpoint>;
}

/**
 * Breakpoints, watchpoints and steps of a machine.
 *
 * A stop comes in front of an instruction, of which nothing has happened and which has not counted: a machine that is
 * run on does what it would have done without. It stops once for each point that an instruction is in the way of. What
 * counts as the same instruction is that of the guest, which does not see how often the host lets it try; code of the
 * hypervisor's host has moments of its own.
 */
export class MachineDebug implements AccessWatch {
  /** Called when breakpoints were set or removed: decoded code has to be looked at anew. */
  onBreakpointsChanged: () => void = () => {};
  /** Nothing stops and no step ends: the embedder has host code executed in the middle of something. */
  quiet = false;
  /** Nothing stops at points, and none counts as met: nobody is there to be told. Steps end. */
  ignoresPoints = false;
  private readonly machine: DebuggedMachine;
  private readonly breakpoints = new Set<Breakpoint>();
  private readonly watchpoints = new Set<Watchpoint>();
  /** By whether it was in the host's code. */
  private readonly reported: [guest: Reported | null, host: Reported | null] = [null, null];
  private stop: DebugStop | null = null;
  private stepping: Stepping | null = null;
  /** Where the step began: `count` is of those instructions that it counts. */
  private stepStart: Moment = { count: 0, pc: 0 };

  constructor(machine: DebuggedMachine) {
    this.machine = machine;
    this.publish();
  }

  // --- points ---

  addBreakpoint(breakpoint: Breakpoint): void {
    this.breakpoints.add(breakpoint);
    this.breakpointsChanged();
  }

  addWatchpoint(watchpoint: Watchpoint): void {
    this.watchpoints.add(watchpoint);
    this.publish();
    const first = watchpoint.address & -PAGE_SIZE;
    const bytes = watchpoint.address - (first >>> 0) + watchpoint.length;
    for (const { translations } of this.machine.cpus) translations.invalidate(first, bytes, -1);
  }

  /** Removes a breakpoint or watchpoint. What the engine has not kept of watched pages it finds out again. */
  remove(point: Breakpoint): void {
    if (this.breakpoints.delete(point)) this.breakpointsChanged();
    else if (this.watchpoints.delete(point as Watchpoint)) this.publish();
  }

  private breakpointsChanged(): void {
    this.publish();
    this.onBreakpointsChanged();
  }

  /** Has the engine's generated code leave to the slow path what is to be looked at. */
  private publish(): void {
    const watching = this.watchpoints.size > 0;
    this.machine.mmu.watch = watching ? this : null;
    const kinds =
      (this.breakpoints.size > 0 ? 1 << ACCESS.fetch : 0) |
      (watching ? (1 << ACCESS.load) | (1 << ACCESS.store) : 0);
    const { ram } = this.machine.mmu;
    const plainBytes = watching ? 0 : Math.min(ram.find(({ base }) => base === 0)?.size ?? 0, KSEG0.bytes);
    for (const { state } of this.machine.cpus) {
      state[STATE.slowAccesses >>> 2] = kinds;
      state[STATE.plainWords >>> 2] = plainBytes >>> 2;
    }
  }

  get hasBreakpoints(): boolean {
    return this.breakpoints.size > 0;
  }

  /** Addresses of all breakpoints, some perhaps more than once. */
  get breakpointAddresses(): readonly number[] {
    return Array.from(this.breakpoints, ({ address }) => address);
  }

  /** Addresses of breakpoints on the page of RAM's size at virtual address `page`. */
  breakpointsOn(page: number): readonly number[] {
    return this.breakpointAddresses.filter((address) => ((address ^ page) & -PAGE_SIZE) === 0);
  }

  // --- what the engine asks, in the middle of an instruction, which counts as retired ---

  /** The CPU stands at an instruction on which there may be a breakpoint. True, with the exit requested, if it stops. */
  breaksHere(): boolean {
    if (this.quiet || this.ignoresPoints) return false;
    const here = this.currentMoment();
    const points = [...this.breakpoints].filter((point) =>
      this.isHit(point, point.address === here.pc, here),
    );
    if (points.length === 0) return false;
    this.stopHere({ kind: "breakpoint" }, here, points);
    return true;
  }

  stopsAccess(va: number, access: Access, size: number): boolean {
    if (this.quiet || this.ignoresPoints) return false;
    const here = this.currentMoment();
    for (const point of this.watchpoints) {
      if (!concerns(point, access) || !overlaps(point, va & -4, 8)) continue;
      const extent = size === 1 ? this.extentOf(va) : { va, bytes: size };
      if (extent === null || !this.isHit(point, overlaps(point, extent.va, extent.bytes), here)) continue;
      const address = Math.max(extent.va, point.address);
      const kind = access === ACCESS.store ? "write" : "read";
      this.stopHere({ kind: "watchpoint", watchpoint: point, address, access: kind }, here, [point]);
      return true;
    }
    return false;
  }

  isWatched(va: number, access: Access): boolean {
    const page = (va & -PAGE_SIZE) >>> 0;
    for (const point of this.watchpoints)
      if (concerns(point, access) && overlaps(point, page, PAGE_SIZE)) return true;
    return false;
  }

  /**
   * The bytes that the current instruction accesses if the slow path was asked for the one at `va`: LWL and its kin
   * access those from there to one end of the word. Null if it accesses none, as CACHE.
   */
  private extentOf(va: number): { readonly va: number; readonly bytes: number } | null {
    const { cpu } = this.machine;
    const row = decoderFor(cpu.model.isa)(cpu.peekInstruction(cpu.pc));
    const statement = row === null ? undefined : lowerRow(row).find(isAccess);
    if (statement === undefined) return null;
    if (statement.kind === "storeConditional" || typeof statement.width === "number") return { va, bytes: 1 };
    const towardsEnd = (statement.width === "left") === (cpu.memory.endian === "big");
    const lane = va & 3;
    return towardsEnd ? { va, bytes: 4 - lane } : { va: va - lane, bytes: lane + 1 };
  }

  private isHit(point: Breakpoint, isThere: boolean, here: Moment): boolean {
    return isThere && !this.wasReported(point, here) && (point.applies?.() ?? true);
  }

  /**
   * True if execution has stopped for `point` at this moment before. An access that the host has yet to make possible
   * is tried again, and so is the branch before it, which is in the past then.
   */
  private wasReported(point: Breakpoint, { count, pc }: Moment): boolean {
    const last = this.reported[this.context];
    if (last === null || count > last.count) return false;
    return count < last.count || (pc === last.pc && last.points.has(point));
  }

  /** Whose code the CPU is in: 0 the guest's, or anything on a machine that has but one; 1 the hypervisor's host. */
  private get context(): 0 | 1 {
    const { config, cpu } = this.machine;
    return config.guestTime === "user" && cpu.isKernel ? 1 : 0;
  }

  /** In front of the current instruction. */
  private currentMoment(): Moment {
    const { instructions, guestInstructions, cpu } = this.machine;
    return { count: (this.context === 1 ? instructions : guestInstructions) - 1, pc: cpu.pc };
  }

  private stopHere(stop: DebugStop, here: Moment, points: readonly Breakpoint[]): void {
    this.stop = stop;
    this.report(this.context, here, points);
    this.machine.cpu.exitBefore(EXIT.debug);
  }

  private report(context: 0 | 1, { count, pc }: Moment, points: readonly Breakpoint[]): void {
    const last = this.reported[context];
    const before = last !== null && last.count === count && last.pc === pc ? last.points : [];
    this.reported[context] = { count, pc, points: new Set([...before, ...points]) };
  }

  /** What the machine has just stopped for. */
  takeStop(): DebugStop {
    const { stop } = this;
    if (stop === null) throw new Error("the machine has not stopped for a debugger");
    this.stop = null;
    return stop;
  }

  /** The machine was put to another time: what it has stopped for there is not known. */
  forgetReports(): void {
    this.reported.fill(null);
  }

  // --- steps ---

  /**
   * From now on the machine stops when it has executed one more instruction, a branch with its delay slot, and does
   * not stop for breakpoints at `pc`, where the next instruction is; until {@link endStep}.
   */
  beginStep(stepping: Stepping, pc: number): void {
    this.stepping = stepping;
    this.stepStart = { count: this.stepped, pc };
    const context = stepping === "user" ? 0 : this.context;
    const { instructions, guestInstructions } = this.machine;
    const count = context === 1 ? instructions : guestInstructions;
    this.report(context, { count, pc }, [...this.breakpoints]);
  }

  endStep(): void {
    this.stepping = null;
  }

  get isStepping(): boolean {
    return this.stepping !== null;
  }

  /** A step is under way that counts all instructions, whoever's they are. */
  get stepsAll(): boolean {
    return this.stepping === "all" && !this.quiet;
  }

  /** A step is under way that counts the code that the CPU is in. */
  get stepsHere(): boolean {
    return this.stepsAll || (this.stepping === "user" && !this.quiet && !this.machine.cpu.isKernel);
  }

  private get stepped(): number {
    return this.stepping === "user" ? this.machine.guestInstructions : this.machine.instructions;
  }

  /** An instruction was executed, or has raised, which not every machine counts. */
  private get stepDone(): boolean {
    const { cpu } = this.machine;
    if (cpu.inDelaySlot) return false;
    return this.stepped > this.stepStart.count || (this.stepping === "all" && cpu.pc !== this.stepStart.pc);
  }

  /** The step is done, and the CPU stands behind it. */
  get stepIsOver(): boolean {
    return this.stepsHere && this.stepDone;
  }

  /** Instructions of those that a step counts that may be executed before it is asked again whether it is over. */
  get stepRoom(): number {
    if (this.quiet) return Infinity;
    return this.stepDone ? 0 : 1;
  }
}

function concerns({ access }: Watchpoint, kind: Access): boolean {
  return access === "access" || (access === "write") === (kind === ACCESS.store);
}

function overlaps({ address, length }: Watchpoint, va: number, bytes: number): boolean {
  const first = va >>> 0;
  return first < address + length && address < first + bytes;
}

type Statement = ReturnType<typeof lowerRow>[number];
type AccessStatement = Extract<Statement, { kind: "load" | "store" | "storeConditional" }>;

function isAccess(s: Statement): s is AccessStatement {
  return s.kind === "load" || s.kind === "store" || s.kind === "storeConditional";
}

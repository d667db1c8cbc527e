import { counter, list, tick, record, text } from "../state/fields.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import type { Timeline } from "./timeline.ts";

/** A clock of the embedder. */
export interface WallClock {
  /** Ticks since some fixed moment; never goes back. */
  now(): number;
}

/** A timer that was armed twice under one name, or was never registered. */
export class TimerError extends Error {
  constructor(name: string, what: string) {
    super(`timer ${name} ${what}`);
    this.name = "TimerError";
  }
}

/** Where a timeline is, as plain data. */
export interface TimelineSnapshot {
  /** The time, in ticks. */
  readonly now: number;
  /** Guest instructions retired. */
  readonly retired: number;
  /** The timers that are armed, in the order in which they were registered. */
  readonly timers: readonly { readonly name: string; readonly when: number }[];
}

/** Timers that there can be, and letters of a name. */
const MOST_TIMERS = 64;

/** How it is kept. */
export const TIMELINE_SNAPSHOT = record<TimelineSnapshot>({
  now: counter,
  retired: counter,
  timers: list(
    record<TimelineSnapshot["timers"][number]>({ name: text(MOST_TIMERS), when: tick }),
    0,
    MOST_TIMERS,
  ),
});

/** Longest time between two looks at the wall clock, in ticks, if all that executes takes time. */
const WALL_SLICE = 200_000;

/**
 * The machine's time. Under the virtual clock it is the number of guest instructions retired plus the idle
 * time skipped; under a wall clock it is the clock's, as sampled at the last look.
 */
export class MachineTimeline implements Timeline {
  private passed = 0;
  private retiredBesides = 0;
  private readonly retiredByCpus: () => number;
  private readonly wall: WallClock | undefined;
  private readonly wallSlice: number;
  private wallStart: number;
  private readonly callbacks = new Map<string, () => void>();
  private readonly due = new Map<string, number>();
  private nextDue = Infinity;
  /** Called when a timer was armed that falls due before any other. */
  onSooner: () => void = () => {};

  /**
   * `retiredByCpus` gives the guest instructions that CPUs have retired since reset. `wallSlice` is the longest time
   * between two looks at the wall clock, in ticks.
   */
  constructor(retiredByCpus: () => number, wall?: WallClock, wallSlice = WALL_SLICE) {
    this.wallSlice = wallSlice;
    this.retiredByCpus = retiredByCpus;
    this.wall = wall;
    this.wallStart = wall?.now() ?? 0;
  }

  now(): number {
    if (this.wall !== undefined) {
      this.passed = Math.max(this.passed, Math.floor(this.wall.now() - this.wallStart));
      return this.passed;
    }
    return this.passed + this.retiredByCpus();
  }

  /** Guest instructions retired so far. */
  get retired(): number {
    return this.retiredBesides + this.retiredByCpus();
  }

  /** Counts `instructions` as retired by the guest, or not if negative, besides what CPUs retire. */
  retire(instructions: number): void {
    this.retiredBesides += instructions;
    if (this.wall === undefined) this.passed += instructions;
  }

  /** Lets `ticks` pass in which no instruction is retired. */
  pass(ticks: number): void {
    if (this.wall === undefined) this.passed += ticks;
  }

  register(name: string, callback: () => void): void {
    if (this.callbacks.has(name)) throw new TimerError(name, "is registered twice");
    this.callbacks.set(name, callback);
  }

  schedule(name: string, when: number): void {
    if (!this.callbacks.has(name)) throw new TimerError(name, "is not registered");
    this.due.set(name, Math.ceil(when));
    if (when < this.nextDue) {
      this.nextDue = Math.ceil(when);
      this.onSooner();
    } else this.findNext();
  }

  cancel(name: string): void {
    if (this.due.delete(name)) this.findNext();
  }

  private findNext(): void {
    this.nextDue = Infinity;
    for (const when of this.due.values()) if (when < this.nextDue) this.nextDue = when;
  }

  /**
   * Ticks from `now` until the next timer falls due, or the time is `limit` (at most a slice under a wall clock); 0 or
   * less if that is so.
   */
  untilNext(now: number, limit = Infinity): number {
    const ticks = Math.min(this.nextDue, limit) - now;
    return this.wall === undefined ? ticks : Math.min(ticks, this.wallSlice);
  }

  /** Runs what has fallen due, in order of time, then of registration. Returns the time. */
  fireDue(): number {
    const now = this.now();
    return this.nextDue > now ? now : this.fire();
  }

  /** The same when something has. */
  private fire(): number {
    for (;;) {
      const when = this.nextDue;
      for (const [name, callback] of this.callbacks) {
        if (this.due.get(name) !== when) continue;
        this.due.delete(name);
        callback();
      }
      this.findNext();
      const now = this.now();
      if (this.nextDue > now) return now;
    }
  }

  /** Passes idle time up to the next timer or `limit`. False if there is neither, or time is not ours to pass. */
  skipTo(limit: number): boolean {
    const target = Math.min(this.nextDue, limit);
    if (target === Infinity || this.wall !== undefined) return false;
    this.passed += Math.max(0, target - this.now());
    return true;
  }

  /** True if a timer other than those named is armed. */
  isArmedBesides(...names: string[]): boolean {
    for (const name of this.due.keys()) if (!names.includes(name)) return true;
    return false;
  }

  /** Ticks until the next timer falls due, or Infinity. */
  untilNextTimer(): number {
    return Math.max(0, this.nextDue - this.now());
  }

  snapshot(): TimelineSnapshot {
    const timers: { name: string; when: number }[] = [];
    for (const name of this.callbacks.keys()) {
      const when = this.due.get(name);
      if (when !== undefined) timers.push({ name, when });
    }
    return { now: this.now(), retired: this.retired, timers };
  }

  /** Goes on from `saved`; a wall clock from now. The CPUs are restored already. Throws SnapshotError. */
  restore(saved: TimelineSnapshot): void {
    const unknown = saved.timers.find(({ name }) => !this.callbacks.has(name));
    if (unknown !== undefined)
      throw new SnapshotError(`the snapshot has a timer that there is not: ${unknown.name}`);
    const byCpus = this.retiredByCpus();
    this.retiredBesides = saved.retired - byCpus;
    this.passed = this.wall === undefined ? saved.now - byCpus : saved.now;
    if (this.wall !== undefined) this.wallStart = this.wall.now() - saved.now;
    this.due.clear();
    for (const { name, when } of saved.timers) this.due.set(name, when);
    this.findNext();
  }
}

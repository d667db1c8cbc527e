import { CAUSE, CP0 } from "../isa/cp0.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { flag, integer, tick, orNull, record, u32 } from "../state/fields.ts";
import { TimerValueError } from "./errors.ts";

/** The guest's default Count frequency. */
const DEFAULT_COUNT_HZ = 100_000_000;
/** KVM_REG_MIPS_COUNT_HZ accepts 1 Hz to 1 GHz. */
export const MAX_COUNT_HZ = 1_000_000_000;

/** COUNT_CTL: Count is stopped by the VMM. */
export const COUNT_CTL_DC = 1;

const TURN = 2 ** 32;
const NS_PER_TICK = 1e9 / TICKS_PER_SECOND;

/** One event of a timeline, as a timer uses it. All times are in ticks. */
export interface Alarm {
  now(): number;
  schedule(when: number): void;
  cancel(): void;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * A Count frequency as an exact ratio to the timeline's tick: `p` counts in `q` ticks. All conversions are
 * exact; numbers beyond 2^53 go through BigInt, which only odd frequencies need.
 */
export class CountRate {
  readonly hz: number;
  private readonly p: number;
  private readonly q: number;

  constructor(hz: number) {
    const divisor = greatestCommonDivisor(hz, TICKS_PER_SECOND);
    this.hz = hz;
    this.p = hz / divisor;
    this.q = TICKS_PER_SECOND / divisor;
  }

  /** Counts that have passed at `ticks`: rounded down, not reduced modulo 2^32. */
  counts(ticks: number): number {
    const turns = Math.floor(ticks / this.q);
    if (this.p === 1) return turns;
    const rest = ticks - turns * this.q;
    return turns * this.p + mulDiv(rest, this.p, this.q, false);
  }

  /** The first tick at which {@link counts} is `counts` or more. */
  ticks(counts: number): number {
    const turns = Math.floor(counts / this.p);
    const rest = counts - turns * this.p;
    return turns * this.q + mulDiv(rest, this.q, this.p, true);
  }
}

/** a * b / c, exactly, rounded down or up. */
function mulDiv(a: number, b: number, c: number, up: boolean): number {
  const product = a * b;
  if (Number.isSafeInteger(product)) return up ? Math.ceil(product / c) : Math.floor(product / c);
  const exact = BigInt(a) * BigInt(b) + (up ? BigInt(c) - 1n : 0n);
  return Number(exact / BigInt(c));
}

/** A timer as plain data. */
export interface TimerSnapshot {
  readonly hz: number;
  readonly bias: number;
  /** Null while Count stands still. */
  readonly expiry: number | null;
  readonly compare: number;
  readonly causeDc: boolean;
  readonly control: number;
  readonly stoppedAt: number;
}

/** How it is kept. */
export const TIMER_SNAPSHOT = record<TimerSnapshot>({
  ...{ hz: integer(1, MAX_COUNT_HZ), bias: u32, expiry: orNull(tick), compare: u32 },
  ...{ causeDc: flag, control: integer(0, COUNT_CTL_DC), stoppedAt: tick },
});

/**
 * The guest's Count and Compare: a soft timer on the machine's timeline. Count runs as bias + counts passed.
 * It stands still while Cause.DC or COUNT_CTL.DC is set. The timer interrupt is raised at the exact tick at
 * which Count becomes equal to Compare; everything that is due at a moment is raised before Count is read at
 * that moment, so a guest never sees Count beyond Compare without it.
 */
export class CountTimer {
  private readonly alarm: Alarm;
  private readonly cp0: Int32Array;
  private readonly onTimerInterrupt: (level: boolean) => void;
  private rate = new CountRate(DEFAULT_COUNT_HZ);
  /** Count minus the counts passed, modulo 2^32, while it runs. */
  private bias = 0;
  /** Tick at which Count will be equal to Compare, while it runs. */
  private expiry = Infinity;
  private compare = 0;
  private causeDc = false;
  private control = 0;
  /** Tick at which the VMM stopped Count. */
  private stoppedAt = 0;

  /** `cp0` is the guest's register array, where a stopped Count, Compare and Cause.DC are kept. */
  constructor(alarm: Alarm, cp0: Int32Array, onTimerInterrupt: (level: boolean) => void) {
    this.alarm = alarm;
    this.cp0 = cp0;
    this.onTimerInterrupt = onTimerInterrupt;
    this.resume(alarm.now(), 0);
  }

  snapshot(): TimerSnapshot {
    const { bias, compare, causeDc, control, stoppedAt } = this;
    const expiry = this.expiry === Infinity ? null : this.expiry;
    return { hz: this.rate.hz, bias, expiry, compare, causeDc, control, stoppedAt };
  }

  /** Takes over a snapshot, and sets the alarm. */
  restore(saved: TimerSnapshot): void {
    this.rate = new CountRate(saved.hz);
    this.bias = saved.bias;
    this.compare = saved.compare;
    this.causeDc = saved.causeDc;
    this.control = saved.control;
    this.stoppedAt = saved.stoppedAt;
    this.expiry = saved.expiry ?? Infinity;
    if (saved.expiry === null) this.alarm.cancel();
    else this.alarm.schedule(this.expiry);
  }

  private get stopped(): boolean {
    return this.causeDc || (this.control & COUNT_CTL_DC) !== 0;
  }

  /** The moment that matters for what is done to Count now: past, if the VMM has stopped it. */
  private time(): number {
    return (this.control & COUNT_CTL_DC) !== 0 ? this.stoppedAt : this.alarm.now();
  }

  private countAt(ticks: number): number {
    return (this.bias + (this.rate.counts(ticks) >>> 0)) >>> 0;
  }

  /** Raises the timer interrupt if it is due at `now`. */
  private checkExpiry(now: number): void {
    if (now >= this.expiry) this.expire();
  }

  /** Count is equal to Compare: raises the interrupt; the next time is a whole turn later. */
  expire(): void {
    const count = this.rate.counts(this.expiry);
    this.onTimerInterrupt(true);
    this.expiry = this.rate.ticks(count + TURN);
    this.alarm.schedule(this.expiry);
  }

  /** Value of Count, unsigned. */
  count(): number {
    if (this.stopped) return this.cp0[CP0.Count]! >>> 0;
    const now = this.alarm.now();
    this.checkExpiry(now);
    return this.countAt(now);
  }

  /** Lets Count run on: with value `count` at tick `now`, and the alarm for when it meets Compare. */
  private resume(now: number, count: number): void {
    const counts = this.rate.counts(now);
    this.bias = (count - (counts % TURN) + TURN) % TURN;
    this.arm(counts, count);
  }

  private arm(counts: number, count: number): void {
    // Equal now means: equal again after a whole turn.
    const distance = ((this.compare - count - 1) >>> 0) + 1;
    this.expiry = this.rate.ticks(counts + distance);
    this.alarm.schedule(this.expiry);
  }

  /** Stops the alarm and returns Count at tick `now`, after raising what is due then. */
  private freeze(now: number): number {
    this.checkExpiry(now);
    this.alarm.cancel();
    this.expiry = Infinity;
    return this.countAt(now);
  }

  /**
   * What has to be added to the host's Count, now `hostCount` and advancing every `ticksPerCount` ticks, to get the
   * guest's for as long as nothing is written; null if there is no such number.
   */
  biasTo(hostCount: number, ticksPerCount: number): number | null {
    if (this.stopped || this.rate.hz * ticksPerCount !== TICKS_PER_SECOND) return null;
    return (this.countAt(this.alarm.now()) - hostCount) | 0;
  }

  setCount(value: number): void {
    this.cp0[CP0.Count] = value;
    if (!this.stopped) this.resume(this.alarm.now(), value >>> 0);
  }

  /** Writes Compare, which acknowledges the timer interrupt. */
  setCompare(value: number): void {
    const changed = this.compare !== value >>> 0;
    const running = changed && !this.stopped;
    const now = this.alarm.now();
    const count = running ? this.freeze(now) : 0;
    this.acknowledge();
    this.compare = value >>> 0;
    this.cp0[CP0.Compare] = value;
    if (running) this.resume(now, count);
  }

  /** Restores Compare without acknowledging (ONE_REG). */
  restoreCompare(value: number): void {
    const running = !this.stopped;
    const now = this.alarm.now();
    const count = running ? this.freeze(now) : 0;
    this.compare = value >>> 0;
    this.cp0[CP0.Compare] = value;
    if (running) this.resume(now, count);
  }

  private acknowledge(): void {
    this.onTimerInterrupt(false);
  }

  /** Follows the guest's Cause.DC: Count stops or goes on where it stood. Call with the new Cause. */
  causeWritten(cause: number): void {
    const disable = (cause & CAUSE.DC) !== 0;
    if (disable === this.causeDc) return;
    const wasStopped = this.stopped;
    if (disable) {
      if (!wasStopped) this.cp0[CP0.Count] = this.freeze(this.alarm.now());
      this.causeDc = true;
      return;
    }
    this.causeDc = false;
    if (!this.stopped) this.resume(this.alarm.now(), this.cp0[CP0.Count]! >>> 0);
    // Stopped by the VMM as well: the value stands for the moment at which that will go on.
  }

  // --- what the VMM sees (KVM_REG_MIPS_COUNT_*) ---

  get countControl(): number {
    return this.control;
  }

  /** COUNT_CTL. Letting Count go on makes the time in between pass at once: no tick is lost. */
  set countControl(value: number) {
    if ((value & ~COUNT_CTL_DC) !== 0) throw new TimerValueError(value, "COUNT_CTL has only bit 0, DC");
    if (value === this.control) return;
    const now = this.alarm.now();
    if ((value & COUNT_CTL_DC) !== 0) {
      if (!this.causeDc) this.cp0[CP0.Count] = this.freeze(now);
      this.stoppedAt = now;
      this.control = value;
      return;
    }
    const since = this.time();
    this.control = value;
    if (this.causeDc) return;
    // The bias is that of the moment at which Count stopped: the guest sees time jump.
    const count = this.cp0[CP0.Count]! >>> 0;
    const counts = this.rate.counts(since);
    this.bias = (count - (counts % TURN) + TURN) % TURN;
    this.arm(counts, count);
    this.checkExpiry(now);
  }

  /** COUNT_RESUME: the time at which Count stopped or goes on, in ns of virtual time. */
  get countResume(): number {
    return Math.floor(this.time() * NS_PER_TICK);
  }

  set countResume(ns: number) {
    const ticks = Math.floor(ns / NS_PER_TICK);
    if (ns < 0 || ticks > this.alarm.now())
      throw new TimerValueError(ns, "COUNT_RESUME may not be negative or later than now");
    this.stoppedAt = ticks;
  }

  get countHz(): number {
    return this.rate.hz;
  }

  /** COUNT_HZ: Count goes on from where it is at the new frequency. */
  set countHz(hz: number) {
    if (!Number.isInteger(hz) || hz < 1 || hz > MAX_COUNT_HZ)
      throw new TimerValueError(hz, "COUNT_HZ must be 1 Hz to 1 GHz");
    const now = this.alarm.now();
    const running = !this.stopped;
    const count = running ? this.freeze(now) : 0;
    this.rate = new CountRate(hz);
    if (running) this.resume(now, count);
  }

  /** Takes the alarm away for good. */
  destroy(): void {
    this.alarm.cancel();
    this.expiry = Infinity;
  }
}

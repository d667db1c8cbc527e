import type { InterruptLine, Timeline } from "../machine/timeline.ts";
import { cyclesIn, ticksFor } from "./cycles.ts";
import type { PortDevice } from "./isa-ports.ts";
import { flag, integer, list, tick, record } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** The counters' clock on a PC: a twelfth of the colour burst crystal. */
export const PIT_HZ = 1_193_182;

/** Which bytes of a count go through the data port (82C54 data sheet, figure 7). */
const ACCESS = { latch: 0, low: 1, high: 2, both: 3 } as const;
const READ_BACK = { counter: 3, noCount: 0x20, noStatus: 0x10 } as const;
const STATUS = { output: 0x80, nullCount: 0x40 } as const;

export interface CounterState {
  mode: number;
  access: number;
  bcd: boolean;
  gate: boolean;
  /** The count loaded last, 1 to 65,536 (10,000 in BCD); 0 before the first. */
  reload: number;
  /** When it was loaded, or the gate triggered it, in ticks. */
  since: number;
  /** While the gate holds the count of modes 0, 2, 3 and 4: clock cycles counted before; otherwise -1. */
  held: number;
  /** Low byte of a count whose high byte is still to come, or -1. */
  writeLow: number;
  /** The next read gives the high byte. */
  readHigh: boolean;
  /** Latched count and status, or -1. */
  latched: number;
  status: number;
}

export interface PitState {
  counters: CounterState[];
}

/** Counts of a counter: 16 bits. */
const MOST = 0x1_0000;

/** How it is kept. */
export const PIT_STATE = record<PitState>({
  counters: list(
    record<CounterState>({
      ...{ mode: integer(0, 5), access: integer(1, 3), bcd: flag, gate: flag, reload: integer(0, MOST) },
      since: tick,
      held: tick,
      ...{
        writeLow: integer(-1, 0xff),
        readHigh: flag,
        latched: integer(-1, MOST),
        status: integer(-1, 0xff),
      },
    }),
    3,
  ),
});

function resetCounter(gate: boolean): CounterState {
  return {
    mode: 0,
    access: ACCESS.both,
    bcd: false,
    gate,
    reload: 0,
    since: 0,
    held: -1,
    writeLow: -1,
    readHigh: false,
    latched: -1,
    status: -1,
  };
}

export interface PitConfig {
  readonly timeline: Timeline;
  /** Name of the timer of counter 0; unique on the timeline. */
  readonly name: string;
  /** Output of counter 0. */
  readonly output: InterruptLine;
}

/**
 * An 8254 programmable interval timer (82C54 data sheet). Counts are computed from the time that has
 * passed; only counter 0, whose output is an interrupt, needs timer events. A new count takes effect at once,
 * where the chip may finish the current cycle first.
 */
export class Pit8254 extends Stateful<PitState> implements PortDevice {
  private readonly config: PitConfig;

  constructor(config: PitConfig) {
    super({ counters: [resetCounter(true), resetCounter(true), resetCounter(false)] });
    this.config = config;
    config.timeline.register(config.name, () => this.fire());
  }

  private counter(index: number): CounterState {
    return this.state.counters[index]!;
  }

  readPort(offset: number): number {
    if ((offset & 3) === 3) return 0xff;
    const counter = this.counter(offset & 3);
    if (counter.status >= 0) {
      const { status } = counter;
      counter.status = -1;
      return status;
    }
    const value = counter.latched >= 0 ? counter.latched : this.count(counter);
    const high = counter.access === ACCESS.high || (counter.access === ACCESS.both && counter.readHigh);
    if (counter.access === ACCESS.both) counter.readHigh = !counter.readHigh;
    if (high || counter.access === ACCESS.low) counter.latched = -1;
    return high ? value >>> 8 : value & 0xff;
  }

  writePort(offset: number, value: number): void {
    if ((offset & 3) === 3) this.control(value);
    else this.writeCount(offset & 3, value);
  }

  private control(value: number): void {
    const index = value >>> 6;
    if (index === READ_BACK.counter) {
      this.readBack(value);
      return;
    }
    const counter = this.counter(index);
    const access = (value >>> 4) & 3;
    if (access === ACCESS.latch) {
      if (counter.latched < 0) counter.latched = this.count(counter);
      return;
    }
    const mode = (value >>> 1) & 7;
    // Modes 6 and 7 are 2 and 3: the top bit does not count there.
    Object.assign(counter, resetCounter(counter.gate), {
      mode: mode > 5 ? mode - 4 : mode,
      access,
      bcd: (value & 1) !== 0,
    });
    if (index === 0) this.rearm();
  }

  private readBack(value: number): void {
    for (const [index, counter] of this.state.counters.entries()) {
      if ((value & (2 << index)) === 0) continue;
      if ((value & READ_BACK.noCount) === 0 && counter.latched < 0) counter.latched = this.count(counter);
      if ((value & READ_BACK.noStatus) === 0 && counter.status < 0)
        counter.status =
          (this.output(counter) ? STATUS.output : 0) |
          (counter.reload === 0 ? STATUS.nullCount : 0) |
          (counter.access << 4) |
          (counter.mode << 1) |
          (counter.bcd ? 1 : 0);
    }
  }

  private writeCount(index: number, value: number): void {
    const counter = this.counter(index);
    let count = counter.access === ACCESS.high ? value << 8 : value;
    if (counter.access === ACCESS.both) {
      if (counter.writeLow < 0) {
        counter.writeLow = value;
        return;
      }
      count = counter.writeLow | (value << 8);
      counter.writeLow = -1;
    }
    counter.reload = counter.bcd ? fromBcd(count) || 10_000 : count || 0x1_0000;
    counter.since = this.config.timeline.now();
    counter.held = counter.gate || counter.mode === 1 || counter.mode === 5 ? -1 : 0;
    if (index === 0) this.rearm();
  }

  /** Drives the gate of counter 2. */
  setGate(level: boolean): void {
    const counter = this.counter(2);
    if (level === counter.gate) return;
    counter.gate = level;
    if (counter.reload === 0) return;
    const now = this.config.timeline.now();
    switch (counter.mode) {
      case 0:
      case 4:
        // The gate stops the count and lets it go on.
        if (!level) counter.held = this.elapsed(counter);
        else {
          counter.since = now - ticksFor(Math.max(counter.held, 0), PIT_HZ);
          counter.held = -1;
        }
        return;
      case 2:
      case 3:
        // A low gate forces the output high; its rising edge starts the period anew.
        counter.held = level ? -1 : 0;
        counter.since = now;
        return;
      default:
        if (level) counter.since = now;
    }
  }

  /** Level of the output of counter 2. */
  get speaker(): boolean {
    return this.output(this.counter(2));
  }

  private elapsed(counter: CounterState): number {
    return counter.held >= 0 ? counter.held : cyclesIn(this.config.timeline.now() - counter.since, PIT_HZ);
  }

  /** The count as the program reads it. */
  private count(counter: CounterState): number {
    const { reload } = counter;
    if (reload === 0) return 0;
    const elapsed = this.elapsed(counter);
    const modulus = counter.bcd ? 10_000 : 0x1_0000;
    let value: number;
    if (counter.mode === 2) value = reload - (elapsed % reload);
    // Mode 3 counts down by two, twice a period; an odd count's first half is one cycle longer.
    else if (counter.mode === 3) value = squareCount(elapsed % reload, reload);
    else value = (((reload - elapsed) % modulus) + modulus) % modulus;
    value %= modulus;
    return counter.bcd ? toBcd(value) : value;
  }

  private output(counter: CounterState): boolean {
    const { mode, reload } = counter;
    if (reload === 0) return mode !== 0;
    const elapsed = this.elapsed(counter);
    switch (mode) {
      case 0:
      case 1:
        return elapsed >= reload;
      case 2:
        return counter.held >= 0 || elapsed % reload !== reload - 1;
      case 3:
        return counter.held >= 0 || elapsed % reload < Math.ceil(reload / 2);
      default:
        return elapsed !== reload;
    }
  }

  /** Puts counter 0's output where it belongs and waits for its next change. */
  private rearm(): void {
    const { timeline, name, output } = this.config;
    const counter = this.counter(0);
    output(this.output(counter));
    const next = this.nextChange(counter);
    if (next < 0) timeline.cancel(name);
    else timeline.schedule(name, counter.since + ticksFor(next, PIT_HZ));
  }

  private fire(): void {
    const counter = this.counter(0);
    // The low pulse of modes 2 and 4 lasts one cycle: for an edge-triggered input it is enough to see it.
    if (counter.mode === 2 || counter.mode === 4) this.config.output(false);
    this.rearm();
  }

  /** Cycles from loading to the next change of the output that an interrupt controller must see; -1: none. */
  private nextChange(counter: CounterState): number {
    const { mode, reload } = counter;
    // Counter 0's gate is tied high: modes 1 and 5 are never triggered.
    if (reload === 0 || mode === 1 || mode === 5) return -1;
    const elapsed = this.elapsed(counter);
    if (mode === 0 || mode === 4) {
      const end = mode === 0 ? reload : reload + 1;
      return elapsed < end ? end : -1;
    }
    const start = elapsed - (elapsed % reload);
    const half = start + Math.ceil(reload / 2);
    return mode === 3 && elapsed < half ? half : start + reload;
  }
}

function squareCount(phase: number, reload: number): number {
  const high = Math.ceil(reload / 2);
  const even = reload & ~1;
  const value = phase < high ? reload + (reload & 1) - 2 * phase : even - 2 * (phase - high);
  return value & ~1;
}

function fromBcd(value: number): number {
  return (value >>> 12) * 1000 + ((value >>> 8) & 15) * 100 + ((value >>> 4) & 15) * 10 + (value & 15);
}

function toBcd(value: number): number {
  let bcd = 0;
  for (let shift = 0; shift < 16; shift += 4, value = Math.floor(value / 10)) bcd |= (value % 10) << shift;
  return bcd;
}

import { CAUSE, CP0 } from "../isa/cp0.ts";
import { tick, orNull, record, u32 } from "../state/fields.ts";
import type { Cpu } from "./cpu.ts";
import type { MachineTimeline } from "./machine-timeline.ts";

/** Name of the timer that the CP0 Count and Compare of CPU 0 are. It is always armed while Count runs. */
const COUNT_COMPARE_TIMER = "count-compare";

/** Where Count is, as plain data. */
export interface CountSnapshot {
  readonly base: number;
  readonly stopped: number | null;
}

/** How it is kept. */
export const COUNT_SNAPSHOT = record<CountSnapshot>({ base: tick, stopped: orNull(u32) });

/** CP0 Count and Compare of one CPU, on the machine's time. */
export class CountCompare {
  /** The name of its timer. */
  readonly name: string;
  private readonly timeline: MachineTimeline;
  private readonly cpu: Cpu;
  /** Ticks at which Count was 0 (or would have been), and the value at which it stopped, if it is stopped. */
  private base = 0;
  private stopped: number | null = null;

  constructor(timeline: MachineTimeline, cpu: Cpu) {
    this.name = cpu.number === 0 ? COUNT_COMPARE_TIMER : `${COUNT_COMPARE_TIMER}-${cpu.number}`;
    this.timeline = timeline;
    this.cpu = cpu;
    timeline.register(this.name, () => {
      cpu.setTimerInterrupt(true);
      this.rearm();
    });
  }

  private get ticksPerCount(): number {
    return this.cpu.model.ccres;
  }

  snapshot(): CountSnapshot {
    return { base: this.base, stopped: this.stopped };
  }

  /** The timer is the timeline's to restore. */
  restore({ base, stopped }: CountSnapshot): void {
    this.base = base;
    this.stopped = stopped;
  }

  /** Value of Count. */
  count(): number {
    if (this.stopped !== null) return this.stopped;
    return Math.floor((this.timeline.now() - this.base) / this.ticksPerCount) >>> 0;
  }

  setCount(value: number): void {
    if (this.stopped !== null) this.stopped = value >>> 0;
    else this.base = this.timeline.now() - (value >>> 0) * this.ticksPerCount;
    this.rearm();
  }

  /** Compare, Count or Cause.DC changed. */
  rearm(): void {
    const stop = (this.cpu.cp0[CP0.Cause]! & CAUSE.DC) !== 0;
    if (stop !== (this.stopped !== null)) {
      const count = this.count();
      this.stopped = stop ? count : null;
      if (!stop) this.base = this.timeline.now() - count * this.ticksPerCount;
    }
    if (this.stopped !== null) {
      this.timeline.cancel(this.name);
      return;
    }
    const compare = this.cpu.cp0[CP0.Compare]! >>> 0;
    const distance = (compare - this.count()) >>> 0;
    // Equal now means: equal again after a whole turn.
    const counts = distance === 0 ? 2 ** 32 : distance;
    const phase = (this.timeline.now() - this.base) % this.ticksPerCount;
    this.timeline.schedule(this.name, this.timeline.now() - phase + counts * this.ticksPerCount);
  }
}

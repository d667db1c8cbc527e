import type { MachineTimeline } from "../machine/machine-timeline.ts";
import type { Alarm } from "./timer.ts";

/** A named timer of the machine's timeline that one vcpu uses at a time. */
export class TimerSlot implements Alarm {
  readonly name: string;
  private readonly timeline: MachineTimeline;
  private callback: (() => void) | null = null;

  constructor(timeline: MachineTimeline, name: string) {
    this.timeline = timeline;
    this.name = name;
    timeline.register(name, () => this.callback?.());
  }

  now(): number {
    return this.timeline.now();
  }
  schedule(when: number): void {
    this.timeline.schedule(this.name, when);
  }
  cancel(): void {
    this.timeline.cancel(this.name);
  }
  get inUse(): boolean {
    return this.callback !== null;
  }
  attach(callback: () => void): void {
    this.callback = callback;
  }
  detach(): void {
    this.cancel();
    this.callback = null;
  }
}

/**
 * The timers of all vcpus. A timeline keeps a name for ever, so timers of destroyed vcpus are used again.
 */
export class TimerSlots {
  private readonly timeline: MachineTimeline;
  private readonly slots: TimerSlot[] = [];

  constructor(timeline: MachineTimeline) {
    this.timeline = timeline;
  }

  /** A timer that no vcpu uses. */
  take(): TimerSlot {
    const free = this.slots.find((slot) => !slot.inUse);
    if (free !== undefined) return free;
    const slot = new TimerSlot(this.timeline, `kvm-count-compare-${this.slots.length}`);
    this.slots.push(slot);
    return slot;
  }
}

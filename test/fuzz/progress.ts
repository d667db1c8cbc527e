import type { MachineTimeline } from "../../src/machine/machine-timeline.ts";

/** Something goes round in circles while no time passes: `run` would never come back. */
export class LivelockError extends Error {
  override readonly name = "LivelockError";
}

/** Exits, or turns of the machine's loop, without a tick: an instruction never takes as many. */
const MAX_EXITS = 300;
const MAX_TURNS = 3000;

/**
 * Progress accounting. Whatever a guest does has to move its time on: each instruction that it retires and each
 * exception that it is given is a tick. What repeats without one would repeat for ever.
 */
export class Progress {
  private readonly timeline: MachineTimeline;
  private lastTick = -1;
  private exits = 0;
  private turns = 0;

  constructor(timeline: MachineTimeline) {
    this.timeline = timeline;
    const fireDue = timeline.fireDue.bind(timeline);
    timeline.fireDue = () => {
      if (this.moved()) this.turns = 0;
      if (++this.turns > MAX_TURNS)
        throw new LivelockError(`the machine does not leave tick ${this.lastTick}`);
      return fireDue();
    };
  }

  private moved(): boolean {
    const now = this.timeline.now();
    if (now === this.lastTick) return false;
    this.lastTick = now;
    this.exits = 0;
    this.turns = 0;
    return true;
  }

  /** An exit from the guest. */
  exit(): void {
    this.moved();
    if (++this.exits > MAX_EXITS) throw new LivelockError(`${MAX_EXITS} exits at tick ${this.lastTick}`);
  }

  /** An exit to the VMM: the VMM decides how often it goes on. */
  vmmExit(): void {
    this.turns = 0;
  }
}

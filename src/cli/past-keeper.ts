/** Snapshots of a guest that a debugger may turn back. */
import type { TimeTravel } from "../index.ts";

/** Real time between two snapshots, in milliseconds, and how many times as long as taking one it is at least. */
const LEAST_PAUSE = 1000;
const PAUSE_BY_COST = 20;

/**
 * Takes snapshots by real time, while a debugger is there: so often that going back takes seconds, and so rarely that the
 * guest is not held up. The guest does not notice when they are taken.
 */
export class PastKeeper {
  /** Whether there is a debugger. */
  isWanted = false;
  private readonly travel: Pick<TimeTravel, "keep" | "isInPast">;
  private readonly now: () => number;
  private last: number;
  private cost = 0;

  /** `now` gives milliseconds that never go back. */
  constructor(travel: Pick<TimeTravel, "keep" | "isInPast">, now: () => number) {
    this.travel = travel;
    this.now = now;
    this.last = now();
  }

  /** To be called between two slices of the run. */
  look(): void {
    if (!this.isWanted || this.travel.isInPast) return;
    const began = this.now();
    if (began - this.last < Math.max(LEAST_PAUSE, PAUSE_BY_COST * this.cost)) return;
    this.travel.keep();
    this.last = this.now();
    this.cost = this.last - began;
  }
}

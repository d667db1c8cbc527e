/** A guest under the virtual clock that is led along real time, so that its run can be recorded. */
import { TICKS_PER_SECOND, type RunResult, type TimeTravel } from "../index.ts";
import { SLICE_TICKS, type RunnableGuest } from "./run-loop.ts";

const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;

/**
 * Guest time never runs ahead of real time by more than a slice; where it falls behind, because the guest executes fewer
 * instructions than it has time for, the rest passes at once. Each such leap is an input, and is recorded.
 */
export class PacedGuest implements RunnableGuest {
  private readonly travel: TimeTravel;
  private readonly now: () => number;
  private start: number | null = null;

  /** `now` gives milliseconds that never go back. */
  constructor(travel: TimeTravel, now: () => number) {
    this.travel = travel;
    this.now = now;
  }

  /** Real time that has passed, in ticks, counted from the guest's time where the first run began. */
  private get realTime(): number {
    const ticks = this.now() * TICKS_PER_MILLISECOND;
    this.start ??= ticks - this.travel.time;
    return Math.floor(ticks - this.start);
  }

  run(ticks: number): RunResult {
    const { travel } = this;
    // What has been recorded, or has happened before, is repeated as fast as can be.
    if (travel.isInPast) {
      this.rest();
      return travel.run(ticks);
    }
    const ahead = travel.time - this.realTime;
    if (ahead > SLICE_TICKS)
      return { kind: "idle", milliseconds: (ahead - SLICE_TICKS) / TICKS_PER_MILLISECOND };
    if (-ahead > SLICE_TICKS) travel.passTime(-ahead);
    return travel.run(Math.min(ticks, SLICE_TICKS));
  }

  /** Real time does not count from now on, until the guest is run again. */
  rest(): void {
    this.start = null;
  }

  stop(): void {
    this.travel.stop();
  }
  get time(): number {
    return this.travel.time;
  }
  get inputPending(): number {
    return this.travel.inputPending;
  }
}

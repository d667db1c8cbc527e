/**
 * How long the parts are in which a guest is run, and how long it rests between them. The guest's clock is the
 * virtual one, so that a run can be repeated exactly; but a guest that waits for its timer should take as long as
 * on a real machine, and leave the computer in peace meanwhile. So the guest time that it skips is slept through.
 */
import { TICKS_PER_SECOND } from "../index.ts";

const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;
/** A part ends about this often, in milliseconds, so that messages need not wait. */
const PART_MILLISECONDS = 10;
/** Ticks. */
const SHORTEST_PART = TICKS_PER_SECOND / 50_000;
const LONGEST_PART = TICKS_PER_SECOND / 50;
/** Timers of browsers are this coarse, in milliseconds: shorter rests are saved up. */
const SHORTEST_REST = 4;

/** Decides after each part of a run about the next. */
export class Pacing {
  /** Length of the next part, in ticks. */
  part = SHORTEST_PART;
  /** Real time that the guest has skipped and not slept, in milliseconds; negative if it lags behind. */
  private ahead = 0;

  /**
   * A part of `ticks`, of which the guest spent `idle` waiting, has taken `milliseconds`. Returns how long to rest, in
   * milliseconds.
   */
  partDone({ ticks, idle, milliseconds }: { ticks: number; idle: number; milliseconds: number }): number {
    if (milliseconds > PART_MILLISECONDS) this.part = Math.max(this.part / 2, SHORTEST_PART);
    else if (milliseconds < PART_MILLISECONDS / 4 && ticks >= this.part)
      this.part = Math.min(this.part * 2, LONGEST_PART);
    // A guest that was busy owes nothing, however long that took: it does not catch up when it waits later.
    this.ahead = Math.max(0, this.ahead + idle / TICKS_PER_MILLISECOND - milliseconds);
    return this.ahead < SHORTEST_REST ? 0 : this.ahead;
  }

  /** The guest has rested for so long, in milliseconds, or was woken. */
  rested(milliseconds: number): void {
    this.ahead = Math.max(0, this.ahead - milliseconds);
  }
}

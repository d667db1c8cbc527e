/** Runs a guest in slices, so that input, signals and the clock get their turn, until something ends the run. */
import { TICKS_PER_SECOND, type Guest, type RunResult } from "../index.ts";

/**
 * Guest time between two moments at which the run may do something to the guest: 5 ms. It is the same in every
 * run and not, say, adapted to the speed of this computer, so that a run with the same input can be repeated
 * exactly.
 */
export const SLICE_TICKS = TICKS_PER_SECOND / 200;

/**
 * A slice is run in parts, which end about this often, in milliseconds, so that signals and the timeout need not
 * wait for guests that are slow because they exit all the time. A guest cannot tell where a part ends.
 */
const PART_MILLISECONDS = 10;
/** The first part, and the shortest, in ticks. */
const SHORTEST_PART = SLICE_TICKS / 256;

/** Longest sleep of a waiting guest, in milliseconds: timers of Node take no more than 2^31. */
const LONGEST_SLEEP = 60_000;

/** Why a run ended. */
export type Ending =
  | { readonly kind: "power-off" }
  | { readonly kind: "reset" }
  /** The guest has printed what it was to print, or executed as many instructions as it was to. */
  | { readonly kind: "matched" }
  /** The command that the guest was to run has ended. */
  | { readonly kind: "command"; readonly status: number }
  /** The guest has ended, and the command that it was to run had not. */
  | { readonly kind: "no-status"; readonly report: string }
  /** The user left with Ctrl-A X. */
  | { readonly kind: "left" }
  | { readonly kind: "timeout"; readonly seconds: number }
  | { readonly kind: "signal"; readonly status: number }
  /** Nobody reads the console any more. */
  | { readonly kind: "broken-pipe" }
  | { readonly kind: "failed"; readonly report: string }
  /** What the run was given cannot be used, as shows only now. */
  | { readonly kind: "bad-input"; readonly report: string }
  /** The guest waits for input, and there will be none. */
  | { readonly kind: "stuck" };

/** What a run needs of a guest. */
export type RunnableGuest = Pick<Guest, "run" | "stop" | "time" | "inputPending">;

/** What a run needs of the world. */
export interface RunWorld {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** Called before each slice. */
  readonly beforeSlice?: (guest: RunnableGuest) => void;
  /** Called when the guest waits, for at least as long as a slice takes. */
  readonly onWait?: () => void;
  /** What to wait for before the guest may go on; null if there is nothing. */
  readonly heldBack?: () => Promise<void> | null;
  /** Whether console input can still come. */
  readonly inputOpen: () => boolean;
  /** Instructions that the guest has yet to execute, each of which takes a tick; at 0 the run ends. */
  readonly instructionsLeft?: () => number;
  /** Seconds after `startedAt` at which the run ends; none if absent. */
  readonly timeout?: number;
  readonly startedAt: number;
}

/** One run of a guest. Anyone may end it or wake it; it ends once. */
export class RunLoop {
  private readonly world: RunWorld;
  private guest: RunnableGuest | null = null;
  private wakeUp: () => void = () => {};
  /** Something happened since the last part that the guest may have waited for. */
  private woken = false;
  /** Ticks. */
  private part = SHORTEST_PART;
  /** Why the run is over; null while it is not. */
  ending: Ending | null = null;

  constructor(world: RunWorld) {
    this.world = world;
  }

  /** Ends the run, for this reason unless there was one before. */
  end(ending: Ending): void {
    if (this.ending !== null) return;
    this.ending = ending;
    this.guest?.stop();
    this.wake();
  }

  /** Lets a waiting guest run on: there is input. */
  wake(): void {
    this.woken = true;
    this.wakeUp();
  }

  /** Runs `guest` to the end of the run. */
  async run(guest: RunnableGuest): Promise<Ending> {
    this.guest = guest;
    let sliceEnd = guest.time;
    for (;;) {
      const instructions = this.world.instructionsLeft?.() ?? Infinity;
      if (instructions <= 0) this.end({ kind: "matched" });
      if (this.remaining() <= 0) this.end({ kind: "timeout", seconds: this.world.timeout! });
      // Asked once: under the wall clock it is another each time.
      const { time } = guest;
      // A debugger may have turned it back.
      const isAtEnd = time >= sliceEnd || time < sliceEnd - SLICE_TICKS;
      if (this.ending === null && isAtEnd) {
        this.world.beforeSlice?.(guest);
        sliceEnd = time + SLICE_TICKS;
      }
      if (this.ending !== null) return this.ending;
      this.woken = false;
      const result = this.runPart(guest, Math.min(sliceEnd - time, instructions));
      // What the guest printed may have ended the run; that came first.
      if (this.ending !== null) return this.ending;
      await this.settle(result);
    }
  }

  /** Runs the guest for at most `ticks`, and learns from it how long a part may be. */
  private runPart(guest: RunnableGuest, ticks: number): RunResult {
    const began = this.world.now();
    const result = guest.run(Math.min(this.part, ticks));
    const took = this.world.now() - began;
    if (took > PART_MILLISECONDS) this.part = Math.max(this.part / 2, SHORTEST_PART);
    else if (took < PART_MILLISECONDS / 4) this.part = Math.min(this.part * 2, SLICE_TICKS);
    return result;
  }

  private async settle(result: RunResult): Promise<void> {
    switch (result.kind) {
      case "off":
        return this.end({ kind: result.how });
      case "failed":
        return this.end({ kind: "failed", report: result.report });
      case "idle": {
        // Nobody can wake the guest, and there is no limit to the wait.
        const forever = result.milliseconds === Infinity && !this.world.inputOpen() && !this.woken;
        if (result.milliseconds >= (SLICE_TICKS / TICKS_PER_SECOND) * 1000) this.world.onWait?.();
        if (forever && this.world.timeout === undefined) return this.end({ kind: "stuck" });
        await this.nap(result.milliseconds);
        break;
      }
      case "running":
      case "debug":
        break;
    }
    const heldBack = this.world.heldBack?.() ?? null;
    if (heldBack !== null) await this.waitFor(heldBack);
    await new Promise(setImmediate);
  }

  /** Waits for `event`, input or not, but not past what ends the run. */
  private async waitFor(event: Promise<void>): Promise<void> {
    let happened = false;
    void event.then(() => {
      happened = true;
      this.wakeUp();
    });
    while (!happened && this.ending === null && this.remaining() > 0) {
      this.woken = false;
      await this.nap(LONGEST_SLEEP);
    }
  }

  /** Sleeps for this long, but not past what ends the run; wakes early for input. */
  private nap(milliseconds: number): Promise<void> {
    if (this.woken || this.ending !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.wakeUp = () => {};
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, Math.min(milliseconds, this.remaining(), LONGEST_SLEEP)));
      this.wakeUp = done;
    });
  }

  /** Milliseconds until the timeout. */
  private remaining(): number {
    const { timeout, startedAt, now } = this.world;
    return timeout === undefined ? Infinity : startedAt + timeout * 1000 - now();
  }
}

import { createGuest, type Guest, type GuestConfig, type RunResult } from "../index.ts";
import { Pacing } from "./pacing.ts";
import type { RunState, Sample } from "./protocol.ts";

/** What a runner needs of the world around it. */
export interface RunnerWorld {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** Calls `action` after this many milliseconds; 0: as soon as messages have had their turn. Returns what cancels it. */
  readonly later: (action: () => void, milliseconds: number) => () => void;
  readonly onConsole: (bytes: Uint8Array) => void;
  readonly onState: (state: RunState) => void;
  /** Called after each part of the run. */
  readonly onPart: () => void;
}

/** Console bytes that may be on their way to the page before the guest has to wait. */
const CONSOLE_WINDOW = 1 << 17;

/** Runs one guest part by part, so that messages get their turn, and may be paused. */
export class GuestRunner {
  readonly guest: Guest;
  private readonly world: RunnerWorld;
  private readonly pacing = new Pacing();
  private current: RunState = { kind: "paused" };
  /** Cancels the next part, or the rest before it; null if nothing is to come: the guest waits for input, say. */
  private cancel: (() => void) | null = null;
  private restingSince: number | null = null;
  private consoleOnTheWay = 0;
  /** Real time that the guest has run before {@link runningSince}, in milliseconds. */
  private ran = 0;
  private runningSince: number | null = null;

  /** Throws what `createGuest` does. */
  constructor(config: Omit<GuestConfig, "onConsole">, world: RunnerWorld) {
    this.world = world;
    this.guest = createGuest({
      ...config,
      onConsole: (bytes) => {
        this.consoleOnTheWay += bytes.length;
        world.onConsole(bytes);
      },
    });
  }

  get state(): RunState {
    return this.current;
  }

  /** Lets the guest run on. */
  run(): void {
    if (this.current.kind !== "paused") return;
    this.setState({ kind: "running" });
    this.schedule(0);
  }

  /** Holds the guest between two instructions. */
  pause(): void {
    if (this.current.kind === "running") this.halt({ kind: "paused" });
  }

  /** Console input. */
  send(bytes: Uint8Array): void {
    this.guest.sendInput(bytes);
    this.wake();
  }

  /** The page has caught up by so many bytes of the console. */
  consoleShown(bytes: number): void {
    this.consoleOnTheWay -= bytes;
    if (this.cancel === null) this.wake();
  }

  sample(): Sample {
    const since = this.runningSince;
    return {
      time: this.guest.time,
      milliseconds: this.ran + (since === null ? 0 : this.world.now() - since),
      stats: this.guest.stats(),
    };
  }

  /** Ends it all. Nothing is reported any more. */
  destroy(): void {
    this.cancel?.();
    this.cancel = null;
    this.current = { kind: "off", how: "power-off" };
    this.guest.destroy();
  }

  private wake(): void {
    if (this.current.kind !== "running") return;
    this.rested();
    this.schedule(0);
  }

  private schedule(milliseconds: number): void {
    this.cancel?.();
    this.cancel = this.world.later(() => this.runPart(), milliseconds);
  }

  private rested(): void {
    if (this.restingSince !== null) this.pacing.rested(this.world.now() - this.restingSince);
    this.restingSince = null;
  }

  private runPart(): void {
    const { guest, pacing, world } = this;
    this.cancel = null;
    this.rested();
    if (this.consoleOnTheWay > CONSOLE_WINDOW) return;
    const began = world.now();
    const before = { time: guest.time, instructions: guest.stats().guestInstructions };
    let result: RunResult;
    try {
      result = guest.run(pacing.part);
    } catch (error) {
      this.halt({ kind: "failed", report: String(error) });
      return;
    }
    const ticks = guest.time - before.time;
    const idle = Math.max(0, ticks - (guest.stats().guestInstructions - before.instructions));
    const rest = pacing.partDone({ ticks, idle, milliseconds: world.now() - began });
    if (result.kind === "off" || result.kind === "failed") this.halt(result);
    else {
      world.onPart();
      // Nothing but input can wake it; that comes with a message.
      if (result.kind === "idle" && result.milliseconds === Infinity && guest.inputPending === 0) return;
      if (rest > 0) this.restingSince = world.now();
      this.schedule(rest);
    }
  }

  private halt(state: RunState): void {
    this.cancel?.();
    this.cancel = null;
    this.restingSince = null;
    this.setState(state);
  }

  private setState(state: RunState): void {
    const { world } = this;
    this.current = state;
    if (this.runningSince !== null) this.ran += world.now() - this.runningSince;
    this.runningSince = state.kind === "running" ? world.now() : null;
    world.onState(state);
  }
}

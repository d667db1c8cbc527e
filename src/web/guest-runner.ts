import type { Breakpoint, GuestConfig, RunResult, TimeTravel } from "../index.ts";
import { Pacing } from "./pacing.ts";
import { toPreviousExit } from "./previous-exit.ts";
import { MissFollower } from "./miss-follower.ts";
import type { ListedPart, Miss, MissWay, Request, RunState, Sample, Settings } from "./protocol.ts";

/** What a runner needs of the world around it. */
export interface RunnerWorld {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** Calls `action` after this many milliseconds; 0: as soon as messages have had their turn. Returns what cancels it. */
  readonly later: (action: () => void, milliseconds: number) => () => void;
  readonly onConsole: (bytes: Uint8Array) => void;
  readonly onState: (state: RunState) => void;
  /** Called once, before the first miss. */
  readonly onListing: (parts: readonly ListedPart[]) => void;
  readonly onMiss: (miss: Miss) => void;
  /** Called after each part of the run. */
  readonly onPart: () => void;
}

/** Console bytes that may be on their way to the page before the guest has to wait. */
const CONSOLE_WINDOW = 1 << 17;

/** So long the guest is stepped before messages get their turn. */
const STEPPING_MILLISECONDS = 10;

/** Runs one guest part by part, so that messages get their turn, and may be paused. */
export class GuestRunner {
  readonly guest: TimeTravel;
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
  private breakpoints: readonly Breakpoint[] = [];
  /** The guest goes on instruction by instruction until there are more exits than so many; null: as fast as it can. */
  private untilExits: number | null = null;
  private readonly follower: MissFollower | null;
  /** Misses that are still to be followed, which of all they are, and whether the guest is paused behind them. */
  private missesToFollow = 0;
  private wayToFollow: MissWay | "any" = "any";
  private pausesBehind = true;
  /** The last miss that was followed and is none of those. */
  private passedOver: Miss | null = null;
  private isListed = false;

  /** Makes its guest by `create`, which is given what takes the console. Throws what that throws. */
  constructor(
    create: (onConsole: GuestConfig["onConsole"]) => TimeTravel,
    settings: Settings,
    world: RunnerWorld,
  ) {
    this.world = world;
    this.guest = create((bytes) => {
      this.consoleOnTheWay += bytes.length;
      world.onConsole(bytes);
    });
    const { hostDebug } = this.guest;
    this.follower = hostDebug === null ? null : new MissFollower(this.guest, hostDebug, settings);
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

  /** Lets a paused guest go on by one instruction, or up to the next exit, or brings it back to the exit before. */
  step(to: "instruction" | "exit" | "previous-exit"): void {
    if (this.current.kind !== "paused") return;
    if (to === "previous-exit") {
      toPreviousExit(this.guest, () => this.exits);
      this.halt({ kind: "paused", at: "exit" });
      return;
    }
    if (to === "exit") {
      this.untilExits = this.exits;
      this.run();
      return;
    }
    const result = this.attempt(() => this.guest.debug.step());
    if (result !== null)
      this.halt(result.kind === "off" || result.kind === "failed" ? result : { kind: "paused" });
  }

  /** Follows the next so many misses, and then pauses or not. A guest without a hypervisor under it has none. */
  followMisses({ misses, way, pause }: Omit<Extract<Request, { kind: "follow" }>, "kind">): void {
    if (this.follower === null || (this.current.kind !== "paused" && this.current.kind !== "running")) return;
    this.missesToFollow = misses;
    this.wayToFollow = way;
    this.pausesBehind = pause;
    this.run();
  }

  /** Stops in front of these addresses, and no others. */
  setBreakpoints(addresses: readonly number[]): void {
    const { debug } = this.guest;
    for (const breakpoint of this.breakpoints) debug.remove(breakpoint);
    this.breakpoints = addresses.map((address) => debug.setBreakpoint(address));
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
    if (this.missesToFollow > 0) this.follower!.start();
    const before = { time: guest.time, instructions: guest.stats().guestInstructions };
    const result = this.attempt(() =>
      this.untilExits === null ? guest.run(pacing.part) : this.stepOn(began),
    );
    if (result === null) return;
    const ticks = guest.time - before.time;
    const idle = Math.max(0, ticks - (guest.stats().guestInstructions - before.instructions));
    const rest = pacing.partDone({ ticks, idle, milliseconds: world.now() - began });
    if (result.kind === "off" || result.kind === "failed") this.halt(result);
    else if (result.kind === "debug" && result.view === "host") this.followMiss();
    else if (result.kind === "debug" && result.stop.kind !== "step")
      this.halt({ kind: "paused", at: "breakpoint" });
    else if (this.untilExits !== null && this.exits > this.untilExits)
      this.halt({ kind: "paused", at: "exit" });
    else {
      world.onPart();
      // Nothing but input can wake it; that comes with a message.
      if (result.kind === "idle" && result.milliseconds === Infinity && guest.inputPending === 0) return;
      if (rest > 0) this.restingSince = world.now();
      this.schedule(rest);
    }
  }

  /** The guest stands at its refill vector. */
  private followMiss(): void {
    const follower = this.follower!;
    const miss = follower.follow();
    if (!this.isListed) this.world.onListing(follower.listing);
    this.isListed = true;
    if (this.wayToFollow === "any" || this.wayToFollow === miss.way) {
      if (this.passedOver !== null) this.world.onMiss(this.passedOver);
      this.passedOver = null;
      this.world.onMiss(miss);
      this.missesToFollow--;
    } else this.passedOver = miss;
    if (this.missesToFollow === 0) {
      if (this.pausesBehind) return this.halt({ kind: "paused", at: "miss" });
      follower.stop();
    }
    this.schedule(0);
  }

  /** Steps up to an exit, or for as long as a part of the run takes. */
  private stepOn(began: number): RunResult {
    for (;;) {
      const result = this.guest.debug.step();
      if (result.kind !== "debug" || result.stop.kind !== "step" || this.exits > this.untilExits!)
        return result;
      if (this.world.now() - began > STEPPING_MILLISECONDS) return result;
    }
  }

  private get exits(): number {
    return Object.values(this.guest.stats().exits).reduce((sum, value) => sum + value, 0);
  }

  /** Runs the guest; null, with the guest halted, if that throws. */
  private attempt(action: () => RunResult): RunResult | null {
    try {
      return action();
    } catch (error) {
      this.halt({ kind: "failed", report: String(error) });
      return null;
    }
  }

  private halt(state: RunState): void {
    this.cancel?.();
    this.cancel = null;
    this.restingSince = null;
    this.untilExits = null;
    this.missesToFollow = 0;
    this.passedOver = null;
    this.follower?.stop();
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

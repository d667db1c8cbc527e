import type { DebugView } from "../debug.ts";
import type { Guest, RunResult } from "../guest.ts";
import type { Inspection } from "../inspect/index.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import type { Stats } from "../stats.ts";
import type { MachineGuest, OutputCallbacks } from "./machine-guest.ts";
import { encodeRecording } from "./recording.ts";
import { encodeSnapshot, type GuestImage } from "./snapshot-file.ts";
import { TravellingDebug } from "./travelling-debug.ts";

/** Where a run is. Guest time can pass without instructions, so that both numbers are needed. */
export interface Moment {
  /** Guest time in ticks. */
  readonly time: number;
  /** Instructions that the guest has retired. */
  readonly instructions: number;
}

/** What an embedder gives to a guest, besides time to run. */
export type GuestInput =
  /** Console input. */
  | { readonly kind: "console"; readonly bytes: Uint8Array }
  /** The guest goes on on another host CPU. */
  | { readonly kind: "host-cpu"; readonly number: number }
  /** So many ticks pass at once, in which the guest executes nothing. */
  | { readonly kind: "time"; readonly ticks: number }
  /** Nothing: the state of the guest has this hash. */
  | { readonly kind: "mark"; readonly hash: string };

/** An input, and when it was given. */
export interface LoggedInput extends Moment {
  readonly input: GuestInput;
}

/** How a guest's past is kept. */
export interface TimeTravelOptions {
  /** Guest time between two snapshots, in ticks; default 1 s. */
  readonly interval?: number;
  /** Most snapshots that are kept, 2 or more; default 20. Older ones are kept farther apart. */
  readonly snapshots?: number;
}

const DEFAULT_SNAPSHOTS = 20;

/** A snapshot is taken so many ticks before where a guest is turned back to: the next step back is a short one. */
const NEARBY = 100_000;

/** A moment of the past, and how many of the inputs had been given then. */
interface Snapshot extends Moment {
  readonly image: GuestImage;
  readonly inputs: number;
}

/** A guest did not do with the same inputs what it had done: the log is not its own. */
export class DivergenceError extends Error {
  constructor({ time, instructions }: Moment) {
    super(`the guest does not do what was recorded at tick ${time}, after ${instructions} instructions`);
    this.name = "DivergenceError";
  }
}

/**
 * A guest that can be turned back to any earlier moment, bit for bit. It keeps snapshots at intervals, which share
 * the pages of RAM that have not changed, and a log of what the embedder has given to the guest.
 *
 * Turned back, it does again what it did, with the inputs of the log; an input that is given to it there begins another
 * future, and the old one is forgotten. Under the virtual clock only: by the wall clock nothing would come again.
 */
export class TimeTravel implements Guest {
  private readonly guest: MachineGuest;
  private readonly interval: number;
  private readonly most: number;
  /** In order; those from `given` on are the future that the guest has been turned back from. */
  private readonly log: LoggedInput[];
  private given = 0;
  private readonly snapshots: Snapshot[] = [];
  private hostCpu = 0;
  /** The host CPU that it was on at the first snapshot. */
  private firstHostCpu = 0;
  readonly debug: DebugView;
  readonly hostDebug: DebugView | null;
  /** What the guest prints is not the embedder's to see: it has seen it. */
  private isMuted = false;
  private destroyed = false;

  /**
   * `create` makes the guest, with the outputs that are given to it; `outputs` take what it prints. `log` are inputs
   * that it will be given when it comes there.
   */
  constructor(
    create: (outputs: OutputCallbacks) => MachineGuest,
    { onConsole, onSerial }: OutputCallbacks,
    { interval = TICKS_PER_SECOND, snapshots = DEFAULT_SNAPSHOTS }: TimeTravelOptions = {},
    log: readonly LoggedInput[] = [],
  ) {
    if (!(interval > 0)) throw new RangeError(`snapshots every ${interval} ticks: give a positive number`);
    if (!Number.isInteger(snapshots) || snapshots < 2)
      throw new RangeError(`${snapshots} snapshots: give a whole number from 2 on`);
    this.interval = interval;
    this.most = snapshots;
    this.log = [...log];
    this.guest = create({
      onConsole: (bytes) => {
        if (!this.isMuted) onConsole(bytes);
      },
      ...(onSerial !== undefined && {
        onSerial: (port, bytes) => {
          if (!this.isMuted) onSerial(port, bytes);
        },
      }),
    });
    const { debug, hostDebug } = this.guest;
    this.debug = this.debugOf(debug);
    this.hostDebug = hostDebug === null ? null : this.debugOf(hostDebug);
    this.takeSnapshot();
  }

  /** A view for a debugger. What it writes, nobody could do again: the guest's past begins there. */
  private debugOf(view: DebugView): DebugView {
    return new TravellingDebug(
      view,
      () => this.giveDue(),
      () => this.forget(),
    );
  }

  /** Where the guest is. */
  get moment(): Moment {
    return { time: this.guest.time, instructions: this.guest.instructions };
  }

  /** The earliest moment that the guest can be turned back to. Throws SnapshotError after {@link destroy}. */
  get first(): Moment {
    const { time, instructions } = this.firstSnapshot;
    return { time, instructions };
  }

  /**
   * The run so far, for `replayGuest`: its start, all inputs that have been given since, and a hash of where it is.
   */
  recording(): Uint8Array {
    const now = { ...this.moment, input: { kind: "mark", hash: this.guest.hash() } } as const;
    const inputs = [...this.log.slice(0, this.given), now];
    return encodeRecording({ snapshot: encodeSnapshot(this.firstSnapshot.image), inputs });
  }

  /** True if there are inputs in the log that the guest has not been given yet. */
  get isReplaying(): boolean {
    return this.given < this.log.length;
  }

  /** Throws what the guest's own `run` throws, and {@link DivergenceError}. */
  run(ticks: number, hostCpu = this.hostCpu): RunResult {
    if (hostCpu !== this.hostCpu) this.give({ kind: "host-cpu", number: hostCpu });
    return this.runOn(this.guest.time + Math.ceil(ticks), this.interval);
  }

  /** Runs to tick `limit`, with the inputs that are in the log on the way, and snapshots every `interval` ticks. */
  private runOn(limit: number, interval: number): RunResult {
    const { guest } = this;
    for (;;) {
      if (this.destroyed) return guest.run(1);
      this.giveDue();
      const { time } = guest;
      const snapshotAt = Math.max(this.lastSnapshot.time + interval, time + 1);
      const stop = Math.min(limit, this.nextInputAt, snapshotAt);
      const result = guest.run(Math.max(stop - time, 1), this.hostCpu);
      if (this.destroyed) return result;
      if (guest.time >= snapshotAt) this.takeSnapshot();
      if (result.kind === "debug") return result;
      if (this.nextInputAt <= guest.time) this.giveDue();
      else if (result.kind !== "running") return result;
      // It stands at the limit, or was stopped.
      if (guest.time >= limit || guest.time < stop) return result;
    }
  }

  /** Time of the next input in the log. */
  private get nextInputAt(): number {
    return this.log[this.given]?.time ?? Infinity;
  }

  /** Gives the guest the inputs of the log that are due. Throws {@link DivergenceError}. */
  private giveDue(): void {
    for (;;) {
      const { time, instructions } = this.moment;
      const next = this.log[this.given];
      if (next === undefined || next.time > time) return;
      if (next.time !== time || next.instructions !== instructions) throw new DivergenceError(next);
      this.given++;
      this.apply(next);
    }
  }

  private apply({ input, ...moment }: LoggedInput): void {
    switch (input.kind) {
      case "console":
        return this.guest.sendInput(input.bytes);
      case "host-cpu":
        this.hostCpu = input.number;
        return;
      case "time":
        return this.guest.passTime(input.ticks);
      case "mark":
        if (this.guest.hash() !== input.hash) throw new DivergenceError(moment);
    }
  }

  /** Gives an input now, and notes it. The future that the guest has been turned back from is no more. */
  private give(input: GuestInput): void {
    if (this.destroyed) return;
    const now = this.moment;
    this.log.splice(this.given);
    const isFuture = ({ time, inputs }: Snapshot): boolean => time > now.time || inputs > this.given;
    while (isFuture(this.lastSnapshot) && this.snapshots.length > 1) this.snapshots.pop();
    const logged = { ...now, input };
    this.log.push(logged);
    this.given = this.log.length;
    this.apply(logged);
  }

  // --- snapshots, and back to them ---

  private get firstSnapshot(): Snapshot {
    const [first] = this.snapshots;
    if (first === undefined) throw new SnapshotError("the guest is no more: it has no past");
    return first;
  }

  private get lastSnapshot(): Snapshot {
    return this.snapshots.at(-1)!;
  }

  /** Takes a snapshot, unless there is one of this moment. */
  private takeSnapshot(): void {
    const { moment, given, snapshots } = this;
    const after = snapshots.findIndex(({ time, inputs }) => time > moment.time || inputs > given);
    const at = after < 0 ? snapshots.length : after;
    const before = snapshots[at - 1];
    if (before?.time === moment.time && before.inputs === given) return;
    snapshots.splice(at, 0, { ...moment, inputs: given, image: this.guest.capture(before?.image.ram) });
    if (snapshots.length > this.most) this.thinOut();
  }

  /** The guest was changed from outside: forgets past and future. */
  private forget(): void {
    this.log.splice(0);
    this.given = 0;
    this.firstHostCpu = this.hostCpu;
    this.snapshots.splice(0);
    this.takeSnapshot();
  }

  /** Drops the snapshot that is missed least: the older they are, the farther apart they may be. */
  private thinOut(): void {
    const { snapshots } = this;
    const newest = this.lastSnapshot.time + this.interval;
    let least = Infinity;
    let dropped = 1;
    for (let n = 1; n < snapshots.length - 1; n++) {
      const gap = snapshots[n + 1]!.time - snapshots[n - 1]!.time;
      const weight = gap / (newest - snapshots[n]!.time);
      if (weight >= least) continue;
      least = weight;
      dropped = n;
    }
    snapshots.splice(dropped, 1);
  }

  /**
   * Brings the guest to the moment at which it had executed `instructions` instructions. Under the hypervisor a guest
   * never stands between a branch and its delay slot: there it is brought before the branch. Nothing is printed on the
   * way. Throws RangeError for a moment before {@link first}, or one that the guest does not come to by itself, and
   * SnapshotError after {@link destroy}.
   */
  goTo(instructions: number): void {
    if (!Number.isInteger(instructions) || instructions < this.first.instructions)
      throw new RangeError(
        `cannot go to instruction ${instructions}: give a whole number from ${this.first.instructions}`,
      );
    this.turnBack(instructions);
    if (!this.runMuted(instructions)) {
      const { instructions: reached } = this.moment;
      throw new RangeError(`cannot go to instruction ${instructions}: the guest stands at ${reached}`);
    }
    // Between a branch and its delay slot it does not stop.
    if (this.guest.instructions > instructions) this.goTo(instructions - 1);
  }

  /** Brings the guest to a snapshot before the moment at which it had executed so many instructions. */
  private turnBack(instructions: number): void {
    const earlier = this.snapshots.findLast((one) => one.instructions < instructions);
    const snapshot = earlier ?? this.snapshots[0]!;
    const here = this.guest.instructions;
    if (here < instructions && here >= snapshot.instructions) return;
    this.guest.reinstate(snapshot.image);
    this.given = snapshot.inputs;
    this.hostCpu = this.hostCpuAfter(snapshot.inputs);
  }

  /** The host CPU that the guest is on when it has been given so many of the inputs. */
  private hostCpuAfter(inputs: number): number {
    const last = this.log.findLast(({ input }, n) => n < inputs && input.kind === "host-cpu");
    return last?.input.kind === "host-cpu" ? last.input.number : this.firstHostCpu;
  }

  /** Runs until the guest has executed so many instructions. False if it does not come there by itself. */
  private runMuted(instructions: number): boolean {
    this.isMuted = true;
    try {
      const nearby = instructions - NEARBY;
      if (this.guest.instructions < nearby - NEARBY && this.runTo(nearby)) this.takeSnapshot();
      return this.runTo(instructions);
    } finally {
      this.isMuted = false;
    }
  }

  private runTo(instructions: number): boolean {
    const { guest } = this;
    // No instruction takes less than a tick.
    for (let left = instructions - guest.instructions; left > 0; left = instructions - guest.instructions) {
      const { time } = guest;
      const result = this.runOn(time + left, Infinity);
      // On the way nobody waits at breakpoints.
      if (result.kind === "debug") continue;
      if (result.kind !== "running" || guest.time === time) return guest.instructions >= instructions;
    }
    return true;
  }

  // --- as any guest ---

  stop(): void {
    this.guest.stop();
  }
  sendInput(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("console input is no Uint8Array");
    this.give({ kind: "console", bytes: bytes.slice() });
  }
  /** Lets `ticks` pass at once, in which the guest executes nothing. */
  passTime(ticks: number): void {
    this.give({ kind: "time", ticks });
  }
  get time(): number {
    return this.guest.time;
  }
  get inputPending(): number {
    return this.guest.inputPending;
  }
  stats(): Stats {
    return this.guest.stats();
  }
  inspect(): Inspection {
    return this.guest.inspect();
  }
  save(): Uint8Array {
    return this.guest.save();
  }
  hash(): string {
    return this.guest.hash();
  }
  destroy(): void {
    this.destroyed = true;
    this.guest.destroy();
    this.snapshots.splice(0);
  }
}

import type { DebugView, ReverseRun, ReversibleGuest } from "../debug.ts";
import type { Guest, RunResult } from "../guest.ts";
import type { Inspection } from "../inspect/index.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import type { Stats } from "../stats.ts";
import { InputLog, type GuestInput, type LoggedInput, type Moment } from "./input-log.ts";
import type { MachineGuest, OutputCallbacks } from "./machine-guest.ts";
import { encodeRecording } from "./recording.ts";
import { NEARBY, Reversal, stepBack, toLastStop, type Past, type Trail } from "./reverse.ts";
import { encodeSnapshot } from "./snapshot-file.ts";
import { lastBefore, thinOut, type Snapshot } from "./snapshot-list.ts";
import { TravellingDebug } from "./travelling-debug.ts";

/** An input that waits for the next tick after `since`. */
interface HeldInput {
  readonly since: number;
  readonly input: GuestInput;
}

/** How a guest's past is kept. */
export interface TimeTravelOptions {
  /** Guest time between two snapshots, in ticks; default 1 s. */
  readonly interval?: number;
  /** Most snapshots that are kept, 2 or more; default 20. Older ones are kept farther apart. */
  readonly snapshots?: number;
  /**
   * "once": what the guest prints is handed on when it does so for the first time, and not again when it has been turned
   * back. Default "always".
   */
  readonly output?: "always" | "once";
}

const DEFAULT_SNAPSHOTS = 20;

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
export class TimeTravel implements Guest, ReversibleGuest {
  private readonly guest: MachineGuest;
  private readonly interval: number;
  private readonly most: number;
  private readonly printsOnce: boolean;
  private readonly log: InputLog;
  private readonly snapshots: Snapshot[] = [];
  /** Console input that the guest had not taken yet at the first snapshot. */
  private firstInput: Uint8Array = new Uint8Array(0);
  /** What the guest was given where nobody can give it anything again: it gets it at the next tick. */
  private held: HeldInput[] = [];
  /** A debugger has stopped the guest: without one it does not come to just this place. */
  private isInside = false;
  /** Steps that a debugger has taken back, and those before. */
  private trail: Trail | null = null;
  /** The farthest that the guest has come. */
  private latest: Moment = { time: 0, instructions: 0 };
  private hostCpu = 0;
  /** The host CPU that it was on at the first snapshot. */
  private firstHostCpu = 0;
  readonly debug: DebugView;
  readonly hostDebug: DebugView | null;
  /** What the guest prints is not the embedder's to see: it is on its way to a moment of the past. */
  private isMuted = false;
  /** Nor is it now: the embedder has seen it. */
  private isSeen = false;
  /** The guest may go farther than it has come by itself, and is turned back then. */
  private isSearching = false;
  private destroyed = false;

  /**
   * `create` makes the guest, with the outputs that are given to it; `outputs` take what it prints. `log` are inputs
   * that it will be given when it comes there. Throws SnapshotError if they cannot be.
   */
  constructor(
    create: (outputs: OutputCallbacks) => MachineGuest,
    { onConsole, onSerial }: OutputCallbacks,
    { interval = TICKS_PER_SECOND, snapshots = DEFAULT_SNAPSHOTS, output = "always" }: TimeTravelOptions = {},
    log: readonly LoggedInput[] = [],
  ) {
    if (typeof interval !== "number" || !(interval > 0))
      throw new RangeError(`snapshots every ${String(interval)} ticks: give a positive number`);
    if (!Number.isInteger(snapshots) || snapshots < 2)
      throw new RangeError(`${snapshots} snapshots: give a whole number from 2 on`);
    this.interval = interval;
    this.most = snapshots;
    this.printsOnce = output === "once";
    this.log = new InputLog(log);
    this.guest = create({
      onConsole: (bytes) => {
        if (!this.isMuted && !this.isSeen) onConsole(bytes);
      },
      ...(onSerial !== undefined && {
        onSerial: (port, bytes) => {
          if (!this.isMuted && !this.isSeen) onSerial(port, bytes);
        },
      }),
    });
    const { debug, hostDebug } = this.guest;
    this.debug = this.debugOf(debug);
    this.hostDebug = hostDebug === null ? null : this.debugOf(hostDebug);
    this.begin();
    this.checkHostCpus(log);
  }

  /** A log may come from a file. Throws SnapshotError. */
  private checkHostCpus(log: readonly LoggedInput[]): void {
    const hostCpus = this.firstSnapshot.image.settings.hypervisor?.hostCpus ?? 1;
    for (const { input } of log)
      if (input.kind === "host-cpu" && input.number >= hostCpus)
        throw new SnapshotError(
          `the recording cannot be used: its guest goes to host CPU ${input.number}, and there are ${hostCpus}`,
        );
  }

  /** A view for a debugger. What it writes, nobody could do again: the guest's past begins there. */
  private debugOf(view: DebugView): DebugView {
    return new TravellingDebug(
      view,
      () => this.step(view.name),
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
    const inputs = [...this.log.past, now];
    return encodeRecording({ snapshot: encodeSnapshot(this.firstSnapshot.image), inputs });
  }

  /**
   * True if the guest has been turned back, or is repeating what was recorded: an input would begin another future, and
   * the one that there is would be forgotten.
   */
  get isInPast(): boolean {
    return this.isReplaying || this.guest.time < this.latest.time;
  }

  /** True if there are inputs in the log that the guest has not been given yet. */
  get isReplaying(): boolean {
    return this.log.next !== undefined;
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
      const isRepeated = time < this.latest.time;
      const stop = Math.min(
        ...[limit, this.nextInputAt, snapshotAt],
        ...(isRepeated ? [this.latest.time] : []),
        ...(this.isSearching ? [] : this.held.map(({ since }) => Math.max(since, time) + 1)),
      );
      this.isSeen = isRepeated && this.printsOnce;
      const result = guest.run(Math.max(stop - time, 1), this.hostCpu);
      if (this.destroyed) return result;
      this.isInside = result.kind === "debug";
      if (!this.isSearching && guest.time > this.latest.time) this.latest = this.moment;
      if (result.kind === "debug") return result;
      if (guest.time >= snapshotAt) this.takeSnapshot();
      if (!this.isSearching) this.giveHeld();
      if (this.nextInputAt <= guest.time) this.giveDue();
      else if (result.kind !== "running") return result;
      // It stands at the limit, or was stopped.
      if (guest.time >= limit || guest.time < stop) return result;
    }
  }

  /** Time of the next input in the log. */
  private get nextInputAt(): number {
    return this.log.next?.time ?? Infinity;
  }

  /** Gives the guest the inputs of the log that are due. Throws {@link DivergenceError}. */
  private giveDue(): void {
    for (;;) {
      const { time, instructions } = this.moment;
      const { next } = this.log;
      if (next === undefined || next.time > time) return;
      if (next.time !== time || next.instructions !== instructions) throw new DivergenceError(next);
      this.log.advance();
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

  /** Gives an input as soon as that can be repeated, and notes it. */
  private give(input: GuestInput): void {
    if (this.destroyed) return;
    this.forgetFuture();
    if (this.isInside) this.held.push({ since: this.guest.time, input });
    else this.log.append({ ...this.moment, input });
    this.giveDue();
    this.latest = this.moment;
  }

  /** Gives what was held, if a tick has passed since. */
  private giveHeld(): void {
    const due = this.held.filter(({ since }) => since < this.guest.time);
    if (due.length === 0) return;
    this.held = this.held.filter((one) => !due.includes(one));
    for (const { input } of due) this.give(input);
  }

  /** The future that the guest has been turned back from is no more. */
  private forgetFuture(): void {
    const { time } = this.guest;
    this.log.forgetFuture();
    this.held = this.held.filter(({ since }) => since <= time);
    const isFuture = (one: Snapshot): boolean => one.time > time || one.inputs > this.log.given;
    while (isFuture(this.lastSnapshot) && this.snapshots.length > 1) this.snapshots.pop();
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

  /** Takes a snapshot besides those at intervals: the way back to here will be short. */
  keep(): void {
    if (!this.destroyed) this.takeSnapshot();
  }

  /** Takes a snapshot, unless there is one of this moment. */
  private takeSnapshot(): void {
    const { guest, snapshots } = this;
    const { place } = guest;
    const inputs = this.log.given;
    const after = snapshots.findIndex((one) => one.time > place.time || one.inputs > inputs);
    const at = after < 0 ? snapshots.length : after;
    const before = snapshots[at - 1];
    if (before?.time === place.time && before.inputs === inputs) return;
    // Later on, input that was not taken is found in the log.
    const image =
      before === undefined ? guest.capture() : guest.capture({ before: before.image.ram, withInput: false });
    snapshots.splice(at, 0, { ...place, inputs, image, pending: guest.inputPending });
    if (snapshots.length > this.most) thinOut(snapshots, this.interval);
  }

  /** The guest's past begins here. */
  private begin(): void {
    this.trail = null;
    this.firstHostCpu = this.hostCpu;
    this.firstInput = this.guest.pendingInput;
    this.latest = this.moment;
    this.snapshots.splice(0);
    this.takeSnapshot();
  }

  /** The guest was changed from outside: forgets past and future. */
  private forget(): void {
    this.log.clear();
    this.begin();
  }

  private reinstate({ image, inputs, pending }: Snapshot): void {
    const { guest } = this;
    guest.reinstate(image);
    this.log.rewind(inputs);
    this.hostCpu = this.log.hostCpu ?? this.firstHostCpu;
    guest.pendingInput = this.log.lastConsole(pending, this.firstInput);
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
    if (!this.muted(() => this.runTo(instructions))) {
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
    if (here >= instructions || here < snapshot.instructions) this.reinstate(snapshot);
  }

  private muted<Result>(action: () => Result): Result {
    this.isMuted = true;
    try {
      return action();
    } finally {
      this.isMuted = false;
    }
  }

  /** Runs until the guest has executed so many instructions. False if it does not come there by itself. */
  private runTo(instructions: number): boolean {
    const nearby = instructions - NEARBY;
    if (this.guest.instructions < nearby - NEARBY && this.passTo(nearby)) this.takeSnapshot();
    return this.passTo(instructions);
  }

  private passTo(instructions: number): boolean {
    const { guest } = this;
    for (;;) {
      this.giveDue();
      const { time } = guest;
      // No instruction takes less than a tick.
      const left = instructions - guest.instructions;
      if (left <= 0) return true;
      const wait = Math.min(guest.ticksToWait, this.nextInputAt - time);
      const limit = time + (wait === Infinity ? left : Math.max(left, wait));
      // On the way nobody waits at breakpoints.
      const result = guest.withoutPoints(() => this.runOn(limit, Infinity));
      if (result.kind !== "running" || guest.time === time) return guest.instructions >= instructions;
    }
  }

  // --- backwards, for a debugger ---

  reverseStep(view: DebugView["name"]): ReverseRun {
    return new Reversal(stepBack(this.past, view, this.trail, (trail) => (this.trail = trail)));
  }
  reverseContinue(): ReverseRun {
    return new Reversal(toLastStop(this.past));
  }

  private get past(): Past {
    const { guest } = this;
    const unseen = <Result>(action: () => Result): Result => {
      this.isSearching = true;
      try {
        return this.muted(action);
      } finally {
        this.isSearching = false;
        this.isInside = true;
      }
    };
    const run = (limit: number): RunResult => unseen(() => this.runOn(limit, Infinity));
    return {
      place: () => guest.place,
      firstInstructions: () => this.first.instructions,
      snapshotBefore: (place) => lastBefore(this.snapshots, place),
      turnBack: (place, instructions) =>
        this.reinstate(lastBefore(this.snapshots, place, instructions) ?? this.firstSnapshot),
      turnToFirst: () => this.reinstate(this.firstSnapshot),
      keep: () => this.takeSnapshot(),
      run,
      pass: (limit) => guest.withoutPoints(() => run(limit)),
      passTo: (instructions) => unseen(() => this.passTo(instructions)),
      runToMark: (place, limit) => guest.withMark(place, () => run(limit)),
      step: (view, limit) => guest.withoutPoints(() => guest.step(view, () => run(limit))),
    };
  }

  /** Makes a step of a view. */
  private step(view: DebugView["name"]): RunResult {
    // It takes a tick to where what is held can be given.
    if (this.held.some(({ since }) => since <= this.guest.time))
      this.runOn(this.guest.time + 1, this.interval);
    else return this.guest.step(view, () => this.runOn(Infinity, this.interval));
    return { kind: "debug", view, stop: { kind: "step" } };
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
    return this.guest.inputPending + this.heldInput.reduce((sum, { length }) => sum + length, 0);
  }
  private get heldInput(): Uint8Array[] {
    const { time } = this.guest;
    return this.held.flatMap(({ since, input }) =>
      input.kind === "console" && since <= time ? [input.bytes] : [],
    );
  }
  stats(): Stats {
    return this.guest.stats();
  }
  inspect(): Inspection {
    return this.guest.inspect();
  }
  save(): Uint8Array {
    const { guest, heldInput } = this;
    if (heldInput.length === 0) return guest.save();
    // What it has yet to be given is input that it has not taken.
    const { pendingInput } = guest;
    guest.pendingInput = joined([pendingInput, ...heldInput]);
    try {
      return guest.save();
    } finally {
      guest.pendingInput = pendingInput;
    }
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

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

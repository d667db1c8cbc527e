import type { DebugView, ReverseResult, ReverseRun } from "../debug.ts";
import type { RunResult } from "../guest.ts";
import { isBehind, isSame, type Place } from "./place.ts";

/** What going back asks of whoever keeps a guest's past. Nothing that the guest does meanwhile is seen outside. */
export interface Past {
  /** Where the guest is. */
  place(): Place;
  /** Guest instructions at the earliest moment that there is. */
  firstInstructions(): number;
  /** The last snapshot before `place`; null if there is none. */
  snapshotBefore(place: Place): Place | null;
  /** Brings the guest to the last snapshot before `place` and before so many guest instructions, or to the first. */
  turnBack(place: Place, instructions?: number): void;
  /** Brings the guest to the earliest moment. */
  turnToFirst(): void;
  /** Takes a snapshot, so that the way back to here is short. */
  keep(): void;
  /** Runs to tick `limit` at most, as the guest did before. */
  run(limit: number): RunResult;
  /** Does that with no breakpoint or watchpoint to stop at. */
  pass(limit: number): RunResult;
  /** Does that up to `instructions` guest instructions. */
  passTo(instructions: number): void;
  /** Runs to tick `limit` or to `place`, or to a stop before. */
  runToMark(place: Place, limit: number): RunResult;
  /** Makes a step of a view, unless that takes longer than to tick `limit`. */
  step(view: DebugView["name"], limit: number): RunResult;
}

/** A snapshot is taken so many ticks before where a guest is turned back to: the next way back is a short one. */
export const NEARBY = 100_000;

/** More ticks than instructions take that are executed at once. */
const MARGIN = 8;

/** How far back a step is looked for first, in guest instructions. Between two of them there may be many of the host. */
const FIRST_LOOK = { guest: 64, host: 4 } as const;
/** How much farther each time. */
const FARTHER = 8;

type Stop = Extract<RunResult, { kind: "debug" }>;
/** A way back: it yields when it has run for a while, and is then told how many ticks it may run next. */
type Way<Result> = Generator<undefined, Result, number>;

const RUNNING: ReverseResult = { kind: "running" };
const BEGIN: ReverseResult = { kind: "begin" };
const STEP: Stop["stop"] = { kind: "step" };

/** A guest on its way back, part by part. */
export class Reversal implements ReverseRun {
  private readonly way: Way<ReverseResult>;
  private result: ReverseResult = RUNNING;

  constructor(way: Way<ReverseResult>) {
    this.way = way;
    // Up to where it asks for ticks for the first time.
    this.way.next(0);
  }

  run(ticks: number): ReverseResult {
    if (this.result.kind !== "running") return this.result;
    const { done, value } = this.way.next(ticks);
    if (done === true) this.result = value;
    return this.result;
  }
}

/** Back to where the guest would have stopped last before now. */
export function* toLastStop(past: Past): Way<ReverseResult> {
  yield;
  const now = past.place();
  let near = NEARBY;
  for (let end = now; past.snapshotBefore(end) !== null; near *= FARTHER) {
    if (!(yield* passNearby(past, end, near))) past.turnBack(end);
    const from = past.place();
    const last = yield* lastStopBefore(past, end, now);
    if (last !== null) return yield* toStop(past, last);
    end = from;
  }
  past.turnToFirst();
  return BEGIN;
}

/** If it is far to `place` from any snapshot, goes to so many ticks before and takes one there. False if it is not. */
function* passNearby(past: Past, place: Place, near: number): Way<boolean> {
  const nearby = place.time - near;
  const snapshot = past.snapshotBefore(place);
  if (snapshot === null || snapshot.time >= nearby - near) return false;
  past.turnBack(place);
  yield* passTo(past, nearby);
  past.keep();
  return true;
}

/** Passes all up to a tick. */
function* passTo(past: Past, time: number): Way<void> {
  for (;;) {
    const { time: before } = past.place();
    if (before >= time) return;
    past.pass(Math.min(time, before + (yield)));
    if (past.place().time === before) return;
  }
}

/** A stop, and where it was. */
interface StopAt {
  readonly place: Place;
  readonly result: Stop;
}

/** The last stop on the way from here to `end`, and before `now`; null if there is none. */
function* lastStopBefore(past: Past, end: Place, now: Place): Way<StopAt | null> {
  let last: StopAt | null = null;
  const nearly = end.time - MARGIN;
  for (;;) {
    const before = past.place();
    const isNearly = before.time >= nearly;
    const ticks = yield;
    const result = isNearly
      ? past.runToMark(end, end.time + 1)
      : past.run(Math.min(nearly, before.time + ticks));
    const place = past.place();
    if (isSame("host", place, end) || isBehind(place, end)) return last;
    if (result.kind === "debug") {
      if (!isSame(result.view, place, now)) last = { place, result };
    } else if (isNearly || place.time === before.time) return last;
  }
}

/** Back to a stop that there was. */
function* toStop(past: Past, { place: wanted, result: { view } }: StopAt): Way<ReverseResult> {
  if (past.snapshotBefore(wanted) === null) past.turnToFirst();
  else if (!(yield* passNearby(past, wanted, NEARBY))) past.turnBack(wanted);
  yield* passTo(past, wanted.time - MARGIN);
  for (;;) {
    const result = past.run(wanted.time + 1);
    const place = past.place();
    if (result.kind === "debug" && isSame(view, place, wanted)) return result;
    if (result.kind !== "debug" || isBehind(place, wanted))
      throw new Error("the guest does not stop again where it had stopped");
  }
}

/** Steps of a view, one after another, that lead to a place. */
export interface Trail {
  readonly view: DebugView["name"];
  /** Where the first of them begins: after so many guest instructions, or at the earliest moment. */
  readonly from: number | null;
  /** Where each of them ends. */
  readonly ends: readonly Place[];
}

/** Back by one step of a view. `known` leads to where the guest may be now; what leads to where it is then is told. */
export function* stepBack(
  past: Past,
  view: DebugView["name"],
  known: Trail | null,
  tell: (trail: Trail) => void,
): Way<ReverseResult> {
  yield;
  const now = past.place();
  if (past.snapshotBefore(now) === null) {
    past.turnToFirst();
    return BEGIN;
  }
  let trail = stepsBefore(known, view, now);
  if (trail === null) {
    yield* passNearby(past, now, NEARBY);
    trail = yield* findTrail(past, view, now);
  }
  toStart(past, trail, now);
  for (const _ of trail.ends) past.step(view, Infinity);
  tell(trail);
  return { kind: "debug", view, stop: STEP };
}

/** What of `trail` comes before `now`, if it leads on to there; null if nothing does. */
function stepsBefore(trail: Trail | null, view: DebugView["name"], now: Place): Trail | null {
  if (trail === null || trail.view !== view) return null;
  const index = trail.ends.findIndex((end) => isSame("host", end, now));
  // Only at the beginning it is known that a trail's start is where a step ends.
  return index > 0 || (index === 0 && trail.from === null)
    ? { ...trail, ends: trail.ends.slice(0, index) }
    : null;
}

/** Brings the guest to where a trail begins. */
function toStart(past: Past, { from }: Trail, now: Place): void {
  if (from === null) past.turnToFirst();
  else {
    past.turnBack(now, from);
    past.passTo(from);
  }
}

/** The steps that end last before `now`. */
function* findTrail(past: Past, view: DebugView["name"], now: Place): Way<Trail> {
  const first = past.firstInstructions();
  for (let distance = FIRST_LOOK[view]; ; distance *= FARTHER) {
    const from = now.instructions - distance;
    const ends: Place[] = [];
    const trail = { view, from: from > first ? from : null, ends };
    toStart(past, trail, now);
    for (;;) {
      const result = past.step(view, now.time + 1);
      const place = past.place();
      if (result.kind !== "debug" || isSame(view, place, now) || isBehind(place, now)) break;
      ends.push(place);
    }
    if (ends.length > 0 || trail.from === null) return trail;
    yield;
  }
}

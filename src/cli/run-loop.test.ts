import { describe, expect, it } from "vitest";
import type { RunResult } from "../index.ts";
import { RunLoop, SLICE_TICKS, type Ending, type RunnableGuest, type RunWorld } from "./run-loop.ts";

const IDLE: RunResult = { kind: "idle", milliseconds: Infinity };
const RUNNING: RunResult = { kind: "running" };
const OFF: RunResult = { kind: "off", how: "power-off" };

/** A guest whose slices end as told, the last one again and again. */
class ScriptedGuest implements RunnableGuest {
  private readonly results: readonly (RunResult | (() => RunResult))[];
  slices = 0;
  stops = 0;
  private passed = 0;
  readonly inputPending = 0;

  constructor(...results: (RunResult | (() => RunResult))[]) {
    this.results = results;
  }
  get time(): number {
    return this.passed;
  }
  run(ticks: number): RunResult {
    this.passed += ticks;
    const result = this.results[Math.min(this.slices++, this.results.length - 1)]!;
    return typeof result === "function" ? result() : result;
  }
  stop(): void {
    this.stops++;
  }
}

function loopIn(world: Partial<RunWorld> = {}): RunLoop {
  return new RunLoop({
    now: () => performance.now(),
    startedAt: performance.now(),
    inputOpen: () => true,
    ...world,
  });
}

const after = (milliseconds: number, action: () => void): void => {
  setTimeout(action, milliseconds);
};

describe("RunLoop", () => {
  it("asks for time that is left, also of a guest whose clock goes on by itself", async () => {
    const asked: number[] = [];
    class WallGuest extends ScriptedGuest {
      private ticks = 0;
      override get time(): number {
        return (this.ticks += SLICE_TICKS / 3);
      }
      override run(ticks: number): RunResult {
        asked.push(ticks);
        return super.run(ticks);
      }
    }
    await loopIn().run(new WallGuest(...Array.from({ length: 20 }, () => RUNNING), OFF));
    expect(asked).toHaveLength(21);
    expect(Math.min(...asked)).toBeGreaterThan(0);
  });

  it.each([
    [OFF, { kind: "power-off" }],
    [{ kind: "off", how: "reset" }, { kind: "reset" }],
    [
      { kind: "failed", report: "why" },
      { kind: "failed", report: "why" },
    ],
  ] as const satisfies readonly (readonly [RunResult, Ending])[])("ends with %o", async (result, ending) => {
    const guest = new ScriptedGuest(RUNNING, RUNNING, result);
    expect(await loopIn().run(guest)).toEqual(ending);
    expect(guest.slices).toBe(3);
  });

  it("gives other events their turn between slices", async () => {
    const loop = loopIn();
    const guest = new ScriptedGuest(RUNNING);
    const turn = (): void => (guest.slices > 1 ? loop.end({ kind: "left" }) : after(1, turn));
    after(1, turn);
    expect(await loop.run(guest)).toEqual({ kind: "left" });
    expect(guest.slices).toBeGreaterThan(1);
    expect(guest.stops).toBe(1);
  });

  it("looks at the world at the same guest times, however fast the guest is", async () => {
    for (const milliseconds of [0, 1, 30]) {
      let now = 0;
      const times: number[] = [];
      const guest = new ScriptedGuest(() => {
        now += milliseconds;
        return guest.time >= 3 * SLICE_TICKS ? OFF : RUNNING;
      });
      const world = { now: () => now, startedAt: 0, beforeSlice: () => times.push(guest.time) };
      expect(await loopIn(world).run(guest)).toEqual({ kind: "power-off" });
      expect(times, `${milliseconds} ms`).toEqual([0, SLICE_TICKS, 2 * SLICE_TICKS]);
    }
  });

  it("ends soon after the timeout of a guest whose slices take seconds", async () => {
    let now = 0;
    const guest: ScriptedGuest = new ScriptedGuest(() => {
      now += (guest.time - before) / (SLICE_TICKS / 3000);
      before = guest.time;
      return RUNNING;
    });
    let before = 0;
    const loop = loopIn({ now: () => now, startedAt: 0, timeout: 1 });
    expect(await loop.run(guest)).toMatchObject({ kind: "timeout" });
    expect(now).toBeLessThan(1050);
  });

  it("tells when the guest waits for longer than a moment", async () => {
    let waits = 0;
    const loop = loopIn({ onWait: () => waits++ });
    const wait = (milliseconds: number): RunResult => ({ kind: "idle", milliseconds });
    await loop.run(new ScriptedGuest(wait(0.1), RUNNING, wait(6), OFF));
    expect(waits).toBe(1);
  });

  it("keeps the first reason to end, also one that the guest's output gave before it powered off", async () => {
    const loop = loopIn();
    const guest = new ScriptedGuest(() => {
      loop.end({ kind: "matched" });
      loop.end({ kind: "broken-pipe" });
      return OFF;
    });
    expect(await loop.run(guest)).toEqual({ kind: "matched" });
    expect(guest.slices).toBe(1);
  });

  it("does not start what has ended before", async () => {
    const loop = loopIn();
    loop.end({ kind: "signal", status: 130 });
    const guest = new ScriptedGuest(OFF);
    expect(await loop.run(guest)).toEqual({ kind: "signal", status: 130 });
    expect(guest.slices).toBe(0);
  });

  it("ends on the timeout, of a busy guest and of a waiting one", async () => {
    for (const result of [RUNNING, IDLE]) {
      const began = performance.now();
      const loop = loopIn({ timeout: 0.05, inputOpen: () => false });
      expect(await loop.run(new ScriptedGuest(result))).toEqual({ kind: "timeout", seconds: 0.05 });
      expect(performance.now() - began).toBeGreaterThanOrEqual(49);
    }
  });

  it("sleeps while the guest waits, until there is input", async () => {
    const loop = loopIn();
    const guest = new ScriptedGuest(IDLE, OFF);
    after(60, () => loop.wake());
    after(30, () => expect(guest.slices).toBe(1));
    expect(await loop.run(guest)).toEqual({ kind: "power-off" });
    expect(guest.slices).toBe(2);
  });

  it("does not miss input that came during the slice", async () => {
    const loop = loopIn({ inputOpen: () => false });
    const guest = new ScriptedGuest(() => {
      loop.wake();
      return IDLE;
    }, OFF);
    expect(await loop.run(guest)).toEqual({ kind: "power-off" });
  });

  it("wakes a guest for its timer", async () => {
    const began = performance.now();
    const loop = loopIn({ inputOpen: () => false });
    const guest = new ScriptedGuest({ kind: "idle", milliseconds: 30 }, OFF);
    expect(await loop.run(guest)).toEqual({ kind: "power-off" });
    expect(performance.now() - began).toBeGreaterThanOrEqual(29);
  });

  it("gives up when the guest waits for input and there can be none", async () => {
    let open = true;
    const loop = loopIn({ inputOpen: () => open });
    const guest = new ScriptedGuest(IDLE);
    after(20, () => {
      open = false;
      loop.wake();
    });
    expect(await loop.run(guest)).toEqual({ kind: "stuck" });
    expect(guest.slices).toBe(2);
  });

  it("waits for the console's reader, whatever is typed meanwhile", async () => {
    let drained: () => void = () => {};
    let behind: Promise<void> | null = new Promise((resolve) => (drained = resolve));
    const loop = loopIn({ heldBack: () => behind });
    const guest = new ScriptedGuest(RUNNING, OFF);
    after(10, () => loop.wake());
    after(30, () => expect(guest.slices).toBe(1));
    after(40, () => {
      behind = null;
      drained();
    });
    expect(await loop.run(guest)).toEqual({ kind: "power-off" });
  });

  it("does not wait for a reader past the end of the run", async () => {
    const loop = loopIn({ heldBack: () => new Promise(() => {}), timeout: 0.03 });
    expect(await loop.run(new ScriptedGuest(RUNNING))).toMatchObject({ kind: "timeout" });
  });
});

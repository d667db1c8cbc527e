import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { DebugView, ReverseResult, ReverseRun } from "../debug.ts";
import type { Mode, RunResult } from "../guest.ts";
import { parseElf } from "../loader/elf.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { createTimeTravel } from "./create-time-travel.ts";
import type { TimeTravel, TimeTravelOptions } from "./time-travel.ts";

const image = (mode: Mode): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/demo-${mode}.elf`, import.meta.url));
const address = (mode: Mode, symbol: string): number => parseElf(image(mode)).symbols().get(symbol)!;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Snapshots are taken often, and the past has a few of them only. */
const OFTEN: TimeTravelOptions = { interval: 300_000, snapshots: 4 };

function demo(mode: Mode, options = OFTEN): { readonly travel: TimeTravel; readonly text: () => string } {
  let text = "";
  const onConsole = (bytes: Uint8Array): void => void (text += new TextDecoder().decode(bytes));
  const travel = createTimeTravel({ kernel: image(mode), mode, memory: 16 << 20, onConsole }, options);
  return { travel, text: () => text };
}

/** Goes back to the end, in parts of so many ticks. */
function finish(run: ReverseRun, ticks = TICKS_PER_SECOND): ReverseResult {
  for (;;) {
    const result = run.run(ticks);
    if (result.kind !== "running") return result;
  }
}

/** Where a guest has stopped, for what, and in which state. */
function stopOf(travel: TimeTravel, result: RunResult | ReverseResult): unknown {
  if (result.kind !== "debug") return result;
  const { debug, hostDebug } = travel;
  const pc = [debug, hostDebug].map((view) => view?.readRegister("pc"));
  const { moment } = travel;
  // All of memory is looked at for it: now and then is enough.
  const hash = moment.instructions % 4 === 0 ? travel.hash() : null;
  return { ...result, pc, ...moment, hash, stats: travel.stats() };
}

describe.each<Mode>(["te", "bare"])("under %s a guest", (mode) => {
  it("is run backwards from stop to stop, and does the same again forwards", () => {
    const { travel, text } = demo(mode);
    const { debug, hostDebug } = travel;
    travel.sendInput(bytesOf("ps\n"));
    travel.run(600_000);
    debug.setBreakpoint(address(mode, "schedule"));
    debug.setBreakpoint(address(mode, "syscall"));
    debug.setWatchpoint(address(mode, "reschedule"), 4, "write");
    const ebase = (hostDebug ?? debug).readRegister("EBase")! & -0x1000;
    // The refill vector, where a guest's own misses lead in the end.
    (hostDebug ?? debug).setBreakpoint(ebase >>> 0);
    const stops: unknown[] = [];
    const forward = (): unknown => stopOf(travel, travel.run(2_000_000));
    for (let n = 0; n < 36; n++) {
      stops.push(forward());
      if (n === 12) travel.sendInput(bytesOf("uptime\n"));
      if (n === 24) travel.passTime(12_345);
    }
    const printed = text();
    expect(new Set(stops.map((stop) => JSON.stringify(stop))).size).toBe(stops.length);
    for (let n = stops.length - 2; n >= 0; n--)
      expect(stopOf(travel, finish(travel.reverseContinue(), 50_000))).toEqual(stops[n]);
    // Forwards it goes on from the middle as it had.
    for (let n = 1; n < 20; n++) expect(forward()).toEqual(stops[n]);
    expect(stopOf(travel, finish(travel.reverseContinue()))).toEqual(stops[18]);
    expect(travel.isInPast).toBe(true);
    for (let n = 19; n < stops.length; n++) expect(forward()).toEqual(stops[n]);
    expect(travel.isInPast).toBe(false);
    expect(text().length).toBeGreaterThan(printed.length);
  });

  it("is stepped backwards as it was stepped forwards", () => {
    const { travel } = demo(mode);
    travel.sendInput(bytesOf("ps\n"));
    travel.run(700_000);
    const views: (DebugView | null)[] = [travel.debug, travel.hostDebug];
    for (const view of views.filter((one) => one !== null)) {
      const seen = (): unknown => ({
        // The host goes on in its own code where the guest stands still.
        pc: view.readRegister("pc"),
        instructions: travel.moment.instructions,
        registers: view.registers.map(({ name }) => view.readRegister(name)),
      });
      // A bare machine may have been left between a branch and its delay slot.
      view.step();
      const places = [seen()];
      for (let n = 0; n < 80; n++) {
        view.step();
        places.push(seen());
      }
      for (let n = places.length - 2; n >= 0; n--) {
        expect(finish(travel.reverseStep(view.name))).toMatchObject({ kind: "debug", view: view.name });
        expect(seen()).toEqual(places[n]);
      }
    }
  });

  it("comes to the beginning of what is known of it, and no farther", () => {
    const { travel } = demo(mode);
    const start = { hash: travel.hash(), ...travel.moment };
    expect(finish(travel.reverseContinue())).toEqual({ kind: "begin" });
    expect(finish(travel.reverseStep("guest"))).toEqual({ kind: "begin" });
    travel.debug.step();
    expect(finish(travel.reverseStep("guest"))).toMatchObject({ kind: "debug", stop: { kind: "step" } });
    expect({ hash: travel.hash(), ...travel.moment }).toEqual(start);
    travel.run(5_000_000);
    expect(finish(travel.reverseContinue(), 1000)).toEqual({ kind: "begin" });
    expect({ hash: travel.hash(), ...travel.moment }).toEqual(start);
    // A debugger's own changes are not to be undone: the past begins with them.
    travel.run(100_000);
    travel.debug.writeRegister("v0", 1);
    const changed = { hash: travel.hash(), ...travel.moment };
    travel.run(100_000);
    expect(finish(travel.reverseContinue())).toEqual({ kind: "begin" });
    expect({ hash: travel.hash(), ...travel.moment }).toEqual(changed);
  });

  it("goes another way with what is typed in its past, which can be gone back and repeated too", () => {
    const { travel, text } = demo(mode, { ...OFTEN, output: "once" });
    travel.run(600_000);
    travel.debug.setBreakpoint(address(mode, "schedule"));
    travel.sendInput(bytesOf("ps\n"));
    for (let n = 0; n < 20; n++) travel.run(2_000_000);
    expect(text()).toContain("kseg> ps");
    for (let n = 0; n < 15; n++) finish(travel.reverseContinue());
    expect(travel.isInPast).toBe(true);
    // In front of an instruction where only a debugger stops it.
    const branch = stopOf(travel, { kind: "debug", view: "guest", stop: { kind: "breakpoint" } });
    travel.sendInput(bytesOf("uptime\npoweroff\n"));
    expect(travel.inputPending).toBeGreaterThanOrEqual(16);
    expect(travel.isInPast).toBe(false);
    const stops: unknown[] = [];
    for (;;) {
      const result = travel.run(2_000_000);
      stops.push(stopOf(travel, result));
      if (result.kind === "off") break;
    }
    const end = { hash: travel.hash(), stats: travel.stats() };
    const printed = text();
    expect(printed).toContain("uptime");
    for (let n = stops.length - 2; n >= 0; n--)
      expect(stopOf(travel, finish(travel.reverseContinue()))).toEqual(stops[n]);
    finish(travel.reverseContinue());
    expect(stopOf(travel, { kind: "debug", view: "guest", stop: { kind: "breakpoint" } })).toEqual(branch);
    for (const stop of stops) expect(stopOf(travel, travel.run(2_000_000))).toEqual(stop);
    expect({ hash: travel.hash(), stats: travel.stats() }).toEqual(end);
    // All of that was printed when it happened first, and only then.
    expect(text()).toBe(printed);
  });

  it("is given later what it was given at the end of its past, if it is turned back before", () => {
    const { travel } = demo(mode);
    travel.run(600_000);
    travel.debug.setBreakpoint(address(mode, "schedule"));
    travel.sendInput(bytesOf("ps\n"));
    const stops = Array.from({ length: 8 }, () => stopOf(travel, travel.run(100_000_000)));
    // In front of an instruction it waits for the next tick.
    travel.sendInput(bytesOf("uptime\n"));
    travel.passTime(54_321);
    for (let n = 6; n >= 0; n--) expect(stopOf(travel, finish(travel.reverseContinue()))).toEqual(stops[n]);
    for (let n = 1; n < 8; n++) expect(stopOf(travel, travel.run(100_000_000))).toEqual(stops[n]);
    const { time } = travel;
    const next = stopOf(travel, travel.run(100_000_000));
    expect(travel.time).toBeGreaterThan(time + 54_321);
    finish(travel.reverseContinue());
    expect(stopOf(travel, travel.run(100_000_000))).toEqual(next);
    // What is typed before that takes its place.
    for (let n = 0; n < 4; n++) finish(travel.reverseContinue());
    travel.sendInput(bytesOf("mem\n"));
    const pending = travel.inputPending;
    while (travel.time < time) travel.run(100_000_000);
    expect(travel.inputPending).toBeLessThanOrEqual(pending);
    expect(travel.time).toBeLessThan(time + 54_321);
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GuestBusyError, type GuestConfig, type Mode } from "../guest.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { restoreGuest } from "./create-guest.ts";
import { createTimeTravel, replayGuest, restoreTimeTravel } from "./create-time-travel.ts";
import type { TimeTravel, TimeTravelOptions } from "./time-travel.ts";

const image = (mode: Mode): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/demo-${mode}.elf`, import.meta.url));
const INPUT = new TextEncoder().encode("ps\npoweroff\n");
const OFF = { kind: "off", how: "power-off" };
/** Snapshots are taken often: after each of them the guest is looked at anew. */
const OFTEN = { interval: TICKS_PER_SECOND / 1000 };

function create(mode: Mode, onConsole: (travel: TimeTravel) => void): TimeTravel {
  const travel: TimeTravel = createTimeTravel(
    { kernel: image(mode), mode, memory: 32 << 20, onConsole: () => onConsole(travel) },
    OFTEN,
  );
  travel.sendInput(INPUT);
  return travel;
}

describe.each<Mode>(["te", "bare"])("under %s a guest that can be turned back", (mode) => {
  it("cannot be run, stepped or turned back in its console callback, and goes on as if nothing had been", () => {
    let refused = 0;
    const travel = create(mode, (self) => {
      for (const mistake of [() => self.run(1), () => self.debug.step(), () => self.goTo(1000)])
        expect(mistake).toThrow(GuestBusyError);
      refused++;
    });
    expect(travel.run(TICKS_PER_SECOND)).toEqual(OFF);
    expect(refused).toBeGreaterThan(0);
    const undisturbed = create(mode, () => {});
    expect(undisturbed.run(TICKS_PER_SECOND)).toEqual(OFF);
    expect(travel.hash()).toBe(undisturbed.hash());
    expect(travel.recording()).toEqual(undisturbed.recording());
  });

  it.each([
    ["in its console callback", true],
    ["between two runs", false],
  ])("can be destroyed %s, and is off then", (_, inCallback) => {
    const travel = create(mode, (self) => {
      if (inCallback) self.destroy();
    });
    travel.run(inCallback ? TICKS_PER_SECOND : 1000);
    travel.destroy();
    for (let n = 0; n < 2; n++) expect(travel.run(TICKS_PER_SECOND)).toEqual(OFF);
    travel.sendInput(INPUT);
    travel.passTime(1000);
    expect(travel.inputPending).toBeLessThanOrEqual(INPUT.length);
    for (const mistake of [() => travel.goTo(1000), () => travel.recording(), () => travel.save()])
      expect(mistake).toThrow(SnapshotError);
  });
});

it("takes as much console input as there is at once", () => {
  const bytes = new Uint8Array(64 << 20);
  const times: number[] = [];
  // What else the computer does can only add to that.
  do {
    const travel = createTimeTravel({ kernel: image("te"), memory: 32 << 20, onConsole() {} });
    const began = performance.now();
    travel.sendInput(bytes);
    times.push(performance.now() - began);
    expect(travel.inputPending).toBe(bytes.length);
    travel.destroy();
  } while (times.length < 5 && Math.min(...times) >= 3000);
  // It is copied into the log and into the queue, each in a fraction of this.
  expect(Math.min(...times)).toBeLessThan(3000);
});

it("keeps input that the guest has not taken once, however many snapshots there are", () => {
  const travel = create("te", () => {});
  const bytes = new Uint8Array(4 << 20).fill(0x0a);
  travel.run(2_000_000);
  travel.sendInput(bytes);
  const states: { readonly instructions: number; readonly hash: string }[] = [];
  for (let n = 0; n < 6; n++) {
    travel.run(500_000);
    states.push({ instructions: travel.moment.instructions, hash: travel.hash() });
  }
  const { snapshots } = travel as unknown as { snapshots: { image: { state: Uint8Array } }[] };
  expect(snapshots.length).toBeGreaterThan(5);
  for (const one of snapshots) expect(one.image.state.length).toBeLessThan(1 << 20);
  expect(travel.inputPending).toBeGreaterThan(bytes.length / 2);
  for (const { instructions, hash } of states.reverse()) {
    travel.goTo(instructions);
    expect(travel.hash()).toBe(hash);
  }
  // What a snapshot that it began with had in it, too.
  const other = restoreTimeTravel(travel.save(), { onConsole() {} }, OFTEN);
  other.run(500_000);
  const { instructions } = other.moment;
  const hash = other.hash();
  other.run(500_000);
  other.goTo(instructions);
  expect(other.hash()).toBe(hash);
  const again = replayGuest(other.recording(), { onConsole() {} });
  while (again.isReplaying) again.run(100_000);
  expect(again.hash()).toBe(hash);
});

it("has in a snapshot what was typed where a debugger had stopped it", () => {
  const travel = createTimeTravel({ kernel: image("te"), memory: 32 << 20, onConsole() {} });
  travel.run(2_000_000);
  travel.debug.step();
  const before = travel.inputPending;
  travel.sendInput(new TextEncoder().encode("uptime\n"));
  expect(travel.inputPending).toBe(before + 7);
  let text = "";
  const onConsole = (bytes: Uint8Array): void => void (text += new TextDecoder().decode(bytes));
  const other = restoreGuest(travel.save(), { onConsole });
  expect(other.inputPending).toBe(before + 7);
  expect(travel.inputPending).toBe(before + 7);
  // A step takes it to where the guest is given it.
  travel.debug.step();
  const again = replayGuest(travel.recording(), { onConsole() {} });
  // A recording ends with a hash of the state there.
  while (again.isReplaying) again.run(100_000);
  other.run(TICKS_PER_SECOND);
  expect(text).toMatch(/\d s, \d+ ticks/);
});

it("refuses settings and options that cannot be", () => {
  const made = (config: unknown, options: unknown) => (): unknown =>
    createTimeTravel(config as GuestConfig, options as TimeTravelOptions);
  const config = { kernel: image("te"), onConsole() {} };
  expect(made(null, {})).toThrow("the configuration is an object");
  expect(made(config, null)).toThrow("the options are an object, not null");
  expect(made(config, { interval: "5" })).toThrow("snapshots every 5 ticks: give a positive number");
  expect(made(config, { snapshots: 1 })).toThrow("1 snapshots: give a whole number from 2 on");
});

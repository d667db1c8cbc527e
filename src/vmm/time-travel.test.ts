import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GuestBusyError, type Mode } from "../guest.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { createTimeTravel } from "./create-time-travel.ts";
import type { TimeTravel } from "./time-travel.ts";

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
  const travel = createTimeTravel({ kernel: image("te"), memory: 32 << 20, onConsole() {} });
  const bytes = new Uint8Array(64 << 20);
  const began = performance.now();
  travel.sendInput(bytes);
  // It is copied into the log and into the queue, each in a fraction of this.
  expect(performance.now() - began).toBeLessThan(3000);
  expect(travel.inputPending).toBe(bytes.length);
  travel.destroy();
});

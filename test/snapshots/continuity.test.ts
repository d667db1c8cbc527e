/** A run that is saved and restored again and again is the run that nobody interrupted. */
import { describe, expect, it } from "vitest";
import { runDemo, type Between, type DemoConfig } from "./demo.ts";

const SHORT = "ps\nuptime\npoweroff\n";
const TOUR = "ps\ntour\nps\npoweroff\n";

/** Another guest goes on in the place of the one that was saved. */
const replace: Between = (guest, { restore }) => {
  const snapshot = guest.save();
  const next = restore(snapshot);
  expect(Buffer.compare(next.save(), snapshot), "a restored guest is saved as the same bytes").toBe(0);
  guest.destroy();
  return next;
};

/** The same guest goes on, after it has gone on in another way for a while. */
const turnBack: Between = (guest, { random, muted }) => {
  const image = guest.capture();
  const hash = guest.hash();
  muted(() => {
    guest.sendInput(Buffer.from("fault\nps\n"));
    guest.run(1 + random.below(300_000));
    guest.run(1);
  });
  guest.reinstate(image);
  expect(guest.hash()).toBe(hash);
  return guest;
};

const CONFIGS: readonly DemoConfig[] = [
  { mode: "bare" },
  { mode: "bare", engine: "interp", hostCpu: "P5600" },
  {},
  { engine: "interp" },
  { refill: "slow", fastExits: "off" },
  { gvaRoots: 1, guestTlb: 64 },
  { dyntrans: "on" },
  { hostCpu: "P5600", guestFpu: "on" },
  { hostCpu: "P5600", file: "demo-bare.elf" },
  { hostPageSize: 16384, file: "demo-te-16k.elf" },
  { hostCpu: "24Kc-rixi", gvaRoots: 64, guestTlb: 4096 },
  { hostCpu: "24Kf", guestFpu: "on", hostCpus: 3 },
];

describe.each(CONFIGS)("the demo guest with %j", (config) => {
  it("goes on bit for bit from snapshots at random moments", () => {
    const slices = { longest: 400_000, seed: 1 };
    const expected = runDemo(config, SHORT, slices);
    expect(expected.result).toEqual({ kind: "off", how: "power-off" });
    expect(runDemo(config, SHORT, slices, replace)).toEqual(expected);
  });

  it("can be turned back to random moments", () => {
    const slices = { longest: 300_000, seed: 2 };
    expect(runDemo(config, SHORT, slices, turnBack)).toEqual(runDemo(config, SHORT, slices));
  });
});

it.each<DemoConfig>([{ mode: "bare" }, {}, { hostCpu: "P5600", gvaRoots: 2, guestFpu: "on" }])(
  "with %j it can be turned back in the middle of its tour",
  (config) => {
    const slices = { longest: 5_000_000, seed: 5 };
    expect(runDemo(config, TOUR, slices, turnBack)).toEqual(runDemo(config, TOUR, slices));
  },
);

it.each<DemoConfig>([{ mode: "bare" }, {}])("with %j slices leave no trace in the state", (config) => {
  expect(runDemo(config, TOUR, { longest: 50_000, seed: 3 })).toEqual(runDemo(config, TOUR, null));
});

it.each<{ config: DemoConfig; input: string; longest: number }>([
  { config: { mode: "bare" }, input: TOUR, longest: 2_000_000 },
  { config: { hostCpu: "24Kc-kscratch" }, input: SHORT, longest: 200_000 },
])("the state is the same under both engines, all along: $config", ({ config, input, longest }) => {
  const hashes = (engine: "auto" | "interp"): string[] => {
    const found: string[] = [];
    const note: Between = (guest) => {
      found.push(guest.hash());
      return guest;
    };
    runDemo({ ...config, engine }, input, { longest, seed: 4 }, note);
    return found;
  };
  const interpreted = hashes("interp");
  expect(interpreted.length).toBeGreaterThan(10);
  expect(hashes("auto")).toEqual(interpreted);
});

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { GuestConfig } from "../src/index.ts";
import { demoFile } from "./cli/kseg.ts";
import { besidesMigration, runBySlices } from "./migrating-guest.ts";

const COMMANDS = "ps\ntour\nps\npoweroff\n";
/** Slices of this many ticks, each on another CPU: more than a thousand migrations. */
const SLICE = 20_000;

const demo = { kernel: readFileSync(demoFile("demo-te.elf")), memory: 16 << 20 };
const run = (config: Partial<GuestConfig>) => runBySlices({ ...demo, ...config }, COMMANDS, SLICE);

test.each<Partial<GuestConfig>>([
  {},
  { hostCpu: "24Kc-kscratch", fastExits: "off" },
  { hostCpu: "P5600", engine: "interp" },
])("the demo guest does the same when it migrates in every slice, %j", (config) => {
  const stays = run(config);
  const moves = run({ ...config, hostCpus: 2 });
  expect(moves.slices).toBeGreaterThan(1000);
  expect(moves.console).toBe(stays.console);
  expect(moves.console).toContain("kseg> poweroff");
  expect(moves.time).toBe(stays.time);
  expect(besidesMigration(moves.stats)).toEqual(besidesMigration(stays.stats));
  // Each migration takes it out of its code, but where it had left already.
  expect(moves.stats.counters["signal"]).toBeGreaterThan(1000);
  expect(moves.stats.counters["signal"]).toBeLessThanOrEqual(moves.slices);
});

test("with slow refills and one root it prints the same too", () => {
  const config = { refill: "slow", gvaRoots: 1 } as const;
  const stays = run(config);
  const moves = run({ ...config, hostCpus: 3 });
  expect([moves.console, moves.time]).toEqual([stays.console, stays.time]);
  expect(moves.stats.guestInstructions).toBe(stays.stats.guestInstructions);
});

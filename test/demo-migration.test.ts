import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { GuestConfig } from "../src/index.ts";
import { demoFile } from "./cli/kseg.ts";
import { besidesMigration, runBySlices } from "./migrating-guest.ts";

/** What the guest is to do, in slices of how many ticks, each on another CPU: more than a thousand migrations. */
interface Work {
  readonly commands: string;
  readonly slice: number;
}
const TOUR: Work = { commands: "ps\ntour\nps\npoweroff\n", slice: 20_000 };
const SHORT: Work = { commands: "ps\ntouch 300 20\nasid 300 30\nchurn 60\npoweroff\n", slice: 5000 };

const demo = { kernel: readFileSync(demoFile("demo-te.elf")), memory: 16 << 20 };
const run = (config: Partial<GuestConfig>, { commands, slice }: Work) =>
  runBySlices({ ...demo, ...config }, commands, slice);

test.each<[Partial<GuestConfig>, Work]>([
  [{}, TOUR],
  [{ hostCpu: "24Kc-kscratch", fastExits: "off" }, SHORT],
  [{ hostCpu: "P5600", engine: "interp" }, SHORT],
])("the demo guest does the same when it migrates in every slice, %j", (config, work) => {
  const stays = run(config, work);
  const moves = run({ ...config, hostCpus: 2 }, work);
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
  const stays = run(config, SHORT);
  const moves = run({ ...config, hostCpus: 3 }, SHORT);
  expect([moves.console, moves.time]).toEqual([stays.console, stays.time]);
  expect(moves.stats.guestInstructions).toBe(stays.stats.guestInstructions);
});

/** Linux under the hypervisor that comes to another host CPU in every slice of its time. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { GuestConfig } from "../../src/index.ts";
import { runBySlices } from "../migrating-guest.ts";
import { cachedGuest } from "./run-guest.ts";

const COMMANDS =
  "echo six times seven is $((6*7))\ni=0; while [ $i -lt 10 ]; do /bin/busybox true; i=$((i+1)); done\npoweroff\n";
/** A tick of Linux's own clock is 800,000 ticks long or more. */
const SLICE = 150_000;

const found = await cachedGuest("kvm-linux-4k");
describe.skipIf(found.paths === undefined)("kvm-linux-4k that migrates", () => {
  test("prints the same and executes the same instructions", () => {
    const { kernel, initrd, append } = found.paths!;
    const config: Omit<GuestConfig, "onConsole"> = {
      kernel: readFileSync(kernel),
      initrd: readFileSync(initrd),
      append,
    };
    const stays = runBySlices(config, COMMANDS, SLICE);
    const moves = runBySlices({ ...config, hostCpus: 2 }, COMMANDS, SLICE);
    expect(stays.console).toMatch(/^six times seven is 42\r?$/m);
    expect(moves.console).toBe(stays.console);
    expect(moves.time).toBe(stays.time);
    expect(moves.stats.guestInstructions).toBe(stays.stats.guestInstructions);
    expect(moves.slices).toBeGreaterThan(500);
    expect(moves.stats.counters["signal"]).toBeGreaterThan(500);
  });
});

/**
 * Two guest processes that take turns through a pipe, each touching pages of its own: what a switch between address
 * spaces costs may not depend on how much they use. The program is `turns1` and `turns256` of guests/bench, built
 * here for the guest.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UnavailableError } from "../../bench/machines.ts";
import { programJob } from "../../bench/programs.ts";
import {
  createGuest,
  TICKS_PER_SECOND,
  type Guest,
  type GuestConfig,
  type RunResult,
} from "../../src/index.ts";
import { GuestError, guestPaths } from "../../src/guests/index.ts";

/** Rounds of 200 switches: the first ones warm up, the others are measured. */
const WARM = 20;
const ROUNDS = 60;
const SWITCHES = 200;
/** Time between two looks at the console: less than a process takes to start, so that one line shows at a time. */
const SLICE = TICKS_PER_SECOND / 1000;

const KERNEL = "kvm-linux-4k";

/** How the programs are packed; the machine is made here. */
const HOW = { cpu: "24Kc", mode: "te", engine: "auto" } as const;

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Boots a kernel that runs these programs one after the other. Returns the exits of each. */
async function exitsOf(
  programs: readonly { readonly name: string; readonly rounds: number }[],
  options: Partial<GuestConfig>,
): Promise<number[]> {
  const { kernel } = await guestPaths(KERNEL);
  const job = await programJob(programs, HOW);
  const exits: number[] = [];
  let console = "";
  let began = 0;
  let starts = 0;
  const guest: Guest = createGuest({
    kernel: readFileSync(kernel),
    initrd: readFileSync(job.initrd!),
    append: job.append!,
    mode: "te",
    onConsole: (bytes) => (console += Buffer.from(bytes).toString("latin1")),
    ...options,
  });
  try {
    let end: RunResult;
    let seen = 0;
    do {
      end = guest.run(SLICE);
      const running = exits.length < starts;
      const line = running ? " is done\r\n" : " begins\r\n";
      const at = console.indexOf(line, seen);
      if (at < 0) continue;
      seen = at + line.length;
      if (running) exits.push(total(guest.stats().exits) - began);
      else {
        began = total(guest.stats().exits);
        starts++;
      }
    } while (end.kind === "running");
    expect(end, console.slice(-500)).toEqual({ kind: "off", how: "power-off" });
    expect(exits.length, console.slice(-500)).toBe(programs.length);
    return exits;
  } finally {
    guest.destroy();
  }
}

/** Exits for each switch, once warm: with 1 page for each process, and with 256. */
async function exitsPerSwitch(options: Partial<GuestConfig> = {}): Promise<[one: number, many: number]> {
  const programs = ["turns1", "turns256"].flatMap((name) => [
    { name, rounds: WARM },
    { name, rounds: ROUNDS },
  ]);
  const [few1, many1, few256, many256] = (await exitsOf(programs, options)) as [
    number,
    number,
    number,
    number,
  ];
  const switches = (ROUNDS - WARM) * SWITCHES;
  return [(many1 - few1) / switches, (many256 - few256) / switches];
}

/** Why the programs cannot run here, or null. */
async function missing(): Promise<string | null> {
  try {
    await guestPaths(KERNEL);
    await programJob([], HOW);
    return null;
  } catch (error) {
    if (error instanceof GuestError || error instanceof UnavailableError) return error.message;
    throw error;
  }
}

const reason = await missing();
if (reason !== null) console.log(`processes that take turns: skipped: ${reason}`);
describe.skipIf(reason !== null)("a switch between two processes", () => {
  test("takes as many exits with 256 pages each as with one", async () => {
    const [one, many] = await exitsPerSwitch();
    console.log(`${one.toFixed(2)} exits a switch with 1 page, ${many.toFixed(2)} with 256`);
    expect(many / one).toBeGreaterThan(0.9);
    expect(many / one).toBeLessThan(1.1);
  });

  test("costs an exit for each pair of pages under the original system's scheme", async () => {
    const [one, many] = await exitsPerSwitch({ gvaRoots: 1, guestTlb: 64 });
    console.log(`one root, 64 entries: ${one.toFixed(2)} with 1 page, ${many.toFixed(2)} with 256`);
    expect(many - one).toBeGreaterThan(128);
  });
});

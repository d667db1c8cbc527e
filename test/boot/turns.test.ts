/**
 * Two guest processes that take turns through a pipe, each touching pages of its own: what a switch between address
 * spaces costs may not depend on how much they use. The program is `turns1` and `turns256` of guests/bench, built
 * here for the guest.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UnavailableError } from "../../bench/machines.ts";
import { programJob } from "../../bench/programs.ts";
import { createGuest, TICKS_PER_SECOND, type Guest, type GuestConfig } from "../../src/index.ts";
import { GuestError, guestPaths } from "../../src/guests/index.ts";

/** Rounds of 200 switches: the first ones warm up, the others are measured. */
const WARM = 10;
const ROUNDS = 30;
const SWITCHES = 200;

const KERNELS = [
  { guest: "kvm-linux-4k", hostCpu: "24Kc" },
  { guest: "debian", hostCpu: "P5600" },
] as const;

type Kernel = (typeof KERNELS)[number];

/** How the programs are packed; the machine is made here. */
const HOW = { cpu: "24Kc", mode: "te", engine: "auto" } as const;

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Boots a kernel that runs these programs one after the other. Returns the exits of each. */
async function exitsOf(
  { guest: kernelName, hostCpu }: Kernel,
  programs: readonly { readonly name: string; readonly rounds: number }[],
  options: Partial<GuestConfig>,
): Promise<number[]> {
  const { kernel } = await guestPaths(kernelName);
  const job = await programJob(programs, HOW);
  const exits: number[] = [];
  let console = "";
  let began = 0;
  const guest: Guest = createGuest({
    kernel: readFileSync(kernel),
    initrd: readFileSync(job.initrd!),
    append: job.append!,
    mode: "te",
    hostCpu,
    onConsole: (bytes) => {
      const from = console.length;
      console += Buffer.from(bytes).toString("latin1");
      // Lines may come in pieces; each word is looked for where it ends.
      const has = (word: string): boolean => console.indexOf(word, from - word.length + 1) >= 0;
      if (has(" begins\n")) began = total(guest.stats().exits);
      if (has(" is done\n")) exits.push(total(guest.stats().exits) - began);
    },
    ...options,
  });
  try {
    let end = guest.run(TICKS_PER_SECOND);
    while (end.kind === "running") end = guest.run(TICKS_PER_SECOND);
    expect(end, console.slice(-500)).toEqual({ kind: "off", how: "power-off" });
    expect(exits.length, console.slice(-500)).toBe(programs.length);
    return exits;
  } finally {
    guest.destroy();
  }
}

/** Exits for each switch, once warm: with 1 page for each process, and with 256. */
async function exitsPerSwitch(
  kernel: Kernel,
  options: Partial<GuestConfig> = {},
): Promise<[one: number, many: number]> {
  const programs = ["turns1", "turns256"].flatMap((name) => [
    { name, rounds: WARM },
    { name, rounds: ROUNDS },
  ]);
  const [few1, many1, few256, many256] = (await exitsOf(kernel, programs, options)) as [
    number,
    number,
    number,
    number,
  ];
  const switches = (ROUNDS - WARM) * SWITCHES;
  return [(many1 - few1) / switches, (many256 - few256) / switches];
}

/** Why a kernel cannot run the program here, or null. */
async function missing({ guest }: Kernel): Promise<string | null> {
  try {
    await guestPaths(guest);
    await programJob([], HOW);
    return null;
  } catch (error) {
    if (error instanceof GuestError || error instanceof UnavailableError) return error.message;
    throw error;
  }
}

for (const kernel of KERNELS) {
  const reason = await missing(kernel);
  if (reason !== null) console.log(`turns in ${kernel.guest}: skipped: ${reason}`);
  describe.skipIf(reason !== null)(`two processes under ${kernel.guest}`, () => {
    test("take as many exits for a switch with 256 pages each as with one", async () => {
      const [one, many] = await exitsPerSwitch(kernel);
      console.log(
        `${kernel.guest}: ${one.toFixed(1)} exits a switch with 1 page, ${many.toFixed(1)} with 256`,
      );
      expect(many / one).toBeGreaterThan(0.9);
      expect(many / one).toBeLessThan(1.1);
    });
  });
}

describe.skipIf((await missing(KERNELS[0])) !== null)("the original system's scheme", () => {
  test("pays for each page at each switch", async () => {
    const options = { gvaRoots: 1, guestTlb: 64 } as const;
    const [one, many] = await exitsPerSwitch(KERNELS[0], options);
    console.log(`one root, 64 entries: ${one.toFixed(1)} exits with 1 page, ${many.toFixed(1)} with 256`);
    expect(many).toBeGreaterThan(one + 250);
  });
});

/**
 * Two guest processes that take turns through a pipe, each touching pages of its own: what a switch between address
 * spaces costs may not depend on how much they use. The program is `turns1` and `turns256` of guests/bench, built
 * here for the guest.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UnavailableError } from "../../bench/machines.ts";
import { programJob } from "../../bench/programs.ts";
import { createGuest, TICKS_PER_SECOND, type GuestConfig, type Stats } from "../../src/index.ts";
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

/** Boots a kernel that runs `name` for `rounds` and powers off. */
async function runProgram(
  { guest: kernelName, hostCpu }: Kernel,
  name: string,
  rounds: number,
  options: Partial<GuestConfig>,
): Promise<Stats> {
  const { kernel, append } = await guestPaths(kernelName);
  const { initrd } = await programJob({ name, rounds }, { cpu: "24Kc", mode: "bare", engine: "auto" });
  let console = "";
  const guest = createGuest({
    kernel: readFileSync(kernel),
    initrd: readFileSync(initrd!),
    append: `${append} loglevel=1 BENCH=${name} ROUNDS=${rounds}`,
    mode: "te",
    hostCpu,
    onConsole: (bytes) => (console += Buffer.from(bytes).toString("latin1")),
    ...options,
  });
  try {
    let end = guest.run(TICKS_PER_SECOND);
    while (end.kind === "running") end = guest.run(TICKS_PER_SECOND);
    expect(end, console.slice(-500)).toEqual({ kind: "off", how: "power-off" });
    expect(console).toContain(`bench: ${name} is done`);
    return guest.stats();
  } finally {
    guest.destroy();
  }
}

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Exits for each switch, once warm. */
async function exitsPerSwitch(
  kernel: Kernel,
  name: string,
  options: Partial<GuestConfig> = {},
): Promise<number> {
  const [few, many] = [
    await runProgram(kernel, name, WARM, options),
    await runProgram(kernel, name, ROUNDS, options),
  ];
  return (total(many.exits) - total(few.exits)) / ((ROUNDS - WARM) * SWITCHES);
}

/** Why a kernel cannot run the program here, or null. */
async function missing({ guest }: Kernel): Promise<string | null> {
  try {
    await guestPaths(guest);
    await programJob({ name: "turns1", rounds: 1 }, { cpu: "24Kc", mode: "bare", engine: "auto" });
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
      const one = await exitsPerSwitch(kernel, "turns1");
      const many = await exitsPerSwitch(kernel, "turns256");
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
    const one = await exitsPerSwitch(KERNELS[0], "turns1", options);
    const many = await exitsPerSwitch(KERNELS[0], "turns256", options);
    console.log(`one root, 64 entries: ${one.toFixed(1)} exits with 1 page, ${many.toFixed(1)} with 256`);
    expect(many).toBeGreaterThan(one + 250);
  });
});

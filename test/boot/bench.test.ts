/** The benchmark programs in Debian's kernel in kseg: the same checksums as anywhere else. */
import { describe, expect, test } from "vitest";
import { ksegMachine, THIS_KSEG, UnavailableError } from "../../bench/machines.ts";
import { run } from "../../bench/process.ts";
import { checksumIn, programJob } from "../../bench/programs.ts";
import { GuestError } from "../../src/guests/index.ts";
import { CHECKSUMS, ROUNDS } from "../bench/checksums.ts";

const all = Object.keys(CHECKSUMS).map((name) => ({ name, rounds: ROUNDS }));

/** How to run all programs, or undefined, having said why. */
async function job(how: Parameters<typeof programJob>[1]) {
  try {
    return await programJob(all, how);
  } catch (error) {
    if (!(error instanceof UnavailableError || error instanceof GuestError)) throw error;
    console.log(`benchmark programs in kseg skipped: ${error.message}`);
    return undefined;
  }
}

describe.each([
  { cpu: "24Kc", mode: "bare", engine: "auto" },
  { cpu: "P5600", mode: "te", engine: "auto" },
] as const)("%j", async (how) => {
  const found = await job(how);
  test.skipIf(found === undefined)("all programs come to their checksums", async () => {
    const { output } = await run(ksegMachine(THIS_KSEG).command(found!));
    const checksums = Object.keys(CHECKSUMS).map((name) => [name, checksumIn(output, name)]);
    expect(Object.fromEntries(checksums)).toEqual(CHECKSUMS);
  });
});

/** How samples are assigned to the parts of kseg: on a profile made by hand, and on one of a real process. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CpuProfile, sharesOf } from "../../bench/cpu-profile.ts";

const frame = (functionName: string, url: string) => ({ functionName, url });

/** Root → run → fast (Wasm) → wasm-to-js → load → mmu; translated code; the collector. */
const PROFILE: CpuProfile = {
  startTime: 1000,
  nodes: [
    { id: 1, callFrame: frame("(root)", ""), children: [2, 8] },
    { id: 2, callFrame: frame("run", "file:///x/src/vmm/bare.ts"), children: [3, 7] },
    { id: 3, callFrame: frame("fast", "wasm://wasm/interpreter-1234"), children: [4] },
    { id: 4, callFrame: frame("wasm-to-js", ""), children: [5] },
    { id: 5, callFrame: frame("load", "file:///x/src/engine/interpreter-engine.ts"), children: [6] },
    { id: 6, callFrame: frame("translate", "file:///x/src/machine/mmu.ts") },
    { id: 7, callFrame: frame("page", "wasm://wasm/translated-5678") },
    { id: 8, callFrame: frame("(garbage collector)", "") },
  ],
  samples: [2, 3, 4, 5, 6, 7, 8, 8, 3],
  timeDeltas: [100, 200, 300, 400, 500, 600, 700, 800, 900],
};

test("each sample belongs to one part, and counts if it is between the times", () => {
  // The first sample is at 1100, the last at 5500.
  const { seconds, parts, functions } = sharesOf(PROFILE, 1200, 5500);
  expect(seconds * 1e6).toBeCloseTo(200 + 300 + 400 + 500 + 600 + 700 + 800, 6);
  const microseconds = Object.fromEntries(parts.map((part) => [part.name, Math.round(part.seconds * 1e6)]));
  expect(microseconds).toEqual({
    "garbage collection": 1500,
    "translated code": 600,
    interpret: 500,
    "slow memory path": 500,
    "calls from the engine": 400,
  });
  expect(functions.map(({ name }) => name)).toEqual([
    "(garbage collector)",
    "translated code",
    "translate src/machine/mmu.ts",
    "load src/engine/interpreter-engine.ts",
    "wasm-to-js",
    "fast interpret",
  ]);
});

test("the times of Node's profiles are those of process.hrtime", () => {
  const folder = mkdtempSync(join(tmpdir(), "kseg-profile-test-"));
  const now = (): number => Number(process.hrtime.bigint() / 1000n);
  const from = now();
  spawnSync(process.execPath, [
    ...["--cpu-prof", "--cpu-prof-dir", folder, "-e"],
    "const end = Date.now() + 200; while (Date.now() < end);",
  ]);
  const to = now();
  const file = readdirSync(folder).find((name) => name.endsWith(".cpuprofile"))!;
  const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile;
  rmSync(folder, { recursive: true });
  expect(sharesOf(profile, from, to).seconds).toBeGreaterThan(0.15);
  expect(sharesOf(profile, to, Infinity).seconds).toBe(0);
  expect(sharesOf(profile, 0, from).seconds).toBe(0);
});

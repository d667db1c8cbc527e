/** How runs are timed and summed up, on processes and figures that are known. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Duel, type Entry, measure, spentIn } from "../../bench/duel.ts";
import type { Job, Machine } from "../../bench/machines.ts";
import { run, RunError, type Run } from "../../bench/process.ts";
import { geometricMean, median } from "../../bench/statistics.ts";
import { format, summaryRows } from "../../bench/table.ts";

/** A script for Node instead of a machine. */
function script(name: string, text: string): Machine {
  return { name, command: () => [process.execPath, "-e", text] };
}

const JOB: Job = { kernel: "", memory: 1, cpu: "24Kc", mode: "bare", engine: "auto" };
const SLEEP = "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));";
const LINGER = "setInterval(() => {}, 1000);";

/** Runs a script that shows "one", "two", "three" and "four", the second and the third 300 ms apart, others 100. */
async function runOfFour(): Promise<{ readonly one: Run; readonly all: number; readonly left: number }> {
  const text = `${SLEEP} (async () => {
    console.log("one"); await sleep(100); console.log("two"); await sleep(300); console.log("three");
    await sleep(100); console.log("four"); ${LINGER} })()`;
  const one = await run(script("", text).command(JOB), { until: "four" });
  const all = spentIn(one, { from: "one", to: "four" }).seconds;
  return { one, all, left: spentIn(one, { from: "two", to: "three" }).seconds };
}

test("only the span counts, less what is to be left out", async () => {
  let { one, all, left } = await runOfFour();
  // Where this process has to wait for its turn it sees a line too late, and less time up to the next.
  while (all < 0.45 || left < 0.25) ({ one, all, left } = await runOfFour());
  const part = spentIn(one, { from: "one", to: "four", without: ["two", "three"] }).seconds;
  expect(part).toBeCloseTo(all - left, 6);
  expect(spentIn(one, { to: "four" }).seconds).toBeGreaterThan(all);
  expect(() => spentIn(one, { to: "five" })).toThrow(/five/);
});

test.skipIf(!existsSync("/proc/self/stat"))("processor time is that of all threads", async () => {
  const text = `const { Worker } = require("node:worker_threads");
    const work = "const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end);";
    new Worker(work, { eval: true }).on("exit", () => { console.log("done"); ${LINGER} });`;
  const one = await run(script("", text).command(JOB), { until: "done" });
  expect(one.end.cpuSeconds).toBeGreaterThan(0.28);
});

test("a process that fails, or ends too early, is an error", async () => {
  await expect(run([process.execPath, "-e", "process.exit(3)"])).rejects.toThrow(RunError);
  await expect(run([process.execPath, "-e", ""], { until: "never" })).rejects.toThrow(/ended before/);
});

test("what runs ends with the process that measures it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kseg-bench-test-"));
  const file = join(folder, "sign-of-life");
  const module = new URL("../../bench/process.ts", import.meta.url).href;
  const endless = `setInterval(() => require("node:fs").writeFileSync(process.argv[1], ""), 20);`;
  const command = JSON.stringify([process.execPath, "-e", endless, file]);
  const measuring = `import { existsSync } from "node:fs"; import { run } from "${module}";
    void run(${command}, { until: "never" });
    setInterval(() => existsSync(${JSON.stringify(file)}) && process.exit(), 20);`;
  spawnSync(process.execPath, ["--input-type=module", "-e", measuring]);
  // A signal that has been sent may still leave a process its last step. One that lives on makes the file for ever.
  do {
    rmSync(file);
    await new Promise((done) => setTimeout(done, 1000));
  } while (existsSync(file));
  rmSync(folder, { recursive: true });
});

describe("a duel", () => {
  const side = (label: string, text: string): Entry => ({
    machine: script(label, `console.log("${text}"); setTimeout(() => console.log("end"), 50); ${LINGER}`),
    label,
    job: JOB,
  });
  const duel = (a: string, b: string): Duel => ({
    a: side("A", a),
    b: side("B", b),
    parts: [
      { name: "start", span: { to: "\n" } },
      { name: "rest", span: { from: "\n", to: "end" }, answer: (output) => output.trim() },
    ],
  });

  test("has medians of all rounds and their ratio", async () => {
    const [row, rest] = await measure(duel("same", "same"), 3);
    // The line between them may be seen late.
    for (const [round, start] of row!.samples!["A s"]!.entries())
      expect(start + rest!.samples!["A s"]![round]!).toBeGreaterThan(0.04);
    expect(row!.samples!["A s"]).toHaveLength(3);
    expect(row!.values["B s"]).toBe(median(row!.samples!["B s"]!));
    expect(row!.values["A ÷ B"]).toBe(row!.values["A s"]! / row!.values["B s"]!);
    expect(row!.ratios!["A ÷ B"]).toBe(row!.values["A ÷ B"]);
  });

  test("with different answers is an error", async () => {
    await expect(measure(duel("left", "right"), 1)).rejects.toThrow(/A answers "left\nend", B "right\nend"/);
  });
});

test("figures are summed up", () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(geometricMean([2, 8])).toBeCloseTo(4, 12);
  const row = (name: string, ratio: number) => ({
    name,
    values: { "A s": ratio, "A ÷ B": ratio },
    ratios: { "A ÷ B": ratio },
  });
  const rows = summaryRows([row("x", 1), row("y", 8), row("z", 1)]);
  expect(rows.map(({ name }) => name)).toEqual(["geometric mean", "slowest: y"]);
  expect(rows[0]!.values["A ÷ B"]).toBeCloseTo(2, 12);
  expect(rows[1]!.values["A ÷ B"]).toBe(8);
  const text = format({ title: "T", rows, notes: ["skipped: because"] });
  expect(text).toMatch(/^T\n.*A ÷ B\n.*geometric mean +2\n.*slowest: y +8\n {2}skipped: because\n$/);
});

describe("the command line", () => {
  const RUN = fileURLToPath(new URL("../../bench/run.ts", import.meta.url));
  const bench = (...args: string[]) => spawnSync(process.execPath, [RUN, ...args], { encoding: "utf8" });

  test("helps, and names all cases", () => {
    const { stdout, status } = bench("--help");
    expect(status).toBe(0);
    expect(stdout).toContain("alu, crc, sha256, sort");
  });

  test.each([
    [["--only", "nonsense"], /there is no nonsense/],
    [["--runs", "0"], /--runs/],
    [["--against", "no-such-revision"], /no-such-revision/],
    [["--nonsense"], /--nonsense/],
  ])("refuses %j in one line", (args, message) => {
    const { stderr, status } = bench(...args);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(status).toBe(2);
  });
});

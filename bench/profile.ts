/** One run of a case in kseg, and where its time went: by the parts of kseg, by functions, and in counts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stats } from "../src/index.ts";
import { type CpuProfile, type Share, sharesOf } from "./cpu-profile.ts";
import { type Entry, type Part, spentIn } from "./duel.ts";
import type { Job } from "./machines.ts";
import { type CommandLine, type Run, run } from "./process.ts";
import type { Row, Section } from "./table.ts";

/** Microseconds between two samples. */
const INTERVAL = 500;
/** Functions that are listed. */
const MOST_FUNCTIONS = 15;

/** Profiles a part of a run. */
export async function profile(entry: Entry, { name, span }: Part): Promise<Section[]> {
  const folder = mkdtempSync(join(tmpdir(), "kseg-profile-"));
  try {
    const { job, rest } = entry;
    const one = await profiledRun(entry, job, span.to, folder);
    const end = one.when(span.to)!;
    const begin = span.from === undefined ? { seconds: 0 } : one.when(span.from)!;
    const file = readdirSync(folder).find((found) => found.endsWith(".cpuprofile"))!;
    const microseconds = (seconds: number): number =>
      (one.startedAt + seconds * 1000) * 1000 + performanceZero();
    const { seconds, parts, functions } = sharesOf(
      JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile,
      microseconds(begin.seconds),
      microseconds(end.seconds),
    );
    const counts = countsIn(folder);
    if (rest !== undefined) {
      await profiledRun(entry, rest.job, rest.to, folder);
      for (const [counter, count] of countsIn(folder))
        counts.set(counter, (counts.get(counter) ?? 0) - count);
    }
    const { cpuSeconds } = spentIn(one, {
      to: span.to,
      ...(span.from === undefined ? {} : { from: span.from }),
    });
    const threads =
      cpuSeconds === undefined ? "" : `; ${cpuSeconds.toFixed(2)} s of processor time in all threads`;
    return [
      {
        title: `${name}: ${seconds.toFixed(2)} s of the main thread${threads}`,
        rows: parts.map(shareRow(seconds)),
      },
      { title: "Functions", rows: functions.slice(0, MOST_FUNCTIONS).map(shareRow(seconds)) },
      { title: "Counts", rows: [...counts].flatMap(([counter, count]) => countRow(counter, count)) },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs `job` until its console shows `to`, leaving a profile and statistics in `folder`. */
function profiledRun({ machine }: Entry, job: Job, to: string, folder: string): Promise<Run> {
  const [node, ...args] = machine.command(job);
  const command: CommandLine = [
    node,
    ...["--cpu-prof", "--cpu-prof-interval", String(INTERVAL), "--cpu-prof-dir", folder],
    ...args,
    ...[
      "--exit-on",
      to.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`),
      "--stats",
      join(folder, "stats.json"),
    ],
  ];
  return run(command);
}

/** Where `performance.now()` is zero, in microseconds of `process.hrtime`. */
function performanceZero(): number {
  return Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000;
}

/** All counters of the statistics, by name. */
function countsIn(folder: string): Map<string, number> {
  const stats = JSON.parse(readFileSync(join(folder, "stats.json"), "utf8")) as Stats & { seconds: number };
  const counts = new Map<string, number>();
  const collect = (prefix: string, value: unknown): void => {
    if (typeof value === "number") counts.set(prefix, value);
    else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value))
        collect(prefix === "" ? key : `${prefix} ${key}`, inner);
  };
  const { seconds: _, ...counters } = stats;
  collect("", counters);
  return counts;
}

function shareRow(all: number): (share: Share) => Row {
  return ({ name, seconds }) => ({ name, values: { s: seconds, "%": (seconds / all) * 100 } });
}

function countRow(name: string, count: number): Row[] {
  return count === 0 ? [] : [{ name, values: { count } }];
}

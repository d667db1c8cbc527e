/**
 * `npm run fuzz`: hostile guests under the hypervisor, one for each seed (`--help` lists the flags).
 *
 * A seed that fails is printed with the command that replays it, and so is one that does not come back. The
 * status is 1 if any did.
 */
import { Worker } from "node:worker_threads";
import { wrongOnly, type Only } from "../test/fuzz/axes.ts";
import { effortOf, runSeed, type SeedResult } from "../test/fuzz/seed.ts";
import { shrink } from "../test/fuzz/shrink.ts";
import type { Answer, Job } from "../test/fuzz/worker.ts";
import { positiveFlag, today, toolFlags, usageError } from "./tool-flags.ts";

/** A seed is given this long, and a while for each instruction. */
const PATIENCE = { seconds: 60, secondsPerMillion: 600 } as const;

const values = toolFlags({
  name: "fuzz",
  summary: "hostile guests under the hypervisor, one for each seed",
  help: [
    "--seeds A-B       seeds to run (default 1-10)",
    "--instructions N  guest instructions of each (default 1000000)",
    "--jobs N          seeds at a time (default 1)",
    "--replay SEED     one seed, with the stack of what it throws",
    "--shrink          with --replay: make a guest that fails smaller, and show what is left",
    "--only A=B,C=D    seeds with these settings: model=P5600, map=eva, refill=slow …",
    "--slice N         as many seeds, others each day",
  ],
  options: {
    seeds: { type: "string", default: "1-10" },
    instructions: { type: "string", default: "1000000" },
    jobs: { type: "string", default: "1" },
    replay: { type: "string" },
    shrink: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    slice: { type: "string" },
  },
});

const positive = (name: string, text: string): number => positiveFlag("fuzz", name, text);

function seedRange(): [first: number, last: number] {
  if (values.slice !== undefined) {
    const count = positive("slice", values.slice);
    const day = today();
    return [day * count, (day + 1) * count - 1];
  }
  const match = /^(\d+)(?:-(\d+))?$/.exec(values.seeds);
  if (match === null) return usageError("fuzz", "--seeds takes A-B or one seed");
  return [Number(match[1]), Number(match[2] ?? match[1])];
}

const instructions = positive("instructions", values.instructions);
const effort = effortOf(instructions);
const only = Object.fromEntries(
  values.only === "" ? [] : values.only.split(",").map((setting) => setting.split("=")),
) as Only;
const wrong = wrongOnly(only);
if (wrong !== null) usageError("fuzz", `--only: ${wrong}`);
const replayCommand = (seed: number): string =>
  `npm run fuzz -- --replay ${seed} --instructions ${instructions}` +
  (values.only === "" ? "" : ` --only ${values.only}`);

function replay(seed: number): void {
  try {
    const { nested, ...result } = runSeed(seed, effort, only);
    console.log({ ...result, nested: nested.length });
  } catch (error) {
    const { message, cause } = error as Error;
    console.log(message);
    if (cause instanceof Error) console.log(cause.stack);
    if (values.shrink) console.log(shrink(error, instructions));
    process.exitCode = 1;
  }
}

/** Runs the seeds from a common counter, each job in its own thread, which is given up if it hangs. */
async function runSeeds(first: number, last: number, jobs: number): Promise<void> {
  const results: SeedResult[] = [];
  const failed: number[] = [];
  let next = first;
  const started = performance.now();

  const report = (seed: number, error: string): void => {
    failed.push(seed);
    console.log(`seed ${seed} FAILED: ${error}\n  replay: ${replayCommand(seed)}`);
  };

  const job = async (): Promise<void> => {
    let worker = new Worker(new URL("../test/fuzz/worker.ts", import.meta.url));
    for (let seed = next++; seed <= last; seed = next++) {
      const patience = 1000 * (PATIENCE.seconds + (PATIENCE.secondsPerMillion * instructions) / 1e6);
      const answer = await ask(worker, { seed, effort, only }, patience);
      if (answer === null || "error" in answer) {
        report(
          seed,
          answer === null ? `nothing heard of it for ${Math.round(patience / 1000)} s` : answer.error,
        );
        await worker.terminate();
        worker = new Worker(new URL("../test/fuzz/worker.ts", import.meta.url));
      } else results.push(answer.result);
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: jobs }, job));

  const sum = (of: (result: SeedResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const count = (value: number): string => value.toLocaleString("en");
  console.log(
    `seeds ${first}-${last}, ${count(instructions)} guest instructions each: ${results.length} passed, ${failed.length} failed` +
      ` in ${Math.round((performance.now() - started) / 1000)} s`,
  );
  console.log(
    `  ${count(sum((r) => r.instructions))} instructions in all, ${count(sum((r) => r.exits))} checked exits,` +
      ` ${count(sum((r) => r.failures))} guests that could not go on,` +
      ` ${new Set(results.flatMap((r) => r.nested)).size} kinds of exceptions inside others;` +
      ` ${count(sum((r) => r.compared))} hosts compared, ${count(sum((r) => r.skipped))} not comparable`,
  );
  if (failed.length > 0) process.exitCode = 1;
}

/** The worker's answer, or null if it takes too long. */
function ask(worker: Worker, job: Job, patience: number): Promise<Answer | null> {
  return new Promise((resolve) => {
    const done = (answer: Answer | null): void => {
      clearTimeout(timer);
      worker.off("message", done);
      worker.off("error", broken);
      resolve(answer);
    };
    const broken = (error: unknown): void => done({ seed: job.seed, error: String(error) });
    const timer = setTimeout(() => done(null), patience);
    worker.on("message", done);
    worker.on("error", broken);
    worker.postMessage(job);
  });
}

if (values.replay !== undefined) replay(positive("replay", values.replay));
else {
  const [first, last] = seedRange();
  console.log(`fuzz: seeds ${first} to ${last}`);
  await runSeeds(first, last, positive("jobs", values.jobs));
}

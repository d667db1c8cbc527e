import { parentPort } from "node:worker_threads";
import type { Only } from "./axes.ts";
import { runSeed, type Effort, type SeedResult } from "./seed.ts";

/** What a worker is asked to do, and its answer. */
export interface Job {
  readonly seed: number;
  readonly effort: Effort;
  readonly only: Only;
}
export type Answer =
  { readonly seed: number; readonly result: SeedResult } | { readonly seed: number; readonly error: string };

parentPort?.on("message", ({ seed, effort, only }: Job) => {
  let answer: Answer;
  try {
    answer = { seed, result: runSeed(seed, effort, only) };
  } catch (error) {
    answer = { seed, error: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(answer);
});

/** Fuzzes a target in a process of its own, and watches over it. */
import { fork } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TargetModule } from "./fuzz-target.ts";
import type { Finding, Job, Message, Report } from "./job.ts";
import { PresentInput } from "./present-input.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

/** How a target is fuzzed. */
export interface FuzzOptions {
  readonly seed: number;
  readonly inputs: number;
  /** It may end earlier than after `inputs`; default never. */
  readonly seconds?: number;
  /** Default true; see `Job`. */
  readonly guided?: boolean;
  /** Seconds that one input may take; default {@link PATIENCE}. */
  readonly patience?: number;
  /** MiB that objects may take; default {@link MOST_HEAP}. */
  readonly heap?: number;
  /** Is told now and then how far it is. */
  readonly onProgress?: (inputs: number, taken: number) => void;
}

/** Usually it is microseconds, but other programs may want the processor. */
const PATIENCE = 20;
/** So long it may take to load a target, in seconds. */
const LOADING = 120;
/** Milliseconds between two looks at the process. */
const LOOK_EVERY = 250;
/** MiB that objects may take, and the whole process. */
const MOST_HEAP = 1024;
const MOST_MEMORY = 3072;
/** Characters of what the process says in the end. */
const MOST_SAID = 2000;

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Gives inputs to a target, and tells what came of it. */
export async function fuzz(target: TargetModule, options: FuzzOptions): Promise<Report> {
  const folder = makeScratchFolder("kseg-fuzz-");
  const file = join(folder, "input");
  writeFileSync(file, "");
  const present = new PresentInput(file, "read");
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    return await watch(target, options, file, present);
  } finally {
    process.off("exit", remove);
    present.close();
    remove();
  }
}

function watch(
  { module, covers }: TargetModule,
  options: FuzzOptions,
  file: string,
  present: PresentInput,
): Promise<Report> {
  const { seed, inputs, seconds = null, guided = true, onProgress } = options;
  const { patience = PATIENCE, heap = MOST_HEAP } = options;
  const job: Job = {
    ...{ seed, inputs, seconds, guided, present: file },
    module: module.href,
    covers: covers.map((path) => ROOT + path),
  };
  const started = performance.now();
  const child = fork(new URL("./worker.ts", import.meta.url), {
    execArgv: [`--max-old-space-size=${heap}`],
    serialization: "advanced",
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
  child.send(job);
  // It would go on by itself.
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);

  return new Promise((resolve) => {
    let report: Report | null = null;
    /** Why it was ended. */
    let reason: Pick<Finding, "kind" | "what"> | null = null;
    let said = "";
    let taken = 0;
    child.stderr!.on("data", (piece: Buffer) => (said = (said + piece.toString()).slice(-MOST_SAID)));
    child.on("message", (message: Message) => {
      if (message.kind === "report") report = message.report;
      else {
        ({ taken } = message);
        onProgress?.(message.inputs, taken);
      }
    });

    let last = { number: 0, at: started };
    const timer = setInterval(() => {
      const now = performance.now();
      const { number } = present;
      if (number !== last.number) last = { number, at: now };
      const limit = number === 0 ? LOADING : patience;
      const memory = mebibytesOf(child.pid!);
      if (memory > MOST_MEMORY) reason = { kind: "memory", what: `${Math.round(memory)} MiB of memory` };
      else if (now - last.at > 1000 * limit && report === null)
        reason = { kind: "hang", what: `nothing after ${limit} s` };
      if (reason !== null) end();
    }, LOOK_EVERY);

    child.on("close", (status, signal) => {
      clearInterval(timer);
      process.off("exit", end);
      if (report !== null) return resolve(report);
      const { number } = present;
      const finding = {
        ...(reason ?? whyEnded(status, signal, said, heap)),
        details: said.trim(),
        input: number === 0 ? null : present.input,
      };
      resolve({
        ...{ inputs: number, seconds: (performance.now() - started) / 1000 },
        ...{ taken, branches: 0, corpus: 0, growth: 0, findings: [finding] },
      });
    });
  });
}

/** Why a process has ended by itself without a report. */
function whyEnded(
  status: number | null,
  signal: string | null,
  said: string,
  heap: number,
): Pick<Finding, "kind" | "what"> {
  if (said.includes("heap out of memory"))
    return { kind: "memory", what: `more than ${heap} MiB of objects` };
  // Nothing is left to wait for.
  if (status === 0) return { kind: "hang", what: "a promise is never settled" };
  return { kind: "crash", what: signal === null ? `status ${status}` : signal };
}

/** Memory of a process; 0 where the system does not tell. */
function mebibytesOf(pid: number): number {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kibibytes ?? 0) / 1024;
  } catch {
    return 0;
  }
}

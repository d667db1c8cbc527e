/** Runs `bin/kseg.js` as a user does, as a process. */
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { fileURLToPath } from "node:url";
import { makeExecutable } from "../../src/index.ts";

/** The checkout's root, and the program. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const KSEG = fileURLToPath(new URL("../../bin/kseg.js", import.meta.url));
/** A file of the demo guest. */
export const demoFile = (name: string): string =>
  fileURLToPath(new URL(`../../guests/demo/${name}`, import.meta.url));

/** An ELF kernel for trap and emulate: these instructions, at its entry point. */
export function teKernel(...instructions: readonly number[]): Uint8Array {
  const entry = 0x4010_0000;
  return makeExecutable({ entry, pieces: [{ address: entry, words: instructions }] });
}

/** Has gdb wait for answers: of itself it gives up after 2 s, in which a computer that is busy may do nothing at all. */
export const GDB_PATIENCE = "set remotetimeout 60";

/** How a process ended, and what it wrote. */
export interface Result {
  /** Null if a signal ended it. */
  readonly status: number | null;
  /** Bytes as characters: the console is no text. */
  readonly stdout: string;
  readonly stderr: string;
}

/** What more a process is given. */
export interface Options {
  /** All of its standard input. Without it the input stays open and silent until the process ends. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user (for root only). */
  readonly uid?: number;
  /** Another Node than the one that runs the tests. */
  readonly node?: string;
  readonly stdio?: StdioOptions;
  readonly cwd?: string;
}

/** A process that runs, to talk with. */
export interface Running {
  readonly child: ChildProcess;
  readonly result: Promise<Result>;
  /** What it has written so far. */
  readonly output: () => { readonly stdout: string; readonly stderr: string };
  /** Resolves when it has written this to its standard output, behind what was waited for before. */
  readonly shows: (text: string) => Promise<void>;
}

/** Starts kseg with these arguments. */
export function start(args: readonly string[], options: Options = {}): Running {
  const { node = process.execPath, env = {}, uid, stdio = "pipe", cwd } = options;
  return startProgram(node, [KSEG, ...args], {
    stdio,
    env: { ...process.env, ...env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Starts any program. */
export function startProgram(
  program: string,
  args: readonly string[],
  options: Parameters<typeof spawn>[2] = {},
): Running {
  const child = spawn(program, args, options);
  let stdout = "";
  let stderr = "";
  let seen = 0;
  let look: () => void = () => {};
  child.stdin?.on("error", () => undefined);
  child.stdout?.setEncoding("latin1").on("data", (chunk: string) => {
    stdout += chunk;
    look();
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const result = new Promise<Result>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
  const shows = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      look = (): void => {
        const at = stdout.indexOf(text, seen);
        if (at < 0) return;
        seen = at + text.length;
        // What comes later is for who waits then.
        look = () => {};
        resolve();
      };
      look();
      void result.then(
        () => reject(new Error(`ended before it showed ${text}:\n${stdout}${stderr}`)),
        reject,
      );
    });
  return { child, result, output: () => ({ stdout, stderr }), shows };
}

/**
 * Tries something that has so many seconds of real time, again with twice as many for as long as that was too little to
 * tell: a computer that is busy does less in them. The test's own timeout ends that.
 */
export async function inEnoughTime<T>(
  first: number,
  attempt: (seconds: number) => Promise<T>,
  isEnough: (result: T) => boolean,
): Promise<T> {
  for (let seconds = first; ; seconds *= 2) {
    const result = await attempt(seconds);
    if (isEnough(result)) return result;
  }
}

/** Waits until something is so that is not told: a file is there, say. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Runs kseg with these arguments to its end. */
export function kseg(args: readonly string[], options: Options = {}): Promise<Result> {
  const { child, result } = start(args, options);
  if (options.input !== undefined) child.stdin?.end(options.input, "latin1");
  return result;
}

/** Runs other programs: output line by line, failures as typed errors, nothing through a shell. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { CommandFailedError } from "./errors.ts";

/** How to run a program. */
export interface RunOptions {
  readonly cwd?: string;
  /** Changes to this process's environment; `LC_ALL` is always C, so that messages can be read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called for every line of standard output and standard error as it comes. */
  readonly onLine?: (line: string) => void;
  /** Text for standard input; without it, input is empty. */
  readonly input?: string;
  /** Appended to the message of the failure. */
  readonly hint?: string;
  /** Picks the line of the output that tells most about a failure; by default the last. */
  readonly explain?: (lines: readonly string[]) => string;
}

/** Lines of output kept for the message of a failure. */
const KEPT_LINES = 400;

/** Signals that end this process; they are passed on to the program that is running. */
export const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Runs `program` and returns its standard output.
 * @throws {CommandFailedError} when it cannot be started or fails.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const label = [path.basename(program), ...args.filter((arg) => /^[a-z]/.test(arg)).slice(0, 2)].join(" ");
  // A program that outlived this process would go on changing the cache under the next one.
  let stoppedBy: NodeJS.Signals | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    stoppedBy = signal;
    child.kill(signal);
  };
  // Listened to before there is a program that could be left behind.
  for (const signal of STOP_SIGNALS) process.once(signal, stop);
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env, LC_ALL: "C" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? signal ?? "ended"));
  });
  // A program that does not read its input may close it early; its status says what matters.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");

  const output: string[] = [];
  const recent: string[] = [];
  const follow = async (stream: NodeJS.ReadableStream, keep: boolean): Promise<void> => {
    for await (const line of createInterface({ input: stream })) {
      if (keep) output.push(line);
      recent.push(line);
      if (recent.length > 2 * KEPT_LINES) recent.splice(0, KEPT_LINES);
      options.onLine?.(line);
    }
  };
  try {
    const [status] = await Promise.all([ended, follow(child.stdout, true), follow(child.stderr, false)]);
    const stopped = stoppedBy ?? (typeof status === "string" ? status : null);
    if (stopped !== null)
      throw new CommandFailedError(label, stopped, "", "run the command again to go on from here", stoppedBy);
    if (status === 0) return output.length === 0 ? "" : `${output.join("\n")}\n`;
    const explain = options.explain ?? ((lines) => lines.findLast((line) => line.trim() !== "") ?? "");
    throw new CommandFailedError(label, status, explain(recent).trim(), options.hint);
  } catch (error) {
    if (error instanceof CommandFailedError) throw error;
    throw new CommandFailedError(label, "cannot be started", String(error), options.hint);
  } finally {
    for (const signal of STOP_SIGNALS) process.removeListener(signal, stop);
  }
}

/** Full path of a program on the search path, or undefined. */
export async function which(
  program: string,
  searchPath: string = process.env["PATH"] ?? "",
): Promise<string | undefined> {
  for (const folder of searchPath.split(path.delimiter)) {
    if (folder === "") continue;
    const file = path.join(folder, program);
    const usable = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return file;
  }
  return undefined;
}

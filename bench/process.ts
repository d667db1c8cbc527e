/** Runs a machine as a user does, as a process, and notes when each line of its console came. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** A program and its arguments. */
export type CommandLine = readonly [program: string, ...args: string[]];

/** How far a process was at some point of its output. */
export interface Moment {
  /** Since the process was started. */
  readonly seconds: number;
  /** Processor time of all its threads until then; undefined where the system does not tell (Linux does). */
  readonly cpuSeconds?: number;
}

/** One run of a process. */
export interface Run {
  /** When the process was started, on the scale of `performance.now()`, in milliseconds. */
  readonly startedAt: number;
  /** The end of the process, or the line that was waited for. */
  readonly end: Moment;
  /** Console output without carriage returns. */
  readonly output: string;
  /** When the console had shown `text`, looked for behind the first `from` characters; undefined if it never did. */
  readonly when: (text: string, from?: number) => Moment | undefined;
}

/** A process ended otherwise than it should. */
export class RunError extends Error {
  constructor(command: CommandLine, what: string, output: string) {
    super(`${command.join(" ")}: ${what}\n${output.split("\n").slice(-15).join("\n")}`);
    this.name = "RunError";
  }
}

/** What a run is given and how it ends. */
export interface RunOptions {
  /** Console input; none by default. */
  readonly input?: string;
  /** Stops the process when the console has shown this; otherwise it has to end by itself, with status 0. */
  readonly until?: string;
  /** Default 600. */
  readonly timeoutSeconds?: number;
}

/** Runs `command` to its end. @throws {RunError} when it fails or takes too long. */
export function run(command: CommandLine, options: RunOptions = {}): Promise<Run> {
  const { input = "", until, timeoutSeconds = 600 } = options;
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    // Whoever stops this process has no use for a machine that runs on.
    const stop = (): void => void child.kill("SIGKILL");
    process.once("exit", stop);
    const now = (): Moment => {
      const seconds = (performance.now() - start) / 1000;
      const cpuSeconds = child.pid === undefined ? undefined : cpuSecondsOf(child.pid);
      return cpuSeconds === undefined ? { seconds } : { seconds, cpuSeconds };
    };
    /** Length of `output` and the time, whenever it had grown. */
    const marks: { length: number; moment: Moment }[] = [];
    let output = "";
    let errors = "";
    let reached: Moment | undefined;
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new RunError(command, `did not end within ${timeoutSeconds} s`, output));
    }, timeoutSeconds * 1000);
    const when = (text: string, from = 0): Moment | undefined => {
      const at = output.indexOf(text, from);
      return at < 0 ? undefined : marks.find(({ length }) => length >= at + text.length)?.moment;
    };
    child.stdout.setEncoding("latin1").on("data", (chunk: string) => {
      output += chunk.replaceAll("\r", "");
      const moment = now();
      marks.push({ length: output.length, moment });
      if (until !== undefined && reached === undefined && output.includes(until)) {
        reached = moment;
        child.kill("SIGTERM");
      }
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(new RunError(command, error.message, output));
    });
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      process.removeListener("exit", stop);
      if (until !== undefined && reached === undefined)
        reject(new RunError(command, `ended before it showed "${until}"`, output + errors));
      else if (until === undefined && status !== 0)
        reject(new RunError(command, `ended with ${signal ?? `status ${status}`}`, output + errors));
      else resolve({ startedAt: start, end: reached ?? now(), output, when });
    });
    child.stdin.on("error", () => undefined).end(input);
  });
}

/** Ticks in which /proc counts processor time, on every processor that Linux and Node share (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Processor time that all threads of a process have used, those that ended too; undefined if nobody tells. */
function cpuSecondsOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything; behind it utime and stime are the 12th and 13th field (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

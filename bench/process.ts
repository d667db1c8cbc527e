/** Runs a machine as a user does, as a process, and notes when each line of its console came. */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A program and its arguments. */
export type CommandLine = readonly [program: string, ...args: string[]];

/** One run of a process. */
export interface Run {
  /** From the start of the process to its end, or to the line that was waited for; in seconds. */
  readonly seconds: number;
  /** Console output without carriage returns, and when each line (or the part of one) had come. */
  readonly output: string;
  /** Seconds from the start of the process until the console had shown `text`; undefined if it never did. */
  readonly when: (text: string, from?: number) => number | undefined;
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
  /** Default 300. */
  readonly timeoutSeconds?: number;
}

/** Runs `command` to its end. @throws {RunError} when it fails or takes too long. */
export function run(command: CommandLine, options: RunOptions = {}): Promise<Run> {
  const { input = "", until, timeoutSeconds = 300 } = options;
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const since = (): number => (performance.now() - start) / 1000;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    /** Length of `output` and the time, whenever it had grown. */
    const marks: { length: number; seconds: number }[] = [];
    let output = "";
    let errors = "";
    let reached: number | undefined;
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new RunError(command, `did not end within ${timeoutSeconds} s`, output));
    }, timeoutSeconds * 1000);
    const when = (text: string, from = 0): number | undefined => {
      const at = output.indexOf(text, from);
      return at < 0 ? undefined : marks.find(({ length }) => length >= at + text.length)?.seconds;
    };
    child.stdout.setEncoding("latin1").on("data", (chunk: string) => {
      output += chunk.replaceAll("\r", "");
      marks.push({ length: output.length, seconds: since() });
      if (until !== undefined && reached === undefined && output.includes(until)) {
        reached = since();
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
      if (until !== undefined && reached === undefined)
        reject(new RunError(command, `ended before it showed "${until}"`, output + errors));
      else if (until === undefined && status !== 0)
        reject(new RunError(command, `ended with ${signal ?? `status ${status}`}`, output + errors));
      else resolve({ seconds: reached ?? since(), output, when });
    });
    child.stdin.on("error", () => undefined).end(input);
  });
}

/** The command line of `kseg run` from this checkout, with the Node that runs this. */
export function ksegRun(...args: string[]): CommandLine {
  return [process.execPath, fileURLToPath(new URL("../bin/kseg.js", import.meta.url)), "run", ...args];
}

/** The command line of QEMU's Malta with kseg's default CPU, without cards whose ROMs are extra packages. */
export function qemuMalta(...args: string[]): CommandLine {
  const machine = "-M malta -cpu 24Kc -nographic -no-reboot -nic none -vga none".split(" ");
  return ["qemu-system-mipsel", ...machine, ...args];
}

/** Why QEMU cannot be used here, or undefined. */
export function qemuMissing(): string | undefined {
  const { error } = spawnSync("qemu-system-mipsel", ["--version"]);
  return error === undefined ? undefined : "qemu-system-mipsel is not installed";
}

/** The middle value (of two, their mean). */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

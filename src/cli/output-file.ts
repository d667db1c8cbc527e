/** The file that a flag names for what a run leaves: the figures of `--stats`, say, or a snapshot. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  type Stats as FileInfo,
} from "node:fs";
import { Socket } from "node:net";
import path from "node:path";
import { systemReason } from "../guests/errors.ts";
import { CliError, STATUS, UsageError } from "./errors.ts";

/** What takes it. */
type Target =
  | { readonly kind: "file"; readonly path: string; readonly temporary: string }
  /** Written to as it is, because taking its name would replace it. */
  | { readonly kind: "pipe" | "device"; readonly fd: number };

/**
 * A file that is either written whole or left as it was. It is tried out on construction, before long work
 * whose outcome could not be kept. Throws {@link UsageError} then, {@link CliError} later.
 */
export class OutputFile {
  /** The flag and its value, for messages. */
  private readonly what: string;
  private readonly target: Target;

  /** `inputs` are the files that the run reads: they are not overwritten. */
  constructor(flag: string, name: string, inputs: readonly (string | undefined)[] = []) {
    this.what = `${flag} ${name}`;
    try {
      this.target = targetOf(name);
      if (this.target.kind === "file" && inputs.some((input) => input !== undefined && isSame(name, input)))
        throw new Error("is a file that the run reads; give another name");
    } catch (error) {
      throw new UsageError(`${this.what}: ${reason(error)}`, { cause: error });
    }
  }

  /** Writes `figures` as JSON. Waits for the reader of a pipe. */
  async write(figures: object): Promise<void> {
    await this.writeWhole(`${JSON.stringify(figures, null, 2)}\n`);
  }

  /** Writes `contents`, in the place of what is there. Waits for the reader of a pipe. */
  async writeWhole(contents: string | Uint8Array): Promise<void> {
    const { target } = this;
    try {
      if (target.kind === "file") replace(target, contents);
      else if (target.kind === "pipe") await send(target.fd, contents);
      else writeFileSync(target.fd, contents);
    } catch (error) {
      throw new CliError(`${this.what}: ${reason(error)}`, STATUS.failed, { cause: error });
    }
  }
}

function targetOf(name: string): Target {
  const existing = statSync(name, { throwIfNoEntry: false });
  if (existing?.isDirectory() === true) throw new Error("is a directory");
  // Opening a pipe that nobody reads would wait, and nothing could end that.
  if (existing?.isFIFO() === true)
    return { kind: "pipe", fd: openSync(name, constants.O_WRONLY | constants.O_NONBLOCK) };
  if (existing !== undefined && (!existing.isFile() || isOwnOutput(existing)))
    return { kind: "device", fd: openSync(name, constants.O_WRONLY | constants.O_APPEND) };
  const target = resolveLink(name);
  const temporary = `${target}.${process.pid}.tmp`;
  if (existing !== undefined) closeSync(openSync(target, "a"));
  closeSync(openSync(temporary, "w"));
  unlinkSync(temporary);
  return { kind: "file", path: target, temporary };
}

/** Refuses two flags that would have one file written. `outputs` has the file's name for each. Throws {@link UsageError}. */
export function checkOutputs(outputs: Readonly<Record<string, string | undefined>>): void {
  const files = new Map<string, string>();
  for (const [flag, name] of Object.entries(outputs)) {
    const file = name === undefined ? null : ownFile(name);
    if (file === null) continue;
    const other = files.get(file);
    if (other !== undefined)
      throw new UsageError(`${flag} ${name}: ${other} writes that file; give another name`);
    files.set(file, flag);
  }
}

/** The file behind a name, which need not be there yet; null if it is none, or none that can be. */
function ownFile(name: string): string | null {
  try {
    const existing = statSync(name, { throwIfNoEntry: false });
    return existing === undefined || existing.isFile() ? resolveLink(name) : null;
  } catch {
    // Whoever opens it says why.
    return null;
  }
}

/** True if both names lead to one file. */
export function isSame(name: string, other: string): boolean {
  const [a, b] = [name, other].map((file) => statSync(file, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Whether a file is where this process's output goes, as /dev/stdout behind a redirection is. */
export function isOwnOutput({ dev, ino }: FileInfo): boolean {
  return [1, 2].some((fd) => {
    try {
      const output = fstatSync(fd);
      return output.dev === dev && output.ino === ino;
    } catch {
      return false;
    }
  });
}

function replace(
  { path: target, temporary }: Extract<Target, { kind: "file" }>,
  contents: string | Uint8Array,
): void {
  try {
    writeFileSync(temporary, contents);
    renameSync(temporary, target);
  } catch (error) {
    discard(temporary);
    throw error;
  }
}

function send(fd: number, contents: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const pipe = new Socket({ fd, readable: false, writable: true });
    pipe.on("error", reject).on("finish", resolve).end(contents);
  });
}

/** The file behind a name and its links; it need not be there yet. */
function resolveLink(name: string): string {
  const whole = path.join(realpathSync(path.dirname(name)), path.basename(name));
  return lstatSync(whole, { throwIfNoEntry: false })?.isSymbolicLink() === true
    ? resolveLink(path.resolve(path.dirname(whole), readlinkSync(whole)))
    : whole;
}

function discard(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // It was never made, or is gone with its folder.
  }
}

/** Why a file cannot be written, in words. */
export function reason(error: unknown): string {
  return systemReason(error) ?? (error instanceof Error ? error.message : String(error));
}

/** A file that is written as the run goes: that of `--trace`, say. */
import { closeSync, constants, openSync, statSync, writeSync } from "node:fs";
import { isSame, reason } from "./output-file.ts";
import { UsageError } from "./errors.ts";

/** Milliseconds between two tries to write to a pipe whose reader is behind. */
const RETRY = 5;

/**
 * Takes bytes at any moment and writes them at once, so that they need no memory. Opened on construction; throws
 * {@link UsageError} then. What fails later is told once, in one line; nothing more is written after that.
 */
export class StreamFile {
  private readonly what: string;
  private readonly onFailed: (why: string) => void;
  private fd: number | null;

  /** `inputs` are files that the run reads: they are not overwritten. */
  constructor(
    flag: string,
    name: string,
    inputs: readonly (string | undefined)[],
    onFailed: (why: string) => void,
  ) {
    this.what = `${flag} ${name}`;
    this.onFailed = onFailed;
    try {
      this.fd = open(name, inputs);
    } catch (error) {
      throw new UsageError(`${this.what}: ${reason(error)}`, { cause: error });
    }
  }

  write(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length && this.fd !== null;) at += writeSome(this.fd, bytes.subarray(at));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Closes it. To be called once, however the run ends. */
  close(): void {
    const { fd } = this;
    this.fd = null;
    try {
      if (fd !== null) closeSync(fd);
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    const { fd } = this;
    this.fd = null;
    try {
      if (fd !== null) closeSync(fd);
    } catch {
      // What is wrong with it has been said.
    }
    this.onFailed(`${this.what}: ${reason(error)}`);
  }
}

function open(name: string, inputs: readonly (string | undefined)[]): number {
  const existing = statSync(name, { throwIfNoEntry: false });
  if (existing?.isDirectory() === true) throw new Error("is a directory");
  if (inputs.some((input) => input !== undefined && isSame(name, input)))
    throw new Error("is a file that the run reads; give another name");
  // Opening a pipe that nobody reads would wait, and nothing could end that.
  if (existing?.isFIFO() === true) return openSync(name, constants.O_WRONLY | constants.O_NONBLOCK);
  return existing === undefined || existing.isFile()
    ? openSync(name, "w")
    : openSync(name, constants.O_WRONLY);
}

/** Writes some of the bytes, and returns how many. Waits for the reader of a pipe. */
function writeSome(fd: number, bytes: Uint8Array): number {
  for (;;)
    try {
      return writeSync(fd, bytes);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY);
    }
}

/** A file that is written as the run goes: that of `--trace`, say. */
import { closeSync, constants, ftruncateSync, openSync, statSync, unlinkSync, writeSync } from "node:fs";
import { isOwnOutput, isSame, reason } from "./output-file.ts";
import { UsageError } from "./errors.ts";

/** Milliseconds between two tries to write to a pipe whose reader is behind. */
const RETRY = 5;

/** What takes the bytes. */
interface Target {
  readonly fd: number;
  /** It is a file of its own, which is emptied before it is written. */
  readonly isEmptied: boolean;
  /** It was not there before. */
  readonly isNew: boolean;
}

/**
 * Takes bytes at any moment and writes them at once, so that they need no memory. Opened on construction, which leaves
 * what is there as it is until the run begins; throws {@link UsageError} then. What fails later is told once, in one
 * line; nothing more is written after that.
 */
export class StreamFile {
  private readonly name: string;
  private readonly what: string;
  private readonly onFailed: (why: string) => void;
  private readonly target: Target;
  private fd: number | null;
  /** What was written before the run began; null from then on. */
  private early: Uint8Array[] | null = [];

  /** `inputs` are files that the run reads: they are not overwritten. */
  constructor(
    flag: string,
    name: string,
    inputs: readonly (string | undefined)[],
    onFailed: (why: string) => void,
  ) {
    this.name = name;
    this.what = `${flag} ${name}`;
    this.onFailed = onFailed;
    try {
      this.target = open(name, inputs);
    } catch (error) {
      throw new UsageError(`${this.what}: ${reason(error)}`, { cause: error });
    }
    this.fd = this.target.fd;
  }

  /** The run begins: what was in the file before is gone. */
  begin(): void {
    const early = this.early ?? [];
    this.early = null;
    try {
      if (this.target.isEmptied && this.fd !== null) ftruncateSync(this.fd);
    } catch (error) {
      this.fail(error);
    }
    for (const bytes of early) this.write(bytes);
  }

  write(bytes: Uint8Array): void {
    if (this.early !== null) {
      this.early.push(bytes);
      return;
    }
    try {
      for (let at = 0; at < bytes.length && this.fd !== null;) at += writeSome(this.fd, bytes.subarray(at));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Closes it. To be called once, however the run ends, and if it has never begun. */
  close(): void {
    const { fd } = this;
    this.fd = null;
    try {
      if (fd !== null) closeSync(fd);
      if (this.early !== null && this.target.isNew) unlinkSync(this.name);
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

function open(name: string, inputs: readonly (string | undefined)[]): Target {
  const existing = statSync(name, { throwIfNoEntry: false });
  if (existing?.isDirectory() === true) throw new Error("is a directory");
  if (inputs.some((input) => input !== undefined && isSame(name, input)))
    throw new Error("is a file that the run reads; give another name");
  const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = constants;
  const isNew = existing === undefined;
  const isEmptied = existing === undefined || (existing.isFile() && !isOwnOutput(existing));
  if (isEmptied) return { fd: openSync(name, O_WRONLY | O_CREAT), isEmptied, isNew };
  // Opening a pipe that nobody reads would wait, and nothing could end that.
  const how = existing.isFIFO() ? O_NONBLOCK : existing.isFile() ? O_APPEND : 0;
  return { fd: openSync(name, O_WRONLY | how), isEmptied, isNew };
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

/** The guest's console input: kseg's standard input, whatever that is. */
import { fstatSync } from "node:fs";
import type { ReadStream } from "node:tty";
import { CliError, STATUS, UsageError } from "./errors.ts";
import { systemReason } from "../guests/errors.ts";

/** Before the start, a pipe that has been silent this long is taken to have no more for now, in milliseconds. */
const SILENCE = 100;
/** No more than this is read before the start, unless it is a file; in bytes. */
const MOST_BEFORE_START = 16 << 20;
/** While the guest has this many bytes yet to take, no more are read. */
const MOST_PENDING = 1 << 16;

/** What a {@link ConsoleInput} tells. */
export interface InputListener {
  onBytes(bytes: Uint8Array): void;
  /** No more will come. */
  onEnd(): void;
  onError(error: Error): void;
}

/** Where input comes from: `process.stdin`, or a stream in a test. */
export interface InputStream {
  readonly isTTY?: boolean;
  on(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  on(event: "end" | "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

/** Reads a stream for a guest, no faster than the guest takes it. */
export class ConsoleInput {
  private readonly stream: InputStream;
  private readonly isFile: boolean;
  private listener: InputListener | null = null;
  private early: Uint8Array[] = [];
  private earlyBytes = 0;
  private paused = false;
  private failure: Error | null = null;
  /** No more will come. */
  ended = false;
  private notify: () => void = () => {};

  /** `isFile`: its end is near, and comes without waiting for anybody. */
  constructor(stream: InputStream, isFile: boolean) {
    this.stream = stream;
    this.isFile = isFile;
    stream.on("data", (bytes) => this.take(bytes));
    stream.on("end", () => this.end());
    stream.on("close", () => this.end());
    stream.on("error", (error) => this.fail(error));
  }

  /** What this process was given as standard input. Throws {@link UsageError} if that cannot be read. */
  static ofProcess(): ConsoleInput {
    const kind = kindOf(0);
    // Node would take it for an empty file.
    if (kind === "directory") throw new UsageError("cannot read the standard input: is a directory");
    return new ConsoleInput(process.stdin, kind === "file");
  }

  get isTerminal(): boolean {
    return this.stream.isTTY === true;
  }

  /** Raw mode hands on each key as it is typed, Ctrl-C too. For terminals only. */
  setRaw(raw: boolean): void {
    (this.stream as ReadStream).setRawMode(raw);
  }

  /**
   * Waits until what can be had at once is there: the end, or a pipe's silence. A guest that starts after
   * it gets its input at the same moment of guest time in every run.
   */
  async readAhead(stopped: () => boolean): Promise<void> {
    let before = -1;
    while (!this.ended && this.failure === null && !stopped()) {
      if (!this.isFile && (before === this.earlyBytes || this.earlyBytes >= MOST_BEFORE_START)) break;
      before = this.earlyBytes;
      await this.changeOrSilence();
    }
  }

  /** All of the input, if its end has come before anybody listened; else null. */
  takeWhole(): Uint8Array | null {
    if (!this.ended || this.failure !== null) return null;
    return Buffer.concat(this.early.splice(0));
  }

  private changeOrSilence(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.notify = () => {};
        resolve();
      };
      // A timer that is due comes before input that is there: a process that had to wait for its turn looks once more.
      const timer = setTimeout(() => setImmediate(done), SILENCE);
      this.notify = done;
    });
  }

  /** From now on input goes to `listener`; what came before, at once. */
  listen(listener: InputListener): void {
    this.listener = listener;
    const early = this.early;
    this.early = [];
    for (const bytes of early) listener.onBytes(bytes);
    if (this.failure !== null) listener.onError(this.failure);
    else if (this.ended) listener.onEnd();
  }

  /** Stops reading while the guest has enough to take, and goes on when it has taken it. */
  regulate(pending: number): void {
    const enough = pending >= MOST_PENDING;
    if (enough === this.paused || this.ended) return;
    this.paused = enough;
    if (enough) this.stream.pause();
    else this.stream.resume();
  }

  /** Lets go of the stream, so that the process can end. */
  close(): void {
    this.listener = { onBytes: () => {}, onEnd: () => {}, onError: () => {} };
    this.stream.destroy();
  }

  private take(bytes: Uint8Array): void {
    if (this.listener !== null) this.listener.onBytes(bytes);
    else {
      this.early.push(bytes);
      this.earlyBytes += bytes.length;
    }
    this.notify();
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.listener?.onEnd();
    this.notify();
  }

  private fail(cause: Error): void {
    // A terminal that went away: the same as its end.
    if ("code" in cause && cause.code === "EIO" && this.isTerminal) return this.end();
    const why = systemReason(cause) ?? cause.message;
    this.failure = new CliError(`cannot read the standard input: ${why}`, STATUS.usage, { cause });
    this.listener?.onError(this.failure);
    this.notify();
  }
}

function kindOf(fd: number): "file" | "directory" | "other" {
  try {
    const info = fstatSync(fd);
    return info.isFile() ? "file" : info.isDirectory() ? "directory" : "other";
  } catch {
    return "other";
  }
}

/** The guest's console output: kseg's standard output. */
import { systemReason } from "../guests/errors.ts";

/** Where output goes: `process.stdout`, or a stream in a test. */
export interface OutputStream {
  write(bytes: Uint8Array | string, done?: (error?: Error | null) => void): boolean;
  once(event: "drain", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** Writes bytes unchanged, and knows when the reader is behind. */
export class ConsoleOutput {
  private readonly stream: OutputStream;
  private drained: Promise<void> | null = null;
  private broken = false;
  /** Why writing failed, in words, if it did and not because the reader has gone. */
  failure: string | null = null;
  /** The last thing written was the end of a line, or nothing was. */
  atLineStart = true;

  /** `onBroken` is called once, when the reader has gone ("pipe") or writing failed, with the reason in words. */
  constructor(stream: OutputStream, onBroken: (reason: string) => void) {
    this.stream = stream;
    stream.on("error", (error) => {
      if (this.broken) return;
      this.broken = true;
      const gone = "code" in error && (error.code === "EPIPE" || error.code === "ECONNRESET");
      if (!gone) this.failure = systemReason(error) ?? error.message;
      onBroken(this.failure ?? "pipe");
    });
  }

  write(bytes: Uint8Array): void {
    if (this.broken || bytes.length === 0) return;
    this.atLineStart = bytes.at(-1) === 0x0a;
    if (this.stream.write(bytes) || this.drained !== null) return;
    this.drained = new Promise((resolve) => {
      this.stream.once("drain", () => {
        this.drained = null;
        resolve();
      });
    });
  }

  /** What to wait for before more is written; null if the reader keeps up. */
  get behind(): Promise<void> | null {
    return this.broken ? null : this.drained;
  }

  /** Waits until all that was written has left the process. */
  flush(): Promise<void> {
    if (this.broken) return Promise.resolve();
    return new Promise((resolve) => {
      this.stream.write("", () => resolve());
    });
  }
}

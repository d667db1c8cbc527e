/** How far the measurements are: a bar on a terminal, and in a log a line for what is measured next. */
import { terminalProgress, type Progress, type ProgressSink } from "../src/guests/progress.ts";

/** Shows how much of the work is done. */
export class BenchProgress {
  private readonly sink: ProgressSink;
  private readonly progress: Progress;
  private readonly total: number;
  private done = 0;
  private what = "";

  /** `total` is what all calls of {@link advance} come to. */
  constructor(total: number, sink: ProgressSink, now: () => number = Date.now) {
    this.sink = sink;
    this.progress = terminalProgress(sink, now, "bench");
    this.total = total;
  }

  /** Something else is measured from now on. */
  begin(what: string): void {
    this.what = what;
    if (this.sink.isTTY !== true) this.sink.write(`measuring ${what} ...\n`);
    this.progress.clear();
    this.show();
  }

  /** A part of the work is done, or will not be done. */
  advance(parts = 1): void {
    this.done += parts;
    this.show();
  }

  /** Takes the bar away: something else is about to be written. */
  clear(): void {
    this.progress.clear();
  }

  private show(): void {
    this.progress.bar(this.done, this.total, this.what);
  }
}

/** Progress of long work, as lines on stderr and, on a terminal, one line below them that is rewritten in place. */
import { styled } from "./colours.ts";

/** Receives what a long operation has to say. Implementations must not throw. */
export interface Progress {
  /** A step begins. */
  step(text: string): void;
  /** How far the present step is; `text` replaces the one before. Called often: show it only where cheap. */
  count(text: string): void;
  /** How much of the present step is done, of a known total, and the same in words; as {@link count} otherwise. */
  bar(done: number, total: number, text: string): void;
  /** A plain remark, worth a line of its own. */
  note(text: string): void;
  /** Takes away what {@link count} and {@link bar} have shown: something else is about to be written. */
  clear(): void;
}

/** Says nothing. */
export const silent: Progress = {
  step: () => undefined,
  count: () => undefined,
  bar: () => undefined,
  note: () => undefined,
  clear: () => undefined,
};

/** The part of a writable stream that progress needs. */
export interface ProgressSink {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Shortest time between two shown counts, in milliseconds. */
const COUNT_INTERVAL = 100;
/** Characters of a bar, and those around it. */
const BAR = 30;
const USUAL_COLUMNS = 80;
const CLEAR_LINE = "\r\u001b[K";

/**
 * Progress of `name` on `sink` (usually `process.stderr`). Counts and bars are shown on a terminal only, so that logs
 * hold one line per step.
 */
export function terminalProgress(
  sink: ProgressSink,
  now: () => number = Date.now,
  name = "kseg guest",
): Progress {
  let counting = false;
  let shownAt = Number.NEGATIVE_INFINITY;
  let startedAt = now();
  const clear = (): void => {
    if (counting) sink.write(CLEAR_LINE);
    counting = false;
    shownAt = Number.NEGATIVE_INFINITY;
  };
  const line = (text: string): void => {
    clear();
    sink.write(`${text}\n`);
  };
  /** Shows what `text` gives in the room that there is, if it is time. */
  const rewrite = (text: (room: number) => string): void => {
    if (sink.isTTY !== true) return;
    const time = now();
    if (time - shownAt < COUNT_INTERVAL) return;
    shownAt = time;
    counting = true;
    // Some terminals do not tell their size, and are 0 columns wide.
    const columns = sink.columns === undefined || sink.columns === 0 ? USUAL_COLUMNS : sink.columns;
    // A line that fills the terminal could not be rewritten.
    sink.write(`${CLEAR_LINE}${text(columns - 1)}`);
  };
  return {
    step: (text) => {
      line(`${styled("bold", `${name}:`, sink)} ${text}`);
      startedAt = now();
    },
    note: (text) => line(`  ${text}`),
    count: (text) =>
      rewrite((room) => {
        const passed = clock(now() - startedAt);
        return `  ${text}${passed === "" ? "" : `, ${passed}`}`.slice(0, room);
      }),
    bar: (done, total, text) =>
      rewrite((room) => {
        const part = total > 0 ? Math.min(done / total, 1) : 0;
        const left = part > 0 ? clock(((now() - startedAt) * (1 - part)) / part) : "";
        const words = ` ${Math.floor(part * 100)} %, ${text}${left === "" ? "" : `, ${left} left`}`;
        const width = Math.min(BAR, room - words.length - "  []".length);
        if (width < 1) return `  ${words.trimStart()}`.slice(0, room);
        const filled = Math.round(width * part);
        return `  [${styled("green", "#".repeat(filled), sink)}${"-".repeat(width - filled)}]${words}`;
      }),
    clear,
  };
}

/** A time as minutes and seconds; nothing if it is less than a second. */
function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  return seconds < 1 ? "" : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Progress of long work, as lines on stderr and, on a terminal, one counter that is rewritten in place. */

/** Receives what a long operation has to say. Implementations must not throw. */
export interface Progress {
  /** A step begins. */
  step(text: string): void;
  /** How far the present step is; `text` replaces the one before. Called often: show it only where cheap. */
  count(text: string): void;
  /** A plain remark, worth a line of its own. */
  note(text: string): void;
}

/** Says nothing. */
export const silent: Progress = {
  step: () => undefined,
  count: () => undefined,
  note: () => undefined,
};

/** The part of a writable stream that progress needs. */
export interface ProgressSink {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

/** Shortest time between two shown counts, in milliseconds. */
const COUNT_INTERVAL = 100;

/**
 * Progress on `sink` (usually `process.stderr`). Counts are shown on a terminal only, so that logs hold
 * one line per step.
 */
export function terminalProgress(sink: ProgressSink, now: () => number = Date.now): Progress {
  let counting = false;
  let shownAt = Number.NEGATIVE_INFINITY;
  const line = (text: string): void => {
    sink.write(`${counting ? "\r\x1b[K" : ""}${text}\n`);
    counting = false;
    shownAt = Number.NEGATIVE_INFINITY;
  };
  return {
    step: (text) => line(`kseg guest: ${text}`),
    note: (text) => line(`  ${text}`),
    count: (text) => {
      if (sink.isTTY !== true) return;
      const time = now();
      if (time - shownAt < COUNT_INTERVAL) return;
      shownAt = time;
      counting = true;
      sink.write(`\r\x1b[K  ${text}`);
    },
  };
}

/** The terminal and the signals of this process. Both are given back however kseg ends. */
import { constants } from "node:os";
import type { ConsoleInput } from "./console-input.ts";

/** Puts the terminal into raw mode. Returns what restores it; the end of the process restores it as well. */
export function useTerminal(input: ConsoleInput): () => void {
  const restore = (): void => {
    process.off("exit", restore);
    process.off("SIGCONT", again);
    input.setRaw(false);
  };
  // Whoever stopped this process has set the terminal for itself.
  const again = (): void => input.setRaw(true);
  process.on("exit", restore);
  process.on("SIGCONT", again);
  input.setRaw(true);
  return restore;
}

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** Calls `end` with the exit status for a signal that asks this process to end, in place of ending it at once. */
export function onSignals(end: (status: number) => void): { restore(): void } {
  const handlers = ENDING_SIGNALS.map((signal) => {
    const handler = (): void => end(128 + constants.signals[signal]);
    process.on(signal, handler);
    return { signal, handler };
  });
  return {
    restore: () => {
      for (const { signal, handler } of handlers) process.off(signal, handler);
    },
  };
}

import type { Mode } from "./modes.ts";

/** What the engine caches of translations; the CPU tells it what became stale. */
export interface TranslationCache {
  /**
   * The mode or the ASID changed. `userAccess` says whether user-access instructions (EVA) may be executed: the
   * CPU has them and coprocessor 0 is usable.
   */
  contextChanged(mode: Mode, asid: number, userAccess: boolean): void;
  /** Translations of `bytes` bytes from `va` are stale in `asid`, or in every ASID if `asid` is -1. */
  invalidate(va: number, bytes: number, asid: number): void;
  /** Every translation is stale. */
  invalidateAll(): void;
  /** The engine must not store by itself to the page of RAM at memory offset `pageOffset` any more. */
  protectPage(pageOffset: number): void;
}

/** The time as the CPU sees and uses it. */
export interface CpuClock {
  /** Value of CP0 Count. */
  count(): number;
  setCount(value: number): void;
  /** Compare or what Count depends on was written: work out anew when they will be equal. */
  rearm(): void;
  /** Kernel mode was entered or left: time may stop or start (a guest's time passes only while the guest runs). */
  modeChanged(): void;
}

/** Why the engine came back. */
export const EXIT = {
  /** The budget is used up, or something asked for a look at pending interrupts. */
  budget: 0,
  /** WAIT was executed. */
  wait: 1,
  /** SDBBP was executed in kernel mode on a machine that serves it: a call out to the embedder. */
  hostCall: 2,
  /** A debugger stops execution in front of the current instruction. */
  debug: 3,
} as const;

/**
 * What the page and the worker that runs a guest tell each other: every message, stated once. Messages are plain
 * data that a structured clone carries over; the worker answers in the order in which it is asked.
 */
import type { GuestConfig, Stats } from "../index.ts";

/** The settings of a guest that are plain data: what a URL can hold. The rest of a configuration is files. */
export type Settings = Pick<
  GuestConfig,
  | "append"
  | "memory"
  | "mode"
  | "hostCpu"
  | "hostPageSize"
  | "engine"
  | "refill"
  | "gvaRoots"
  | "guestTlb"
  | "fastExits"
  | "guestFpu"
  | "dyntrans"
>;

/** The files of a guest. */
export interface GuestFiles {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
}

/** What the page asks for. */
export type Request =
  /** Makes a guest, in place of the one there is, and runs it unless `paused`. */
  | {
      readonly kind: "start";
      readonly settings: Settings;
      readonly files: GuestFiles;
      readonly paused: boolean;
    }
  /** Console input. */
  | { readonly kind: "input"; readonly bytes: Uint8Array }
  /** The page has shown this many bytes of the console: the guest may print as many more. */
  | { readonly kind: "shown"; readonly bytes: number }
  | { readonly kind: "run" }
  | { readonly kind: "pause" };

/** What a guest is doing. */
export type RunState =
  | { readonly kind: "running" }
  | { readonly kind: "paused" }
  | { readonly kind: "off"; readonly how: "power-off" | "reset" }
  | { readonly kind: "failed"; readonly report: string };

/** What has happened up to a moment. */
export interface Sample {
  /** Guest time in ticks. */
  readonly time: number;
  /** Milliseconds of real time that the guest has run, waits included, pauses not. */
  readonly milliseconds: number;
  readonly stats: Stats;
}

/** What the worker tells. */
export type Report =
  | { readonly kind: "started" }
  /** There is no guest: the configuration cannot work, or there is no memory for it. One line. */
  | { readonly kind: "refused"; readonly setting: keyof GuestConfig | null; readonly message: string }
  | { readonly kind: "console"; readonly bytes: Uint8Array }
  | { readonly kind: "state"; readonly state: RunState }
  /** Several times a second while the guest runs, and whenever it has come to a halt. */
  | { readonly kind: "sample"; readonly sample: Sample };

/** One side's end of the connection: a `Worker`, the worker's own global object, or a `MessagePort`. */
export interface Port<In, Out> {
  postMessage(message: Out, transfer?: ArrayBuffer[]): void;
  onmessage: ((event: { readonly data: In }) => void) | null;
}

/**
 * What the page and the worker that runs a guest tell each other: every message, stated once. Messages are plain
 * data that a structured clone carries over; the worker answers in the order in which it is asked.
 */
import type {
  AccessKind,
  CodePart,
  CodeView,
  Cp0View,
  Explanation,
  GuestConfig,
  GvaMapView,
  HostTlbEntryView,
  RegistersView,
  RootName,
  RootView,
  SnapshotConfig,
  Stats,
  TlbEntryView,
} from "../index.ts";

/** The settings of a guest that are plain data: what a URL can hold. The rest of a configuration is files. */
export type Settings = Pick<GuestConfig, "append" | "engine"> &
  Omit<SnapshotConfig, "hostCpu" | "hostCpus" | "clock"> & {
    /** A name from `CPU_MODELS`. */
    readonly hostCpu?: string;
  };

/** The files of a guest. */
export interface GuestFiles {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
}

/** What a Debian package holds of a guest. */
export interface PackageParts {
  readonly part: "kernel" | "initrd";
  readonly bytes: Uint8Array;
}

/** What the page asks for. */
export type Request =
  /** Makes a guest, in place of the one there is, and runs it unless `paused`. If it cannot be, that one stays. */
  | {
      readonly kind: "start";
      readonly settings: Settings;
      readonly files: GuestFiles;
      readonly paused: boolean;
    }
  /** Makes a guest of a saved state (packed or not), in place of the one there is. */
  | { readonly kind: "restore"; readonly snapshot: Uint8Array; readonly paused: boolean }
  /** Asks for the state of the guest, which goes on. */
  | { readonly kind: "save" }
  /** Console input. */
  | { readonly kind: "input"; readonly bytes: Uint8Array }
  /** The page has shown this many bytes of the console: the guest may print as many more. */
  | { readonly kind: "shown"; readonly bytes: number }
  /** What the page wants to see from now on: see {@link Views}. */
  | { readonly kind: "watch"; readonly watched: Watched }
  | { readonly kind: "run" }
  | { readonly kind: "pause" }
  /** Lets a paused guest go on by one instruction, or up to the next exit, or brings it back to the exit before. */
  | { readonly kind: "step"; readonly to: "instruction" | "exit" | "previous-exit" }
  /**
   * Follows the next so many misses of the host TLB, of these or of any, each of which is reported, and then pauses the
   * guest or does not. Of those of the other kind in between the last one is reported as well.
   */
  | {
      readonly kind: "follow";
      readonly misses: number;
      readonly way: MissWay | "any";
      readonly pause: boolean;
    }
  /** The guest's addresses in front of which it stops from now on. */
  | { readonly kind: "breakpoints"; readonly addresses: readonly number[] };

/** What a guest is doing. */
export type RunState =
  | { readonly kind: "running" }
  /** `at`: what it was to be stopped at. */
  | { readonly kind: "paused"; readonly at?: "breakpoint" | "exit" | "miss" }
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

/** A piece of the address space of a root of GVA tables, in buckets. */
export interface MapRequest {
  readonly root: RootName;
  readonly first: number;
  readonly last: number;
  readonly bucketSize: number;
}

/** What a page looks at. What is left out costs nothing. */
export interface Watched {
  /** Both TLBs, and the roots whose address spaces host ASIDs are. */
  readonly tlbs?: boolean;
  readonly maps?: readonly MapRequest[];
  /** The address whose way to memory is shown. */
  readonly address?: number;
  readonly registers?: boolean;
  readonly cp0?: boolean;
  /** Instructions around an address, or around the guest's pc. */
  readonly code?: { readonly around: number | "pc"; readonly before: number; readonly after: number };
}

/** What there is to see of a guest at one moment: what the page watches, in the same order. */
export interface Views {
  /** Ticks. */
  readonly time: number;
  readonly tlbs?: {
    readonly host: readonly HostTlbEntryView[];
    readonly guest: readonly TlbEntryView[];
    readonly roots: readonly RootView[];
    /** Entries that there are in all. */
    readonly hostSize: number;
    readonly guestSize: number;
  };
  /** Null where there is no such root. */
  readonly maps?: readonly (GvaMapView | null)[];
  readonly explanation?: Explanation;
  readonly registers?: RegistersView;
  readonly cp0?: { readonly guest: readonly Cp0View[]; readonly host: readonly Cp0View[] };
  readonly code?: readonly CodeView[];
}

/** A word of the code that the hypervisor generated, as it lies in the machine's memory. */
export interface ListedWord {
  readonly address: number;
  readonly word: number;
  readonly text: string;
  /** What its generator says of it. */
  readonly comment: string;
  /** The label that it comes behind. */
  readonly label: string;
}

/** A part of that code. */
export interface ListedPart {
  readonly part: CodePart;
  readonly words: readonly ListedWord[];
}

/** An instruction that the machine executed on the way from a miss to its retry. */
export interface MissStep {
  readonly address: number;
  /** Null if the guest's instruction cannot be read, since its page is missed as well. */
  readonly word: number | null;
  readonly text: string;
  /** The part of the generated code; "guest" for an instruction of the guest's. */
  readonly part: CodePart | "guest";
  /** The exit, by cause, that was taken behind it. */
  readonly exit?: string;
}

/** How a miss was settled: within the machine by generated code, or with an exit. */
export type MissWay = "fast" | "slow";

/** A miss of the host TLB by the guest. */
export interface Miss {
  readonly way: MissWay;
  /** Guest time of it, in ticks. */
  readonly time: number;
  readonly address: number;
  /** The guest's instruction. */
  readonly pc: number;
  readonly access: AccessKind;
  /** From the refill vector to the guest's next instruction, that one included. */
  readonly steps: readonly MissStep[];
}

/** What the worker tells. */
export type Report =
  /** `hypervisor`: the guest is under one, and not on the machine itself. `settings` are those that it has. */
  | { readonly kind: "started"; readonly hypervisor: boolean; readonly settings: Settings }
  /**
   * The guest that was asked for cannot be: its configuration cannot work, its state is damaged, or there is no memory
   * for it. One line. The guest that there was, if there was one, goes on.
   */
  | { readonly kind: "refused"; readonly setting: string | null; readonly message: string }
  | { readonly kind: "console"; readonly bytes: Uint8Array }
  /** Of a halt behind the sample and the views of that moment. */
  | { readonly kind: "state"; readonly state: RunState }
  /** Several times a second while the guest runs, and whenever it has come to a halt. */
  | { readonly kind: "sample"; readonly sample: Sample }
  /** With each sample, and when the page looks at something else; seldom enough to leave the guest most of the time. */
  | { readonly kind: "views"; readonly views: Views }
  /** The state of the guest as a packed file, which `kseg run --restore` takes as well. */
  | { readonly kind: "saved"; readonly snapshot: Uint8Array }
  /** The generated code in which misses are followed; comes before the first of them. */
  | { readonly kind: "listing"; readonly parts: readonly ListedPart[] }
  /** A miss that was followed. */
  | { readonly kind: "miss"; readonly miss: Miss };

/**
 * One side's end of the connection: a `Worker`, the worker's own global object, or a `MessagePort`. What comes is what
 * the other side sends.
 */
export interface Port<Out> {
  postMessage(message: Out): void;
  onmessage: ((event: never) => void) | null;
}

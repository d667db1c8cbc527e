import type { Inspection } from "./inspect/views.ts";
import type { DeviceConfig } from "./device.ts";
import type { DebugStop, DebugView } from "./debug.ts";
import type { Tracer } from "./kvm/trace.ts";
import type { CpuModel } from "./machine/cpu-models.ts";
import type { Stats } from "./stats.ts";

/** How a guest is run: under the hypervisor, or directly on the machine. */
export type Mode = "te" | "bare";

/** Everything that makes a guest: what `createGuest` takes. */
export interface GuestConfig {
  /** The kernel: a 32-bit MIPS ELF executable, its byte order decides the machine's. */
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  /** Kernel command line. */
  readonly append?: string;
  /** Guest memory in bytes; default 256 MiB. */
  readonly memory?: number;
  /** Default "te". */
  readonly mode?: Mode;
  /**
   * The machine's CPU: a name from `CPU_MODELS`, or a model of your own, which is one of those with another name and
   * other features. Default "24Kc".
   */
  readonly hostCpu?: string | CpuModel;
  /** Host CPUs that the guest can be run on by turns (see {@link Guest.run}), 1 to 8; default 1. */
  readonly hostCpus?: number;
  /** Geometry of the host's page tables in bytes; default 4096. */
  readonly hostPageSize?: 4096 | 16384;
  /**
   * "auto" translates what is executed often to WebAssembly, "jit" everything that is executed twice (for comparisons:
   * it takes longer), "interp" interprets everything. What the guest does is the same. Default "auto".
   */
  readonly engine?: "auto" | "jit" | "interp";
  /** "slow" turns the generated refill handler off. Default "fast". */
  readonly refill?: "fast" | "slow";
  /** Guest ASIDs whose page tables the hypervisor keeps, 1 to 64; default 8. 1 is the original system's way. */
  readonly gvaRoots?: number;
  /** "off": every trap of the guest leaves the machine, none is settled by generated code. Default "on". */
  readonly fastExits?: "on" | "off";
  /**
   * Dynamic translation, the original system's way to save traps. "on": instructions of the guest's kernel are replaced
   * in its memory, and its kernel finds its CP0 registers there as well, as a page that hides what its TLB maps.
   * Default "off".
   */
  readonly dyntrans?: "on" | "off";
  /** Entries of the TLB that a guest under the hypervisor sees: 64, 128 … 4096; default 512. */
  readonly guestTlb?: 64 | 128 | 256 | 512 | 1024 | 2048 | 4096;
  /** "on": a guest under the hypervisor has an FPU, the host's, which must have one. Default "off". */
  readonly guestFpu?: "on" | "off";
  /** Default "virtual". */
  readonly clock?: "virtual" | "wall";
  /**
   * Milliseconds of real time, never going back (`performance.now`); needed for the wall clock. It is read in the
   * middle of a run: what it throws, `run` throws, and the guest cannot go on.
   */
  readonly now?: () => number;
  /**
   * Takes what the guest prints on its serial console, in order. It is called during `run`, while the machine
   * stands still: it may call everything of the guest but `run`. What it throws, `run` throws; the guest can be
   * run on.
   */
  readonly onConsole: (bytes: Uint8Array) => void;
  /**
   * Takes what the guest sends on the board's other serial ports, 1 and 2 (ttyS1 and ttyS2 in Linux), under the rules of
   * {@link onConsole}; without it that is dropped. They never receive anything.
   */
  readonly onSerial?: (port: 1 | 2, bytes: Uint8Array) => void;
  /** Devices that are added to the board. A guest that is restored is given the same ones again. */
  readonly devices?: readonly DeviceConfig[];
  /** Told of what the hypervisor does, as it happens. It may look ({@link Guest.inspect}) and call nothing else. */
  readonly tracer?: Tracer;
  /** Checks the hypervisor's invariants after every exit. */
  readonly checkInvariants?: boolean;
  /** Keeps which pages the last refills of a guest under the hypervisor were for, which `Inspection.gvaMap` shows. */
  readonly refillLog?: boolean;
}

/** Why `Guest.run` came back. */
export type RunResult =
  /** The time asked for has passed. */
  | { readonly kind: "running" }
  /**
   * The guest waits. Under the wall clock a timer is `milliseconds` away; under the virtual clock waiting for one
   * takes no time and is "running". Infinity under either: the interrupts that the guest has enabled leave input
   * as the only thing that can wake it.
   */
  | { readonly kind: "idle"; readonly milliseconds: number }
  /** The guest turned the machine off, or asked for a reset. */
  | { readonly kind: "off"; readonly how: "power-off" | "reset" }
  /**
   * The guest or its VM cannot go on (a guest that waits with all interrupts disabled among them); `report` says
   * why, in a screenful of text.
   */
  | { readonly kind: "failed"; readonly report: string }
  /**
   * A breakpoint or watchpoint of `Guest.debug` was met, or a step ended: the program in view stands in front of the
   * instruction at its `pc`. Running again executes it.
   */
  | { readonly kind: "debug"; readonly view: DebugView["name"]; readonly stop: DebugStop };

/** A machine with a guest in it. */
export interface Guest {
  /**
   * Runs for `ticks` of guest time (`TICKS_PER_SECOND`), or until something happens. Never blocks. The guest goes on
   * on host CPU `hostCpu` (the first is 0), by default on the one that it was on. It does not notice when it comes to
   * another one: it does the same at the same times. Throws RangeError if `ticks` is no positive number or there is no
   * such host CPU, {@link GuestBusyError} in a callback of the same guest, and {@link GuestConfigError} if the
   * configuration's `now` gives no time.
   */
  run(ticks: number, hostCpu?: number): RunResult;
  /** Makes a `run` that is under way (called in a console callback, that is) come back. Otherwise does nothing. */
  stop(): void;
  /** Queues a copy of console input; the guest gets it when it can take it. Throws TypeError. */
  sendInput(bytes: Uint8Array): void;
  /** Guest time that has passed, in ticks. */
  readonly time: number;
  /** Input that the guest has not taken yet, in bytes. */
  readonly inputPending: number;
  /** The guest, for a debugger. */
  readonly debug: DebugView;
  /** The machine under the hypervisor, for a debugger; null if the guest is on the machine itself. */
  readonly hostDebug: DebugView | null;
  /**
   * The whole state of the guest and what it runs on, for `restoreGuest`. Equal states give equal bytes, and the guest
   * does not notice. It can be called between two runs and in a console callback. Throws {@link GuestBusyError} where
   * the embedder's clock is read, SnapshotError after {@link destroy}, and of a guest on which `run` has thrown.
   */
  save(): Uint8Array;
  /** A hash of what {@link save} gives, 8 hexadecimal digits: equal states have equal ones. Throws what it throws. */
  hash(): string;
  /** What has happened so far. `seconds` is left to the caller: the core knows no real time. */
  stats(): Stats;
  /**
   * What can be seen of the guest, as it is whenever a view is taken; taking one changes nothing. Not to be used
   * once the guest was destroyed.
   */
  inspect(): Inspection;
  /**
   * Pulls the plug, and gives everything back: a `run` that is under way and all later ones return "off", unless
   * the guest had come to another end. Input is dropped from now on. Can be called at any time, and again.
   */
  destroy(): void;
}

/** The configuration cannot work: `message` is one line that says what is wrong and how to mend it. */
export class GuestConfigError extends Error {
  /** The setting that it is about: one of {@link GuestConfig}, or a name that none has. */
  readonly setting: string;

  constructor(setting: string, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.name = "GuestConfigError";
    this.setting = setting;
  }
}

/** `run` was called during a `run` of the same guest: in one of its callbacks. */
export class GuestBusyError extends Error {
  constructor() {
    super("the guest is running: run it on when run has come back");
    this.name = "GuestBusyError";
  }
}

/** Throws RangeError unless `ticks` is a time to run for: any other would never pass. */
export function checkTicks(ticks: number): void {
  if (typeof ticks !== "number" || !(ticks > 0))
    throw new RangeError(`cannot run for ${String(ticks)} ticks: give a positive number`);
}

/** Throws RangeError if `hostCpu` is given and the host, which has `hostCpus`, has no such CPU. */
export function checkHostCpu(hostCpu: number | undefined, hostCpus: number): void {
  if (hostCpu !== undefined && !(Number.isInteger(hostCpu) && hostCpu >= 0 && hostCpu < hostCpus))
    throw new RangeError(`cannot run on host CPU ${String(hostCpu)}: give a whole number below ${hostCpus}`);
}

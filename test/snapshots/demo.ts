/** The demo guest, run in slices that end at random moments. */
import { readFileSync } from "node:fs";
import type { GuestConfig, RunResult, Stats } from "../../src/index.ts";
import { createMachineGuest, restoreMachineGuest } from "../../src/vmm/create-guest.ts";
import type { MachineGuest } from "../../src/vmm/machine-guest.ts";
import { demoFile } from "../cli/kseg.ts";
import { Random } from "../fuzz/random.ts";

/** A configuration of the demo guest; `file` is another image than the mode's own. */
export type DemoConfig = Omit<Partial<GuestConfig>, "kernel" | "onConsole"> & { readonly file?: string };

/** The demo guest with `config`. */
export function demo({ file, ...config }: DemoConfig): Omit<GuestConfig, "onConsole"> {
  const image = file ?? (config.mode === "bare" ? "demo-bare.elf" : "demo-te.elf");
  return { memory: 16 << 20, ...config, kernel: readFileSync(demoFile(image)) };
}

/** How a run ended, and with what. */
export interface Outcome {
  readonly result: RunResult;
  readonly console: string;
  /** Ticks. */
  readonly time: number;
  readonly stats: Stats;
  readonly hash: string;
}

/** What is done between two slices. Returns the guest that is to go on. */
export type Between = (guest: MachineGuest, host: Host) => MachineGuest;

/** Where guests print, and what of it counts. */
export interface Host {
  /** Another one than that of the slices. */
  readonly random: Random;
  /** Guests print in vain while `action` is carried out. */
  readonly muted: (action: () => void) => void;
  /** Another guest in the place of this one. */
  readonly restore: (snapshot: Uint8Array) => MachineGuest;
}

/** Most ticks of a slice, and where random numbers come from. */
export interface Slices {
  readonly longest: number;
  readonly seed: number;
}

/** Runs the demo guest with this input to its end. Without `slices` nobody stops it before. */
export function runDemo(
  config: DemoConfig,
  input: string,
  slices: Slices | null,
  between: Between = (guest) => guest,
): Outcome {
  let console = "";
  let isMuted = false;
  const onConsole = (bytes: Uint8Array): void => {
    if (!isMuted) console += Buffer.from(bytes).toString("latin1");
  };
  const random = new Random(slices?.seed ?? 0, 0);
  const { engine = "auto" } = config;
  const host: Host = {
    random: new Random(slices?.seed ?? 0, 1),
    muted: (action) => {
      isMuted = true;
      action();
      isMuted = false;
    },
    restore: (snapshot) => restoreMachineGuest(snapshot, { onConsole, engine }),
  };
  let guest = createMachineGuest({ ...demo(config), onConsole });
  guest.sendInput(Buffer.from(input));
  const ticks = (): number => (slices === null ? Infinity : 1 + random.below(slices.longest));
  const cpus = config.hostCpus ?? 1;
  for (let slice = 0; ; slice++) {
    const result = guest.run(ticks(), slice % cpus);
    if (result.kind !== "running")
      return { result, console, time: guest.time, stats: guest.stats(), hash: guest.hash() };
    guest = between(guest, host);
  }
}

/** Guests that are run in slices, each on the next host CPU. */
import { createGuest, type GuestConfig, type Stats } from "../src/index.ts";

export interface SlicedRun {
  readonly console: string;
  /** Guest time at the end, in ticks. */
  readonly time: number;
  readonly slices: number;
  readonly stats: Stats;
}

/** Runs a guest to its power-off, in slices of `ticks`, by turns on all CPUs of its host. */
export function runBySlices(config: Omit<GuestConfig, "onConsole">, input: string, ticks: number): SlicedRun {
  let console = "";
  const guest = createGuest({
    ...config,
    onConsole: (bytes) => (console += Buffer.from(bytes).toString("latin1")),
  });
  guest.sendInput(Buffer.from(input));
  const cpus = config.hostCpus ?? 1;
  let slices = 0;
  let result = guest.run(ticks, 0);
  while (result.kind === "running") result = guest.run(ticks, ++slices % cpus);
  if (result.kind !== "off")
    throw new Error(`the guest ends as ${JSON.stringify(result)}\n${console.slice(-2000)}`);
  const outcome = { console, time: guest.time, slices, stats: guest.stats() };
  guest.destroy();
  return outcome;
}

/** What a guest does, without what migrating adds by itself: exits by force, and refills of another host TLB. */
export function besidesMigration(stats: Stats): unknown {
  const { instructions: _, refills: _r, hostTlbWrites: _w, exits, counters, ...rest } = stats;
  const { interrupt: _e, ...otherExits } = exits;
  const { interrupt: _i, signal: _s, ...otherCounters } = counters;
  return { ...rest, exits: otherExits, counters: otherCounters };
}

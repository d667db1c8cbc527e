/** Which pages the maps of GVA tables say were refilled last, held against the refills of a traced run. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  createGuest,
  createTimeTravel,
  type Guest,
  type GuestConfig,
  type RootView,
} from "../../src/index.ts";
import { demoFile } from "../cli/kseg.ts";

/** Refills that are kept. */
const KEPT = 1024;
const EVERYTHING = [0, 0xffff_ffff] as const;
const BUCKET = 2 ** 22;
const kernel = readFileSync(demoFile("demo-te.elf"));
const input = new TextEncoder().encode("touch 40 4000\nchurn 200\nasid 60 8\n");
const BASE = { kernel, memory: 64 << 20, onConsole() {} } as const;

/** A root under a host ASID. */
const nameOf = ({ mode, guestAsid, hostAsid }: RootView): string => `${mode} ${guestAsid} as ${hostAsid}`;

interface Refill {
  readonly va: number;
  /** The root that was walked. */
  readonly root: string;
}

/** Runs up to tick `time`. */
function runTo(guest: Guest, time: number): void {
  while (guest.time < time) guest.run(time - guest.time);
}

/** A guest whose refills a tracer notes. */
function traced(config: Partial<GuestConfig>): { guest: Guest; refills: Refill[] } {
  const refills: Refill[] = [];
  const guest: Guest = createGuest({
    ...{ ...BASE, ...config },
    tracer: {
      // Whose the host ASID is can be told at that moment only.
      kseg_refill: (_pc, va) => {
        const inspection = guest.inspect();
        const asid = inspection.hostCp0().find(({ name }) => name === "EntryHi")!.value & 0xff;
        const root = inspection.roots().find(({ hostAsid }) => hostAsid === asid);
        refills.push({ va, root: root === undefined ? "none" : nameOf(root) });
      },
    },
  });
  return { guest, refills };
}

/** For each bucket of a root, the refills since the last one there. */
function expected(refills: readonly Refill[], root: string): number[] {
  const found = new Array<number>(2 ** 32 / BUCKET).fill(-1);
  const last = refills.slice(-KEPT).toReversed();
  for (const [ago, refill] of last.entries())
    if (refill.root === root) {
      const bucket = Math.floor(refill.va / BUCKET);
      if (found[bucket] === -1) found[bucket] = ago;
    }
  return found;
}

/** What the maps of all roots say, by root. */
const shown = (guest: Guest): Map<string, readonly number[]> => {
  const inspection = guest.inspect();
  return new Map(
    inspection
      .roots()
      .map((root) => [nameOf(root), inspection.gvaMap(root, ...EVERYTHING, BUCKET)!.refilled]),
  );
};

test.each<Partial<GuestConfig>>([{}, { engine: "interp" }, { refill: "slow", gvaRoots: 2 }])(
  "the last refills are those of a trace, with %j",
  (config) => {
    const guest = createGuest({ ...BASE, ...config, refillLog: true });
    const twin = traced(config);
    for (const each of [guest, twin.guest]) each.sendInput(input);
    for (let time = 4_000_000; time <= 7_000_000; time += 100_000) {
      for (const each of [guest, twin.guest]) runTo(each, time);
      const maps = shown(guest);
      expect([...maps.keys()]).toEqual(twin.guest.inspect().roots().map(nameOf));
      for (const [root, refilled] of maps) expect(refilled, root).toEqual(expected(twin.refills, root));
      expect([...maps.values()].some((refilled) => refilled.includes(0))).toBe(true);
    }
    expect(guest.stats()).toEqual(twin.guest.stats());
  },
);

test("a guest that was turned back shows what it showed there", () => {
  const guest = createTimeTravel({ ...BASE, refillLog: true }, { interval: 500_000 });
  guest.sendInput(input);
  runTo(guest, 6_000_000);
  const then = { moment: guest.moment, maps: shown(guest) };
  runTo(guest, 7_000_000);
  guest.goTo(then.moment.instructions);
  expect(guest.moment).toEqual(then.moment);
  expect(shown(guest)).toEqual(then.maps);
});

test("without the log nothing is said", () => {
  const guest = createGuest(BASE);
  runTo(guest, 1_000_000);
  for (const refilled of shown(guest).values()) expect(refilled.every((ago) => ago === -1)).toBe(true);
});

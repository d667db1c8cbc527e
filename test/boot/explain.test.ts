/** What `explain` says of Linux's next instructions, at many moments of a boot and of programs under it. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createGuest, type GuestConfig } from "../../src/index.ts";
import { Random } from "../fuzz/random.ts";
import { guestSubject, Predictor } from "../inspect/prediction.ts";
import { cachedGuest } from "./run-guest.ts";

const COMMANDS = "i=0; while [ $i -lt 20 ]; do /bin/busybox true; i=$((i+1)); done\npoweroff\n";
/** Moments that are looked at, and instructions at each. */
const STOPS = 1500;
const STEPS = 20;

const KERNEL = ["kernel fetch hit", "kernel load hit", "kernel store hit"];
const BOTH = [...KERNEL, "kernel load refill", "user fetch hit", "user load hit"];
/** Guests, and what must be among the accesses; Debian takes too long to come to its programs. */
const KINDS: readonly (readonly [
  Parameters<typeof cachedGuest>[0],
  Partial<GuestConfig>,
  readonly string[],
])[] = [
  ["kvm-linux-4k", {}, BOTH],
  ["kvm-linux-16k", { hostPageSize: 16384 }, BOTH],
  // With its FTLB the host's TLB hardly ever misses.
  ["debian", { mode: "te", hostCpu: "P5600" }, KERNEL],
  ["debian", { mode: "bare" }, KERNEL],
];

for (const [name, config, expected] of KINDS) {
  const found = await cachedGuest(name);
  describe.skipIf(found.paths === undefined)(`${name} ${JSON.stringify(config)}`, () => {
    test("does what is foretold", () => {
      const { kernel, initrd, append } = found.paths!;
      const guest = createGuest({
        kernel: readFileSync(kernel),
        initrd: readFileSync(initrd),
        append,
        ...config,
        onConsole: () => {},
      });
      guest.sendInput(new TextEncoder().encode(COMMANDS));
      const predictor = new Predictor(guestSubject(guest));
      const random = new Random(1, 79);
      for (let stop = 0; stop < STOPS; stop++) {
        if (guest.run(random.between(1, 800_000)).kind !== "running") break;
        for (let n = 0; n < STEPS; n++) if (!predictor.step()) break;
      }
      guest.destroy();
      const { compared, exact, more, seen } = predictor;
      expect(compared).toBeGreaterThan(3000);
      expect(more).toBeLessThan(exact / 50);
      for (const what of expected) expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
    });
  });
}

/**
 * Kernels that nobody wrote for kseg, to a shell and back. They come from the cache (docs/guests.md); what
 * is not there is skipped and said so.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { cachedGuest, exactStats, type GuestRun, runGuest } from "./run-guest.ts";

const COMMANDS = "echo six times seven is $((6*7))\ncat /proc/cpuinfo\nuname -m\npoweroff\n";
const READY = "kseg: shell ready";

/** Guest, how it is linked in words, and the host page sizes it runs on. */
const CASES = [
  { guest: "debian", hostPages: ["4k"] },
  { guest: "kvm-linux-4k", hostPages: ["4k"] },
  { guest: "kvm-linux-16k", hostPages: ["4k", "16k"] },
] as const;

const stock = await cachedGuest("debian");
describe.skipIf(stock.paths === undefined)("debian under trap and emulate on a host with EVA", () => {
  test("boots to a shell in which commands work, starts processes, and powers off with status 0", async () => {
    const forks =
      "i=0; while [ $i -lt 100 ]; do /bin/busybox true || echo failed; i=$((i+1)); done; echo done $i\n";
    const run = await runGuest({ ...stock.paths!, mode: "te" }, ["--host-cpu", "P5600"], forks + COMMANDS);
    const { console: text, status, errors } = run;
    expect(text.slice(-3000)).toContain("Power down");
    expect(text).toMatch(/^done 100\r?$/m);
    expect(text).not.toMatch(/^failed\r?$/m);
    expect(text).toMatch(/^six times seven is 42\r?$/m);
    expect(text).toMatch(/^cpu model\s*: MIPS 24Kc/m);
    expect(run.stats.refills.fast).toBeGreaterThan(1000);
    expect(status, errors).toBe(0);
  });
});

for (const { guest, hostPages } of CASES) {
  const found = await cachedGuest(guest);
  for (const size of hostPages) {
    describe.skipIf(found.paths === undefined)(`${guest} on ${size} host pages`, () => {
      const flags = guest === "debian" ? [] : ["--host-page-size", size];
      let first: GuestRun;
      beforeAll(async () => {
        first = await runGuest(found.paths!, flags, COMMANDS);
      });

      test("boots to a shell in which commands work, and powers off with status 0", () => {
        const { console: text, status, errors } = first;
        expect(text.slice(-3000)).toContain("Power down");
        expect(text).toContain(READY);
        expect(text).toMatch(/^six times seven is 42\r?$/m);
        expect(text).toMatch(/^cpu model\s*: MIPS 24Kc/m);
        expect(text).toMatch(/^mips\r?$/m);
        expect(status, errors).toBe(0);
      });

      test("does exactly the same when run again with the same input", async () => {
        const second = await runGuest(found.paths!, flags, COMMANDS);
        expect(second.console).toBe(first.console);
        expect(exactStats(second)).toEqual(exactStats(first));
        expect(first.stats.guestInstructions).toBeGreaterThan(10_000_000);
      });

      // Under the hypervisor only: a bare guest refills its own TLB.
      const otherRefills = guest === "debian" ? [] : ["slow"];
      for (const refill of otherRefills)
        test("prints the same when every TLB miss exits", async () => {
          const slow = await runGuest(found.paths!, [...flags, "--refill", refill], COMMANDS);
          expect(slow.console).toBe(first.console);
          expect(slow.status).toBe(0);
          expect(slow.stats.guestInstructions).toBe(first.stats.guestInstructions);
          expect(slow.stats.refills.fast).toBe(0);
          expect(slow.stats.refills.slow).toBeGreaterThan(1000);
          expect(first.stats.refills.slow).toBe(0);
          expect(first.stats.refills.fast).toBeGreaterThan(1000);
        });

      test("stops with status 0 as soon as the console matches --exit-on", async () => {
        const run = await runGuest(found.paths!, [...flags, "--exit-on", READY]);
        expect(run.console).toContain(READY);
        expect(run.status, run.errors).toBe(0);
        expect(run.stats.instructions).toBeLessThan(first.stats.instructions);
      });
    });
  }
}

/** Traces of real kernels: what a protobuf library reads of them is what was counted. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Stats } from "../../src/index.ts";
import { readEvents, type ReadEvent } from "../inspect/perfetto-schema.ts";
import { countsIn, countsOf } from "../inspect/trace-counts.ts";
import { cachedGuest, exactStats, runGuest, type GuestRun } from "./run-guest.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-trace-"));
afterAll(() => rmSync(folder, { recursive: true }));

const linux = await cachedGuest("kvm-linux-16k");
describe.skipIf(linux.paths === undefined)("a boot of kvm-linux-16k", () => {
  const traced = (name: string): Promise<GuestRun> =>
    runGuest(linux.paths!, ["--trace", join(folder, name)], "ls /\npoweroff\n");
  const statsOf = (run: GuestRun): Stats => exactStats(run) as unknown as Stats;
  let perfetto: GuestRun;

  test("tells all that is counted, event by event", async () => {
    perfetto = await traced("boot.perfetto");
    expect(perfetto.status).toBe(0);
    const stats = statsOf(perfetto);
    let last = 0;
    function* inOrder(events: Iterable<ReadEvent>): Iterable<ReadEvent> {
      for (const event of events) {
        if (event.timestamp < last) throw new Error(`time goes back at ${event.timestamp}`);
        last = event.timestamp;
        yield event;
      }
    }
    expect(countsIn(inOrder(readEvents(readFileSync(join(folder, "boot.perfetto")))))).toEqual(
      countsOf(stats),
    );
    expect(stats.refills.fast).toBeGreaterThan(100_000);
    expect(stats.exits["cop_unusable"]).toBeGreaterThan(1000);
  });

  test("tells the same as ftrace's text, and a run without a trace counts the same", async () => {
    const run = await traced("boot.ftrace");
    const plain = await runGuest(linux.paths!, [], "ls /\npoweroff\n");
    for (const other of [perfetto, plain]) {
      expect(exactStats(other)).toEqual(exactStats(run));
      expect(other.console).toBe(run.console);
    }
    const stats = statsOf(run);
    const counts = { kseg_refill: 0, kseg_slow_refill: 0, kvm_asid_change: 0 };
    let causes = 0;
    for (const [, name, rest] of readFileSync(join(folder, "boot.ftrace"), "latin1").matchAll(
      /^ +vcpu-1 +\[000\] \.{5} +\d+\.\d{9}: (\w+): (.*)$/gm,
    )) {
      if (name! in counts) counts[name as keyof typeof counts]++;
      if (name === "kvm_exit" && !/^\[(WAIT|CACHE|Signal)\]/i.test(rest!)) causes++;
    }
    const { refills, asidChanges, exits } = stats;
    expect(counts).toEqual({
      kseg_refill: refills.fast,
      kseg_slow_refill: refills.slow,
      kvm_asid_change: asidChanges,
    });
    expect(causes).toBe(Object.values(exits).reduce((sum, count) => sum + count, 0));
  });
});

import { describe, expect, it } from "vitest";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { ticksFor } from "./cycles.ts";
import { PIT_HZ, Pit8254 } from "./i8254.ts";
import { Port61 } from "./port61.ts";
import { TestTimeline } from "./test-timeline.ts";

function setUp() {
  const timeline = new TestTimeline();
  const edges: { rising: number[]; level: boolean } = { rising: [], level: false };
  const pit = new Pit8254({
    timeline,
    name: "pit",
    output: (level) => {
      if (level && !edges.level) edges.rising.push(timeline.now());
      edges.level = level;
    },
  });
  return { timeline, edges, pit };
}

function load(pit: Pit8254, counter: number, mode: number, count: number): void {
  pit.writePort(3, (counter << 6) | 0x30 | (mode << 1));
  pit.writePort(counter, count & 0xff);
  pit.writePort(counter, count >>> 8);
}

function read(pit: Pit8254, counter: number): number {
  pit.writePort(3, counter << 6);
  const low = pit.readPort(counter);
  return low | (pit.readPort(counter) << 8);
}

describe("Pit8254", () => {
  it("interrupts at HZ in mode 2", () => {
    const { timeline, edges, pit } = setUp();
    load(pit, 0, 2, Math.round(PIT_HZ / 100));
    edges.rising.length = 0;
    // 100 periods of 11,932 cycles are 18 cycles more than a second.
    timeline.pass(TICKS_PER_SECOND + 4000);
    expect(edges.rising).toHaveLength(100);
    expect(edges.rising[0]).toBe(ticksFor(11_932, PIT_HZ));
    expect(edges.level).toBe(true);
  });

  it("stays exact for hours", () => {
    const { timeline, pit } = setUp();
    load(pit, 2, 2, 1000);
    new Port61(pit, timeline).writePort(0, 1);
    timeline.pass(TICKS_PER_SECOND * 36_000);
    expect(read(pit, 2)).toBe(1000 - ((36_000 * PIT_HZ) % 1000));
  });

  it("counts down from what was loaded, and latches", () => {
    const { timeline, pit } = setUp();
    load(pit, 0, 2, 5000);
    timeline.pass(ticksFor(1200, PIT_HZ));
    pit.writePort(3, 0);
    timeline.pass(ticksFor(100, PIT_HZ));
    expect(pit.readPort(0) | (pit.readPort(0) << 8)).toBe(3800);
    expect(pit.readPort(0) | (pit.readPort(0) << 8)).toBe(3700);
  });

  it("interrupts once in mode 0, also when stopped by a count of zero", () => {
    const { timeline, edges, pit } = setUp();
    load(pit, 0, 0, 1000);
    expect(edges.level).toBe(false);
    timeline.pass(ticksFor(999, PIT_HZ));
    expect(edges.level).toBe(false);
    timeline.pass(TICKS_PER_SECOND);
    expect(edges.rising).toHaveLength(1);
    load(pit, 0, 0, 0);
    expect(edges.level).toBe(false);
    expect(read(pit, 0)).toBe(0);
    timeline.pass(ticksFor(0x1_0000, PIT_HZ));
    expect(edges.rising).toHaveLength(2);
    expect(timeline.untilNextTimer()).toBe(Infinity);
  });

  it("makes a square wave in mode 3", () => {
    const { timeline, edges, pit } = setUp();
    load(pit, 0, 3, 1001);
    edges.rising.length = 0;
    timeline.pass(ticksFor(501, PIT_HZ) - 1);
    expect(edges.level).toBe(true);
    timeline.pass(1);
    expect(edges.level).toBe(false);
    timeline.pass(ticksFor(1001 * 10, PIT_HZ) - timeline.now());
    expect(edges.rising).toHaveLength(10);
    expect(read(pit, 0) & 1).toBe(0);
  });

  it("strobes in mode 4", () => {
    const { timeline, edges, pit } = setUp();
    load(pit, 0, 4, 10);
    edges.rising.length = 0;
    timeline.pass(TICKS_PER_SECOND);
    expect(edges.rising).toHaveLength(1);
  });

  it("reads back status and count, status first", () => {
    const { timeline, pit } = setUp();
    pit.writePort(3, 0x34);
    pit.writePort(3, 0xe2);
    expect(pit.readPort(0)).toBe(0xf4);
    load(pit, 0, 2, 500);
    timeline.pass(ticksFor(100, PIT_HZ));
    pit.writePort(3, 0xc2);
    expect(pit.readPort(0)).toBe(0xb4);
    expect(pit.readPort(0) | (pit.readPort(0) << 8)).toBe(400);
  });

  it("moves single bytes in the single-byte access modes, and counts in BCD", () => {
    const { timeline, pit } = setUp();
    pit.writePort(3, 0x14);
    pit.writePort(0, 200);
    timeline.pass(ticksFor(10, PIT_HZ));
    expect([pit.readPort(0), pit.readPort(0)]).toEqual([190, 190]);
    pit.writePort(3, 0x24);
    pit.writePort(0, 2);
    timeline.pass(ticksFor(10, PIT_HZ));
    expect(pit.readPort(0)).toBe(1);
    pit.writePort(3, 0x35);
    pit.writePort(0, 0);
    pit.writePort(0, 0x10);
    timeline.pass(ticksFor(1, PIT_HZ));
    expect(pit.readPort(0) | (pit.readPort(0) << 8)).toBe(0x999);
  });

  it("calibrates through the gate and output of counter 2 at port 61h", () => {
    const { timeline, pit } = setUp();
    const port = new Port61(pit, timeline);
    port.writePort(0, 1);
    load(pit, 2, 0, 59_659);
    timeline.pass(TICKS_PER_SECOND / 20 - 400);
    expect(port.readPort() & 0x21).toBe(0x01);
    timeline.pass(400);
    expect(port.readPort() & 0x21).toBe(0x21);
    const refresh = port.readPort() & 0x10;
    timeline.pass(TICKS_PER_SECOND / 66_288);
    expect(port.readPort() & 0x10).not.toBe(refresh);
  });

  it("holds the count while the gate is down", () => {
    const { timeline, pit } = setUp();
    const port = new Port61(pit, timeline);
    port.writePort(0, 1);
    load(pit, 2, 0, 1000);
    timeline.pass(ticksFor(300, PIT_HZ));
    port.writePort(0, 0);
    timeline.pass(TICKS_PER_SECOND);
    expect(read(pit, 2)).toBe(700);
    port.writePort(0, 1);
    timeline.pass(ticksFor(300, PIT_HZ));
    expect(read(pit, 2)).toBe(400);
  });

  it("goes on from a snapshot", () => {
    const { timeline, pit } = setUp();
    load(pit, 0, 2, 5000);
    timeline.pass(ticksFor(1200, PIT_HZ));
    const saved = JSON.parse(JSON.stringify(pit.snapshot()));
    load(pit, 0, 2, 99);
    pit.restore(saved);
    expect(read(pit, 0)).toBe(3800);
  });
});

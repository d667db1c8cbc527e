import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CAUSE, CP0 } from "../isa/cp0.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { TimerValueError } from "./errors.ts";
import { COUNT_CTL_DC, CountRate, CountTimer, MAX_COUNT_HZ } from "./timer.ts";

/** A timer with a clock that is moved by hand; fires on the way. */
class Bench {
  readonly cp0 = new Int32Array(256);
  time = 0;
  armed: number | null = null;
  /** Moments at which the timer interrupt was raised, and whether it is now. */
  readonly raised: number[] = [];
  level = false;
  readonly timer: CountTimer;

  constructor(start = 0) {
    this.time = start;
    const alarm = {
      now: () => this.time,
      schedule: (when: number) => void (this.armed = when),
      cancel: () => void (this.armed = null),
    };
    this.timer = new CountTimer(alarm, this.cp0, (level) => {
      if (level) this.raised.push(this.time);
      this.level = level;
    });
  }

  /** Lets time pass; with `deaf` the alarm does not ring on the way. */
  to(when: number, deaf = false): void {
    while (!deaf && this.armed !== null && this.armed <= when) {
      this.time = this.armed;
      this.armed = null;
      this.timer.expire();
    }
    this.time = when;
  }
}

describe("Count's rate", () => {
  const hz = fc.integer({ min: 1, max: MAX_COUNT_HZ });
  const ticks = fc.integer({ min: 0, max: 10_000 * TICKS_PER_SECOND });

  test("counts and ticks are exact, rounded down and up", () => {
    fc.assert(
      fc.property(hz, ticks, (frequency, time) => {
        const rate = new CountRate(frequency);
        const counts = rate.counts(time);
        const exact = (BigInt(time) * BigInt(frequency)) / BigInt(TICKS_PER_SECOND);
        expect(BigInt(counts)).toBe(exact);
        const first = rate.ticks(counts);
        expect(first).toBeLessThanOrEqual(time);
        expect(rate.counts(first)).toBe(counts);
        if (first > 0) expect(rate.counts(first - 1)).toBeLessThan(counts);
      }),
    );
  });
});

describe("Count and Compare", () => {
  test("the interrupt comes at the tick at which they are equal, and once a turn after that", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.constantFrom(100_000_000, 33_333_333, 1000),
        (start, count, compare, hz) => {
          const bench = new Bench(start);
          bench.timer.countHz = hz;
          bench.timer.setCount(count | 0);
          bench.timer.setCompare(compare | 0);
          const distance = (compare - count) >>> 0 || 2 ** 32;
          bench.to(bench.armed!);
          expect(bench.raised).toEqual([bench.time]);
          expect(bench.timer.count()).toBe(compare);
          const perCount = TICKS_PER_SECOND / hz;
          expect(Math.abs(bench.time - start - distance * perCount)).toBeLessThanOrEqual(perCount + 1);
          const turn = bench.armed! - bench.time;
          expect(Math.abs(turn - 2 ** 32 * perCount)).toBeLessThanOrEqual(perCount + 1);
        },
      ),
    );
  });

  test("reading Count never shows it beyond Compare without the interrupt", () => {
    const bench = new Bench();
    bench.timer.setCompare(100);
    bench.to(199, true);
    expect([bench.timer.count(), bench.level]).toEqual([99, false]);
    bench.to(200, true);
    expect([bench.timer.count(), bench.level]).toEqual([100, true]);
  });

  test("writing Compare acknowledges; written unchanged it does nothing else", () => {
    const bench = new Bench();
    bench.timer.setCompare(100);
    bench.to(250);
    expect(bench.level).toBe(true);
    const armed = bench.armed;
    bench.timer.setCompare(100);
    expect([bench.level, bench.armed]).toEqual([false, armed]);
    bench.timer.setCompare(200);
    expect(bench.armed).toBe(400);
  });

  test("what is due when Compare is written is raised first, and then acknowledged with it", () => {
    const bench = new Bench();
    bench.timer.setCompare(100);
    bench.to(300, true);
    bench.timer.setCompare(1000);
    expect([bench.raised, bench.level]).toEqual([[300], false]);
  });

  test("Cause.DC stops Count where it stands", () => {
    const bench = new Bench();
    bench.timer.setCompare(500);
    bench.to(200);
    bench.timer.causeWritten(CAUSE.DC);
    expect(bench.armed).toBe(null);
    bench.to(5000);
    expect([bench.timer.count(), bench.cp0[CP0.Count], bench.raised]).toEqual([100, 100, []]);
    bench.timer.causeWritten(0);
    expect(bench.timer.count()).toBe(100);
    bench.to(5000 + 799);
    expect(bench.level).toBe(false);
    bench.to(5000 + 800);
    expect([bench.timer.count(), bench.level]).toEqual([500, true]);
  });

  test("Count can be written while it stands", () => {
    const bench = new Bench();
    bench.timer.causeWritten(CAUSE.DC);
    bench.timer.setCount(7);
    bench.to(100);
    expect(bench.timer.count()).toBe(7);
    bench.timer.causeWritten(0);
    bench.to(110);
    expect(bench.timer.count()).toBe(12);
  });
});

describe("what the VMM sees", () => {
  test("COUNT_CTL.DC stops Count; going on lets the time in between pass at once, and loses no interrupt", () => {
    const bench = new Bench();
    bench.timer.setCompare(500);
    bench.to(200);
    bench.timer.countControl = COUNT_CTL_DC;
    expect(bench.timer.countResume).toBe(1000);
    bench.to(2000);
    expect([bench.timer.count(), bench.level]).toEqual([100, false]);
    bench.timer.countControl = 0;
    expect([bench.timer.count(), bench.level]).toEqual([1000, true]);
  });

  test("COUNT_RESUME moves the moment at which Count stopped", () => {
    const bench = new Bench();
    bench.to(1000);
    bench.timer.countControl = COUNT_CTL_DC;
    bench.timer.setCount(0);
    bench.timer.countResume = 4000;
    bench.timer.countControl = 0;
    // 800 ticks were tick 800's Count 0: at tick 1000 it is 100.
    expect(bench.timer.count()).toBe(100);
    expect(() => (bench.timer.countResume = -1)).toThrow(TimerValueError);
    expect(() => (bench.timer.countResume = 1e9)).toThrow(TimerValueError);
  });

  test("a new frequency goes on from the same Count", () => {
    const bench = new Bench();
    bench.to(1000);
    bench.timer.countHz = 50_000_000;
    expect(bench.timer.count()).toBe(500);
    bench.to(1400);
    expect(bench.timer.count()).toBe(600);
    for (const hz of [0, -1, 1.5, 1e9 + 1]) expect(() => (bench.timer.countHz = hz)).toThrow(TimerValueError);
    expect(() => (bench.timer.countControl = 2)).toThrow(TimerValueError);
  });
});

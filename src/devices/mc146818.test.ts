import { describe, expect, it } from "vitest";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { Mc146818 } from "./mc146818.ts";
import { TestTimeline } from "./test-timeline.ts";

const MICROSECOND = TICKS_PER_SECOND / 1_000_000;

function setUp(date?: string) {
  const timeline = new TestTimeline();
  const irq = { level: false, rising: 0 };
  const rtc = new Mc146818({
    timeline,
    name: "rtc",
    interrupt: (level) => {
      if (level && !irq.level) irq.rising++;
      irq.level = level;
    },
    ...(date === undefined ? {} : { startSeconds: Date.parse(date) / 1000 }),
  });
  const read = (register: number): number => {
    rtc.writePort(0, register);
    return rtc.readPort(1);
  };
  const write = (register: number, value: number): void => {
    rtc.writePort(0, register);
    rtc.writePort(1, value);
  };
  const time = (): number[] => [9, 8, 7, 6, 4, 2, 0].map(read);
  return { timeline, irq, rtc, read, write, time };
}

describe("Mc146818", () => {
  it("starts at the beginning of 2020, in BCD and 24 hours, with a valid battery", () => {
    const { read, time } = setUp();
    expect(time()).toEqual([0x20, 1, 1, 4, 0, 0, 0]);
    expect([read(10), read(11), read(13), read(0x32)]).toEqual([0x26, 2, 0x80, 0x20]);
  });

  it.each([
    ["1999-12-31T23:59:59Z", [0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00]],
    ["2024-02-28T23:59:59Z", [0x24, 0x02, 0x29, 5, 0x00, 0x00, 0x00]],
    ["2023-02-28T23:59:59Z", [0x23, 0x03, 0x01, 4, 0x00, 0x00, 0x00]],
    ["2026-11-22T12:34:58Z", [0x26, 0x11, 0x22, 1, 0x12, 0x34, 0x59]],
  ])("counts on from %s", (date, expected) => {
    const { timeline, time } = setUp(date);
    timeline.pass(TICKS_PER_SECOND);
    expect(time()).toEqual(expected);
  });

  it("agrees with Date over long times", () => {
    const { timeline, time } = setUp("2020-01-01T00:00:00Z");
    let now = Date.parse("2020-01-01T00:00:00Z");
    for (const days of [1, 58, 1, 365, 1000, 0.3, 31.7]) {
      timeline.pass(days * 86_400 * TICKS_PER_SECOND);
      now += Math.round(days * 86_400_000);
      const date = new Date(now);
      const decimal = time().map((bcd) => (bcd >> 4) * 10 + (bcd & 15));
      expect(decimal).toEqual([
        date.getUTCFullYear() % 100,
        date.getUTCMonth() + 1,
        date.getUTCDate(),
        date.getUTCDay() + 1,
        date.getUTCHours(),
        date.getUTCMinutes(),
        date.getUTCSeconds(),
      ]);
    }
  });

  it("shows an update in progress for the last 244 us of every second", () => {
    const { timeline, read } = setUp();
    const rises: number[] = [];
    let before = false;
    let high = 0;
    for (let t = 0; t < 3 * TICKS_PER_SECOND; t += 61 * MICROSECOND) {
      const uip = (read(10) & 0x80) !== 0;
      if (uip && !before) rises.push(timeline.now());
      if (uip) high++;
      before = uip;
      timeline.pass(61 * MICROSECOND);
    }
    expect(rises).toHaveLength(3);
    for (const [i, rise] of rises.entries()) {
      const due = (i + 1) * TICKS_PER_SECOND - 244 * MICROSECOND;
      expect(Math.abs(rise - due)).toBeLessThanOrEqual(62 * MICROSECOND);
    }
    expect(high).toBeGreaterThanOrEqual(3 * 3);
    expect(high).toBeLessThanOrEqual(5 * 3);
  });

  it("changes its registers when the update bit falls", () => {
    const { timeline, read } = setUp();
    timeline.pass(TICKS_PER_SECOND - 1);
    expect([read(10) & 0x80, read(0)]).toEqual([0x80, 0]);
    timeline.pass(1);
    expect([read(10) & 0x80, read(0)]).toEqual([0, 1]);
  });

  it("stands still while SET is set, and half a second after the divider's reset counts on", () => {
    const { timeline, read, write } = setUp();
    write(11, 0x82);
    timeline.pass(5 * TICKS_PER_SECOND);
    expect([read(10) & 0x80, read(0)]).toEqual([0, 0]);
    write(10, 0x76);
    for (const [register, value] of [
      [0, 0x58],
      [2, 0x59],
      [4, 0x23],
      [7, 0x31],
      [8, 0x12],
      [9, 0x99],
    ] as const)
      write(register, value);
    write(11, 0x02);
    write(10, 0x26);
    timeline.pass(TICKS_PER_SECOND / 2 - 1);
    expect(read(0)).toBe(0x58);
    timeline.pass(1);
    expect(read(0)).toBe(0x59);
    timeline.pass(TICKS_PER_SECOND);
    expect([9, 8, 7, 4, 2, 0].map(read)).toEqual([0x00, 0x01, 0x01, 0, 0, 0]);
  });

  it("shows binary and 12-hour formats", () => {
    const { read, write } = setUp("2020-05-17T21:43:55Z");
    write(11, 0x06);
    expect([read(4), read(2), read(0), read(7)]).toEqual([21, 43, 55, 17]);
    write(11, 0x04);
    expect(read(4)).toBe(0x89);
    write(11, 0x00);
    expect(read(4)).toBe(0x89);
    write(4, 0x12);
    write(11, 0x02);
    expect(read(4)).toBe(0);
    write(11, 0x00);
    expect(read(4)).toBe(0x12);
    write(4, 0x92);
    write(11, 0x02);
    expect(read(4)).toBe(0x12);
  });

  it("sets the update flag every second and interrupts if allowed, until C is read", () => {
    const { timeline, irq, read, write } = setUp();
    timeline.pass(TICKS_PER_SECOND);
    expect(irq.rising).toBe(0);
    expect(read(12)).toBe(0x50);
    expect(read(12)).toBe(0);
    write(11, 0x12);
    timeline.pass(3 * TICKS_PER_SECOND);
    expect(irq).toEqual({ level: true, rising: 1 });
    expect(read(12) & 0x90).toBe(0x90);
    expect(irq.level).toBe(false);
    timeline.pass(TICKS_PER_SECOND);
    expect(irq).toEqual({ level: true, rising: 2 });
  });

  it("interrupts periodically at the chosen rate", () => {
    const { timeline, irq, read, write } = setUp();
    write(10, 0x26);
    read(12);
    write(11, 0x42);
    let count = 0;
    for (let i = 0; i < 4096; i++) {
      timeline.pass(TICKS_PER_SECOND / 4096);
      if (irq.level) {
        count++;
        expect(read(12) & 0xc0).toBe(0xc0);
      }
    }
    expect(count).toBeGreaterThanOrEqual(1023);
    expect(count).toBeLessThanOrEqual(1024);
    write(11, 0x02);
    expect(timeline.untilNextTimer()).toBe(Infinity);
  });

  it("raises the alarm at its time, at any minute if told so, and notices one in a long gap", () => {
    const { timeline, irq, read, write } = setUp();
    for (const register of [1, 3, 5]) write(register, register === 1 ? 0x30 : 0xff);
    write(11, 0x22);
    timeline.pass(29 * TICKS_PER_SECOND);
    expect(irq.level).toBe(false);
    timeline.pass(TICKS_PER_SECOND);
    expect(irq.level).toBe(true);
    expect(read(12) & 0xa0).toBe(0xa0);
    timeline.pass(60 * TICKS_PER_SECOND);
    expect(irq.rising).toBe(2);
    write(11, 0x02);
    read(12);
    for (const [register, value] of [
      [1, 0x05],
      [3, 0x04],
      [5, 0x03],
    ] as const)
      write(register, value);
    timeline.pass(2 * 86_400 * TICKS_PER_SECOND);
    expect(read(12) & 0x20).toBe(0x20);
  });

  it("keeps its memory, and goes on from a snapshot", () => {
    const { timeline, rtc, read, write } = setUp();
    write(0x40, 0xab);
    write(0x7f, 0xcd);
    rtc.writePort(2, 0x40);
    rtc.writePort(3, 0xef);
    expect([rtc.readPort(0), rtc.readPort(2), rtc.readPort(3)]).toEqual([0xff, 0x40, 0xef]);
    const saved = JSON.parse(JSON.stringify(rtc.snapshot()));
    write(0x40, 0);
    timeline.pass(10 * TICKS_PER_SECOND);
    expect(read(0)).toBe(0x10);
    rtc.restore(saved);
    expect([read(0x40), read(0x7f), read(0)]).toEqual([0xab, 0xcd, 0x10]);
  });
});

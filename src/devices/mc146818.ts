import { TICKS_PER_SECOND, type InterruptLine, type Timeline } from "../machine/timeline.ts";
import { cyclesIn, ticksFor } from "./cycles.ts";
import type { PortDevice } from "./isa-ports.ts";
import { counter, integer, list, tick, record, u8 } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** Registers (MC146818 data sheet, figure 11 "address map"); 14 and up are memory. */
const REG = {
  second: 0,
  secondAlarm: 1,
  minute: 2,
  minuteAlarm: 3,
  hour: 4,
  hourAlarm: 5,
  weekday: 6,
  day: 7,
  month: 8,
  year: 9,
  a: 10,
  b: 11,
  c: 12,
  d: 13,
} as const;
const A = { UIP: 0x80, divider: 0x70, reset: 0x60, rate: 0x0f } as const;
const B = { SET: 0x80, PIE: 0x40, AIE: 0x20, UIE: 0x10, binary: 4, hours24: 2 } as const;
const C = { IRQF: 0x80, PF: 0x40, AF: 0x20, UF: 0x10 } as const;
const D_VALID = 0x80;
const PM = 0x80;

const CRYSTAL_HZ = 32_768;
/** The update-in-progress bit rises 244 us (8 crystal cycles) before the registers change. */
const UIP_TICKS = (TICKS_PER_SECOND * 8) / CRYSTAL_HZ;
const DAY = 86_400;

/** A moment as the clock keeps it: weekday 1 (Sunday) to 7, month and day from 1, year 0 to 99. */
interface RtcTime {
  second: number;
  minute: number;
  hour: number;
  weekday: number;
  day: number;
  month: number;
  year: number;
}

export interface RtcState {
  index: number;
  /** The time as of `updatedAt`; where the guest wrote nonsense, nonsense. */
  time: RtcTime;
  /** When the last update was, in ticks; the next is a second later. */
  updatedAt: number;
  /** Ticks from `updatedAt` when the clock was stopped (SET or divider reset); -1 while it runs. */
  stopped: number;
  /** Periods of the periodic interrupt up to the last look. */
  periods: number;
  /** Alarm bytes as written, registers A to C. */
  alarm: number[];
  a: number;
  b: number;
  c: number;
  /** Battery-backed bytes 14 to 127. */
  memory: number[];
  /** The second bank that the PIIX4 has behind ports 72h and 73h: its index, its 128 bytes. */
  bankIndex: number;
  bank: number[];
}

/** How it is kept. */
export const RTC_STATE = record<RtcState>({
  index: integer(0, 0x7f),
  time: record<RtcTime>({
    ...{ second: u8, minute: u8, hour: u8, weekday: u8, day: u8, month: u8, year: u8 },
  }),
  updatedAt: tick,
  stopped: tick,
  periods: counter,
  alarm: list(u8, 3),
  ...{ a: u8, b: u8, c: u8 },
  memory: list(u8, 114),
  bankIndex: integer(0, 0x7f),
  bank: list(u8, 128),
});

export interface RtcConfig {
  readonly timeline: Timeline;
  /** Name of the timer; unique on the timeline. */
  readonly name: string;
  readonly interrupt: InterruptLine;
  /** The time at tick 0, in seconds since 1970-01-01 UTC; default 2020-01-01. */
  readonly startSeconds?: number;
}

/** 2020-01-01T00:00:00Z, a Wednesday. */
const DEFAULT_START_SECONDS = 1_577_836_800;
/** Where PCs and Linux keep the century. */
const CENTURY = 0x32;
/** Periodic interrupts come from the 32,768 Hz crystal: rate 1 and 2 behave like 8 and 9 (data sheet table 5). */
const periodCycles = (rate: number): number => (rate === 0 ? 0 : 1 << ((rate < 3 ? rate + 7 : rate) - 1));

/**
 * A Motorola MC146818 real-time clock and its 114 bytes of memory: ports 0 (index) and 1 (data), and as in
 * the PIIX4 128 bytes more behind ports 2 and 3. Time is a function of the timeline; only enabled interrupts
 * need timer events.
 */
export class Mc146818 extends Stateful<RtcState> implements PortDevice {
  private readonly config: RtcConfig;

  constructor(config: RtcConfig) {
    const start = config.startSeconds ?? DEFAULT_START_SECONDS;
    const { time, century } = fromUnix(start);
    const memory = Array.from({ length: 114 }, () => 0);
    memory[CENTURY - 14] = toBcd(century);
    super({
      index: 0,
      time,
      updatedAt: 0,
      stopped: -1,
      periods: 0,
      alarm: [0, 0, 0],
      a: 0x26,
      b: B.hours24,
      c: 0,
      memory,
      bankIndex: 0,
      bank: Array.from({ length: 128 }, () => 0),
    });
    this.config = config;
    config.timeline.register(config.name, () => this.sync());
  }

  readPort(offset: number): number {
    switch (offset & 3) {
      case 1:
        return this.readRegister(this.state.index);
      case 2:
        return this.state.bankIndex;
      case 3:
        return this.state.bank[this.state.bankIndex]!;
      default:
        // This index cannot be read on a PC.
        return 0xff;
    }
  }

  writePort(offset: number, value: number): void {
    switch (offset & 3) {
      case 0:
        this.state.index = value & 0x7f;
        return;
      case 1:
        this.writeRegister(this.state.index, value);
        return;
      case 2:
        this.state.bankIndex = value & 0x7f;
        return;
      default:
        this.state.bank[this.state.bankIndex] = value;
    }
  }

  private readRegister(register: number): number {
    const { state } = this;
    this.sync();
    switch (register) {
      case REG.secondAlarm:
      case REG.minuteAlarm:
      case REG.hourAlarm:
        return state.alarm[register >> 1]!;
      case REG.a:
        return state.a | (this.updating ? A.UIP : 0);
      case REG.b:
        return state.b;
      case REG.c: {
        const value = state.c;
        state.c = 0;
        this.update();
        return value;
      }
      case REG.d:
        return D_VALID;
      default:
        return register < REG.a ? this.readTime(register) : state.memory[register - 14]!;
    }
  }

  private writeRegister(register: number, value: number): void {
    const { state } = this;
    this.sync();
    switch (register) {
      case REG.secondAlarm:
      case REG.minuteAlarm:
      case REG.hourAlarm:
        state.alarm[register >> 1] = value;
        return;
      case REG.a:
        state.a = value & ~A.UIP;
        break;
      case REG.b:
        // SET ends an update cycle and takes the update interrupt's permission away (data sheet, register B).
        state.b = (value & B.SET) !== 0 ? value & ~B.UIE : value;
        break;
      case REG.c:
      case REG.d:
        return;
      default:
        if (register < REG.a) this.writeTime(register, value);
        else state.memory[register - 14] = value;
        return;
    }
    this.startOrStop();
    state.periods = this.periodsNow();
    this.update();
  }

  /** SET and a divider in reset stop the clock; out of divider reset the first update comes after 0.5 s. */
  private startOrStop(): void {
    const { state } = this;
    const now = this.config.timeline.now();
    const inReset = (state.a & A.reset) === A.reset;
    const stop = inReset || (state.b & B.SET) !== 0;
    if (stop && state.stopped < 0) state.stopped = now - state.updatedAt;
    if (stop && inReset) state.stopped = TICKS_PER_SECOND / 2;
    if (!stop && state.stopped >= 0) {
      state.updatedAt = now - state.stopped;
      state.stopped = -1;
    }
  }

  /** Update in progress: within 244 us before the next update. */
  private get updating(): boolean {
    const { state } = this;
    if (state.stopped >= 0) return false;
    return this.config.timeline.now() - state.updatedAt >= TICKS_PER_SECOND - UIP_TICKS;
  }

  private periodsNow(): number {
    const cycles = periodCycles(this.state.a & A.rate);
    return cycles === 0 ? 0 : Math.floor(cyclesIn(this.config.timeline.now(), CRYSTAL_HZ) / cycles);
  }

  /** Brings time and flags up to now. */
  private sync(): void {
    const { state } = this;
    const periods = this.periodsNow();
    if (periods > state.periods) state.c |= C.PF;
    state.periods = periods;
    if (state.stopped < 0) {
      const seconds = Math.floor((this.config.timeline.now() - state.updatedAt) / TICKS_PER_SECOND);
      if (seconds > 0) {
        state.updatedAt += seconds * TICKS_PER_SECOND;
        state.c |= C.UF;
        this.advance(seconds);
      }
    }
    this.update();
  }

  private advance(seconds: number): void {
    const { state } = this;
    // An alarm repeats daily at the latest: of a longer time the last day tells whether it came.
    const watched = Math.min(seconds, DAY);
    addSeconds(state.time, seconds - watched);
    for (let i = 0; i < watched; i++) {
      addSeconds(state.time, 1);
      if ((state.c & C.AF) !== 0) {
        addSeconds(state.time, watched - i - 1);
        return;
      }
      if (this.alarmMatches()) state.c |= C.AF;
    }
  }

  private alarmMatches(): boolean {
    // The two top bits set mean "any".
    return this.state.alarm.every((alarm, i) => (alarm & 0xc0) === 0xc0 || alarm === this.readTime(2 * i));
  }

  private update(): void {
    const { state, config } = this;
    const asserted = (state.b & state.c & (C.PF | C.AF | C.UF)) !== 0;
    state.c = asserted ? state.c | C.IRQF : state.c & ~C.IRQF;
    config.interrupt(asserted);
    const next = this.nextEvent();
    if (next === Infinity) config.timeline.cancel(config.name);
    else config.timeline.schedule(config.name, next);
  }

  /** When an enabled interrupt may next be raised, in ticks. */
  private nextEvent(): number {
    const { state } = this;
    let next = Infinity;
    if ((state.b & (B.AIE | B.UIE)) !== 0 && state.stopped < 0) next = state.updatedAt + TICKS_PER_SECOND;
    const cycles = periodCycles(state.a & A.rate);
    if ((state.b & B.PIE) !== 0 && cycles > 0)
      next = Math.min(next, ticksFor((this.periodsNow() + 1) * cycles, CRYSTAL_HZ));
    return next;
  }

  private encode(value: number): number {
    return (this.state.b & B.binary) !== 0 ? value : toBcd(value);
  }

  private decode(value: number): number {
    return (this.state.b & B.binary) !== 0 ? value : (value >>> 4) * 10 + (value & 15);
  }

  private readTime(register: number): number {
    const { time } = this.state;
    if (register === REG.hour && (this.state.b & B.hours24) === 0)
      return this.encode(((time.hour + 11) % 12) + 1) | (time.hour >= 12 ? PM : 0);
    return this.encode(time[FIELDS[register as keyof typeof FIELDS]]);
  }

  private writeTime(register: number, value: number): void {
    const { time } = this.state;
    const field = FIELDS[register as keyof typeof FIELDS];
    if (register === REG.hour && (this.state.b & B.hours24) === 0)
      time.hour = (this.decode(value & ~PM) % 12) + ((value & PM) !== 0 ? 12 : 0);
    else time[field] = this.decode(value);
  }
}

const FIELDS = {
  0: "second",
  2: "minute",
  4: "hour",
  6: "weekday",
  7: "day",
  8: "month",
  9: "year",
} as const satisfies Record<number, keyof RtcTime>;

function toBcd(value: number): number {
  return (Math.floor(value / 10) << 4) | (value % 10);
}

/** Days of a month; every fourth year is a leap year, which holds from 1901 to 2099. */
function daysIn(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function addSeconds(time: RtcTime, seconds: number): void {
  const total = time.second + seconds;
  time.second = total % 60;
  const minutes = time.minute + Math.floor(total / 60);
  time.minute = minutes % 60;
  const hours = time.hour + Math.floor(minutes / 60);
  time.hour = hours % 24;
  for (let days = Math.floor(hours / 24); days > 0; days--) nextDay(time);
}

function nextDay(time: RtcTime): void {
  time.weekday = (time.weekday % 7) + 1;
  time.day++;
  if (time.day <= daysIn(time.month, time.year)) return;
  time.day = 1;
  time.month++;
  if (time.month <= 12) return;
  time.month = 1;
  time.year = (time.year + 1) % 100;
}

/** Takes a Unix time apart. */
function fromUnix(seconds: number): { time: RtcTime; century: number } {
  const days = Math.floor(seconds / DAY);
  const rest = seconds - days * DAY;
  let year = 1970;
  let left = days;
  for (let length = daysInYear(year); left >= length; length = daysInYear(year)) {
    left -= length;
    year++;
  }
  let month = 1;
  for (; left >= daysIn(month, year); month++) left -= daysIn(month, year);
  const time = {
    second: rest % 60,
    minute: Math.floor(rest / 60) % 60,
    hour: Math.floor(rest / 3600),
    // 1970-01-01 was a Thursday, day 5 of the week.
    weekday: ((days + 4) % 7) + 1,
    day: left + 1,
    month,
    year: year % 100,
  };
  return { time, century: Math.floor(year / 100) };
}

function daysInYear(year: number): number {
  return year % 4 === 0 ? 366 : 365;
}

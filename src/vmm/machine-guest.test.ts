import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GuestBusyError, GuestConfigError, type Guest, type GuestConfig, type Mode } from "../guest.ts";
import { GPR } from "../isa/registers.ts";
import { makeExecutable } from "../loader/executable.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { Assembler } from "../uasm/assembler.ts";
import { createGuest } from "./create-guest.ts";
import { createTimeTravel } from "./create-time-travel.ts";

const image = (mode: Mode): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/demo-${mode}.elf`, import.meta.url));
const text = new TextEncoder();
/** Enough to fill the console's buffer several times. */
const TALKATIVE = text.encode(`${"ps\n".repeat(30)}poweroff\n`);
const OFF = { kind: "off", how: "power-off" };

function create(mode: Mode, onConsole: (guest: Guest, bytes: Uint8Array) => void): Guest {
  const guest: Guest = createGuest({
    kernel: image(mode),
    mode,
    onConsole: (bytes) => onConsole(guest, bytes),
  });
  guest.sendInput(TALKATIVE);
  return guest;
}

/** What the guest prints, in one go, and its statistics. */
function undisturbed(mode: Mode): { console: string; stats: unknown } {
  let console = "";
  const guest = create(mode, (_, bytes) => (console += String.fromCharCode(...bytes)));
  expect(guest.run(20 * TICKS_PER_SECOND)).toEqual(OFF);
  return { console, stats: guest.stats() };
}

describe.each<Mode>(["te", "bare"])("under %s a console callback", (mode) => {
  it("cannot run the guest, which goes on when that was refused", () => {
    let console = "";
    let refused = 0;
    const guest = create(mode, (self, bytes) => {
      console += String.fromCharCode(...bytes);
      expect(() => self.run(1)).toThrow(GuestBusyError);
      refused++;
    });
    expect(guest.run(20 * TICKS_PER_SECOND)).toEqual(OFF);
    expect(refused).toBeGreaterThan(2);
    expect({ console, stats: guest.stats() }).toEqual(undisturbed(mode));
  });

  it("can destroy the guest, whose runs are over then", () => {
    let calls = 0;
    const guest = create(mode, (self) => {
      calls++;
      self.destroy();
      self.destroy();
      self.sendInput(text.encode("ps\n"));
    });
    for (let i = 0; i < 3; i++) expect(guest.run(20 * TICKS_PER_SECOND)).toEqual(OFF);
    const { guestInstructions } = guest.stats();
    expect(calls).toBe(1);
    guest.destroy();
    expect(guest.run(20 * TICKS_PER_SECOND)).toEqual(OFF);
    expect(guest.stats().guestInstructions).toBe(guestInstructions);
  });

  it("can stop the run, and that run only", () => {
    let console = "";
    const guest = create(mode, (self, bytes) => {
      console += String.fromCharCode(...bytes);
      self.stop();
    });
    let runs = 0;
    while (guest.run(20 * TICKS_PER_SECOND).kind === "running") {
      // No run is under way: this stops nothing.
      guest.stop();
      runs++;
    }
    expect(runs).toBeGreaterThan(2);
    expect({ console, stats: guest.stats() }).toEqual(undisturbed(mode));
  });

  it("may throw, and the guest goes on afterwards", () => {
    let console = "";
    const guest = create(mode, (_, bytes) => {
      console += String.fromCharCode(...bytes);
      throw new Error("no room for this");
    });
    let thrown = 0;
    for (let result = null; result === null;) {
      try {
        result = guest.run(20 * TICKS_PER_SECOND);
      } catch (error) {
        expect(String(error)).toContain("no room for this");
        thrown++;
      }
    }
    expect(thrown).toBeGreaterThan(2);
    expect({ console, stats: guest.stats() }).toEqual(undisturbed(mode));
  });
});

describe.each<Mode>(["te", "bare"])("under %s a clock", (mode) => {
  const config = (now: unknown): GuestConfig =>
    ({ kernel: image(mode), mode, clock: "wall", now, onConsole() {} }) as GuestConfig;

  it.each([
    ["NaN", () => NaN],
    ["Infinity", () => Infinity],
    ["a string", () => "5"],
    ["nothing", () => undefined],
    ["no function", 5],
  ])("that gives %s is refused", (_, now) => {
    expect(() => createGuest(config(now))).toThrow(GuestConfigError);
  });

  it("that breaks during a run ends the guest with a typed error", () => {
    let reads = 0;
    const guest = createGuest(config(() => (++reads > 1000 ? NaN : reads)));
    expect(() => guest.run(Infinity)).toThrow(GuestConfigError);
    const result = guest.run(1000);
    expect(result).toMatchObject({ kind: "failed" });
    guest.destroy();
    expect(guest.run(1000)).toEqual(result);
  });

  it("cannot run the guest, and may destroy it", () => {
    let action: () => void = () => {};
    let reads = 0;
    const now = (): number => {
      if (++reads === 50) action();
      return reads / 1000;
    };
    const guest = createGuest(config(now));
    action = () => {
      expect(() => guest.run(1)).toThrow(GuestBusyError);
      guest.destroy();
    };
    expect(guest.run(Infinity)).toEqual(OFF);
    expect(guest.run(1)).toEqual(OFF);
  });
});

it("queues as much console input as there is, in linear time, as a copy", () => {
  const guest = createGuest({ kernel: image("te"), onConsole() {} });
  const bytes = new Uint8Array(16 << 20);
  const time = (action: () => void): number => {
    const start = performance.now();
    action();
    return performance.now() - start;
  };
  const collect = (): void => {
    const numbers: number[] = [];
    for (const byte of bytes) numbers.push(byte);
  };
  expect(() => guest.sendInput("abc" as unknown as Uint8Array)).toThrow(TypeError);
  // Copying takes a few hundredths of what collecting the bytes one by one takes.
  const ratios = [1, 2, 3].map(() => time(() => guest.sendInput(bytes)) / time(collect));
  expect(Math.min(...ratios)).toBeLessThan(0.5);
  expect(guest.inputPending).toBe(3 * bytes.length);
  guest.destroy();
});

/** An ELF executable for `mode` that does what `emit` assembles. */
function kernelOf(mode: Mode, emit: (asm: Assembler) => void): Uint8Array {
  const base = mode === "te" ? 0x4010_0000 : 0x8010_0000;
  const asm = new Assembler({ level: "mips32r2", baseAddress: base });
  emit(asm);
  return makeExecutable({ entry: base, pieces: [{ address: base, words: asm.words() }] });
}

/** A kernel that sets Status to `status` and waits, again and again. */
function waitingKernel(mode: Mode, status: number): Uint8Array {
  return kernelOf(mode, (asm) => {
    asm.loadConstant(GPR.t0, status);
    asm.mtc0(GPR.t0, 12, 0);
    asm.ehb();
    const again = asm.bind();
    asm.wait();
    asm.b(again);
    asm.nop();
  });
}

describe.each<Mode>(["te", "bare"])("under %s a guest's other serial ports", (mode) => {
  /** Sends 5,000 bytes to ttyS1 and as many to ttyS2, by turns, and waits. */
  const kernel = kernelOf(mode, (asm) => {
    asm.loadConstant(GPR.t0, 0xb800_02f8);
    asm.loadConstant(GPR.t1, 0xbf00_0900);
    asm.loadConstant(GPR.t2, 5000);
    const again = asm.bind();
    asm.sb(GPR.t2, 0, GPR.t0);
    asm.sb(GPR.t2, 0, GPR.t1);
    asm.addiu(GPR.t2, GPR.t2, -1);
    asm.bne(GPR.t2, GPR.zero, again);
    asm.nop();
    asm.b(asm.bind());
    asm.nop();
  });
  const sent = Array.from({ length: 5000 }, (_, n) => (5000 - n) & 0xff);

  it("are told of", () => {
    const bytes: Record<1 | 2, number[]> = { 1: [], 2: [] };
    const onSerial = (port: 1 | 2, piece: Uint8Array): void => void bytes[port].push(...piece);
    const guest = createGuest({ kernel, mode, onConsole: () => expect.unreachable(), onSerial });
    guest.run(TICKS_PER_SECOND / 100);
    expect(bytes).toEqual({ 1: sent, 2: sent });
    guest.destroy();
  });

  it("are told of once when a guest is turned back", () => {
    const bytes: number[] = [];
    const onSerial = (port: 1 | 2, piece: Uint8Array): void => {
      if (port === 2) bytes.push(...piece);
    };
    const travel = createTimeTravel({ kernel, mode, onConsole() {}, onSerial }, { interval: 5000 });
    travel.run(12_000);
    const told = bytes.length;
    expect(told).toBeGreaterThan(1000);
    travel.goTo(travel.moment.instructions - 100);
    expect(bytes.length).toBe(told);
    travel.destroy();
  });

  it("are nobody's affair otherwise", () => {
    const guest = createGuest({ kernel, mode, onConsole: () => expect.unreachable() });
    guest.run(TICKS_PER_SECOND / 100);
    expect(guest.stats().guestInstructions).toBeGreaterThan(25_000);
    guest.destroy();
  });
});

describe.each<Mode>(["te", "bare"])("under %s a guest that waits", (mode) => {
  const waiting = (status: number, clock: "virtual" | "wall"): Guest =>
    createGuest({
      kernel: waitingKernel(mode, status),
      mode,
      clock,
      now: () => performance.now(),
      onConsole() {},
    });
  const run = (guest: Guest): unknown => {
    for (let i = 0; i < 100; i++) {
      const result = guest.run(Infinity);
      if (result.kind !== "running") return result;
    }
    return null;
  };

  it.each(["virtual", "wall"] as const)("with all interrupts disabled cannot go on (%s clock)", (clock) => {
    const guest = waiting(0, clock);
    expect(run(guest)).toMatchObject({
      kind: "failed",
      report: expect.stringContaining("nothing can wake it"),
    });
  });

  it.each(["virtual", "wall"] as const)("with a device's interrupt alone is idle (%s clock)", (clock) => {
    const guest = waiting(0x0400, clock);
    expect(run(guest)).toEqual({ kind: "idle", milliseconds: Infinity });
    expect(run(guest)).toEqual({ kind: "idle", milliseconds: Infinity });
  });

  it("with the timer's interrupt passes time", () => {
    const guest = waiting(0x8000, "virtual");
    for (let i = 0; i < 3; i++) expect(guest.run(TICKS_PER_SECOND)).toEqual({ kind: "running" });
  });
});

it("runs guests side by side, one in the callback of another", () => {
  const inner = create("te", () => {});
  let console = "";
  const outer = create("bare", (_, bytes) => {
    console += String.fromCharCode(...bytes);
    inner.run(TICKS_PER_SECOND / 100);
  });
  expect(outer.run(20 * TICKS_PER_SECOND)).toEqual(OFF);
  expect({ console, stats: outer.stats() }).toEqual(undisturbed("bare"));
  expect(inner.run(20 * TICKS_PER_SECOND)).toEqual(OFF);
  expect(inner.stats()).toEqual(undisturbed("te").stats);
});

it.each<Mode>(["te", "bare"])("under %s it does not show in how many runs a guest is run", (mode) => {
  const expected = undisturbed(mode);
  let console = "";
  const guest = create(mode, (_, bytes) => (console += String.fromCharCode(...bytes)));
  const PART = 7_777;
  expect(guest.time).toBe(0);
  for (let runs = 1; guest.run(PART).kind === "running"; runs++)
    expect(guest.time).toBeGreaterThanOrEqual(PART * runs);
  expect({ console, stats: guest.stats() }).toEqual(expected);
});

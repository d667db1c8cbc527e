import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DebugMemoryError } from "../debug.ts";
import { GuestBusyError, type Guest, type GuestConfig, type Mode, type RunResult } from "../guest.ts";
import { parseElf } from "../loader/elf.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { createGuest } from "./create-guest.ts";

/** Where the guest's user programs start: behind the header of their image. */
const USER = 0x0040_0010;
const OFF: RunResult = { kind: "off", how: "power-off" };
const INPUT = "touch\nasid\npoweroff\n";
const text = new TextEncoder();

const image = (mode: Mode): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/demo-${mode}.elf`, import.meta.url));

/** Address of a function or variable of the demo guest. */
function address(mode: Mode, symbol: string): number {
  const found = parseElf(image(mode)).symbols().get(symbol);
  if (found === undefined) throw new Error(`the demo guest has no ${symbol}`);
  return found;
}

/** A demo guest with its input, and what it prints. */
function demo(
  mode: Mode,
  config: Partial<GuestConfig> = {},
): { readonly guest: Guest; readonly printed: () => string } {
  let printed = "";
  const onConsole = (bytes: Uint8Array): void => {
    printed += String.fromCharCode(...bytes);
  };
  const guest = createGuest({ kernel: image(mode), mode, memory: 16 << 20, onConsole, ...config });
  guest.sendInput(text.encode(INPUT));
  return { guest, printed: () => printed };
}

/** Runs to the end, and calls `stopped` at each stop. */
function runOut(guest: Guest, stopped: (result: RunResult & { kind: "debug" }) => void): RunResult {
  for (;;) {
    const result = guest.run(20 * TICKS_PER_SECOND);
    if (result.kind !== "debug") return result;
    stopped(result);
  }
}

describe.each<[Mode, "auto" | "interp"]>([
  ["te", "auto"],
  ["te", "interp"],
  ["bare", "auto"],
])("a %s guest on engine %s", (mode, engine) => {
  it("does the same at the same times, with breakpoints, watchpoints and steps or without", () => {
    const plain = demo(mode, { engine });
    expect(plain.guest.run(20 * TICKS_PER_SECOND)).toEqual(OFF);
    const { guest, printed } = demo(mode, { engine });
    const { debug } = guest;
    debug.setBreakpoint(address(mode, "syscall"));
    debug.setBreakpoint(address(mode, "schedule"));
    debug.setBreakpoint(USER);
    debug.setWatchpoint(address(mode, "reschedule"), 4, "write");
    const stops = new Map<string, number>();
    let steps = 0;
    const ended = runOut(guest, ({ stop }) => {
      const pc = debug.readRegister("pc")!;
      const where = stop.kind === "watchpoint" ? "watch" : pc.toString(16);
      stops.set(where, (stops.get(where) ?? 0) + 1);
      debug.readMemory(pc, 64);
      for (const { name } of debug.registers) debug.readRegister(name);
      if (++steps % 7 === 0)
        for (let n = 0; n < 20; n++) expect(debug.step()).toMatchObject({ kind: "debug" });
    });
    expect(ended).toEqual(OFF);
    expect(printed()).toBe(plain.printed());
    expect(guest.stats()).toEqual(plain.guest.stats());
    expect(guest.time).toBe(plain.guest.time);
    for (const where of [
      address(mode, "syscall").toString(16),
      address(mode, "schedule").toString(16),
      "watch",
    ])
      expect(stops.get(where)).toBeGreaterThan(10);
  });
});

describe("a guest under the hypervisor", () => {
  it("has breakpoints in the generated handlers, at its own exits and at each refill", () => {
    const plain = demo("te");
    plain.guest.run(20 * TICKS_PER_SECOND);
    const { guest, printed } = demo("te");
    const host = guest.hostDebug!;
    const first = guest.debug.setBreakpoint(address("te", "syscall"));
    expect(guest.run(TICKS_PER_SECOND * 20)).toMatchObject({ kind: "debug", view: "guest" });
    guest.debug.remove(first);
    const before = guest.stats().refills.fast;
    const ebase = host.readRegister("EBase")! & -0x1000;
    host.setBreakpoint(ebase >>> 0);
    let refills = 0;
    expect(
      runOut(guest, ({ view }) => {
        refills++;
        expect(view).toBe("host");
        expect(host.readRegister("pc")).toBe(ebase >>> 0);
        // Its registers are about to be the host's.
        expect(guest.debug.readRegister("sp")).toBeNull();
        expect(guest.debug.readRegister("pc")).toBe(host.readRegister("EPC"));
      }),
    ).toEqual(OFF);
    expect(refills).toBe(guest.stats().refills.fast - before);
    expect(printed()).toBe(plain.printed());
    expect(guest.stats()).toEqual(plain.guest.stats());
  });

  it("is stepped through a refill of the host's as if there were none, its host instruction by instruction", () => {
    const { guest } = demo("te");
    guest.debug.setBreakpoint(USER);
    expect(guest.run(TICKS_PER_SECOND * 20)).toMatchObject({ kind: "debug" });
    const host = guest.hostDebug!;
    const pcs = new Set<number>();
    for (let n = 0; n < 2000; n++) {
      expect(host.step()).toMatchObject({ kind: "debug", view: "host", stop: { kind: "step" } });
      pcs.add(host.readRegister("pc")!);
    }
    // The vector, where the refill handler begins.
    expect(pcs).toContain((host.readRegister("EBase")! & -0x1000) >>> 0);
    expect([...pcs].some((pc) => pc >= 0x8000_0000)).toBe(true);
    expect([...pcs].some((pc) => pc < 0x8000_0000)).toBe(true);
  });

  it("steps one instruction at a time, privileged ones that exit among them", () => {
    const plain = demo("te", { fastExits: "off" });
    plain.guest.run(20 * TICKS_PER_SECOND);
    const { guest } = demo("te", { fastExits: "off" });
    const pcs: number[] = [];
    let instructions = 0;
    for (let n = 0; n < 3000; n++) {
      const result = guest.debug.step();
      expect(result).toMatchObject({ kind: "debug", view: "guest", stop: { kind: "step" } });
      const taken = guest.stats().guestInstructions - instructions;
      // One, or a branch and its delay slot, or none if it raised.
      expect([0, 1, 2]).toContain(taken);
      instructions += taken;
      pcs.push(guest.debug.readRegister("pc")!);
    }
    expect(pcs.every((pc) => pc % 4 === 0 && pc < 0x8000_0000)).toBe(true);
    expect(runOut(guest, () => {})).toEqual(OFF);
    expect(guest.stats()).toEqual(plain.guest.stats());
  });

  it("has its registers and its memory changed", () => {
    const { guest, printed } = demo("te");
    const { debug } = guest;
    const point = debug.setBreakpoint(address("te", "schedule"));
    expect(guest.run(TICKS_PER_SECOND * 20)).toMatchObject({ kind: "debug" });
    expect(debug.writeRegister("t0", 0xdead_beef)).toBe(true);
    expect(debug.readRegister("t0")).toBe(0xdead_beef);
    expect(debug.writeRegister("zero", 1)).toBe(false);
    expect(debug.readRegister("zero")).toBe(0);
    expect(debug.writeRegister("UserLocal", 0x1234)).toBe(true);
    expect(debug.readRegister("UserLocal")).toBe(0x1234);
    expect(() => debug.readRegister("r0")).toThrow(RangeError);
    const at = address("te", "schedule");
    const code = debug.readMemory(at, 8);
    expect(debug.readMemory(at + 0x4000_0000, 8)).toEqual(code);
    debug.writeMemory(at, Uint8Array.of(...code));
    expect(() => debug.readMemory(0x0070_0000, 4)).toThrow(DebugMemoryError);
    expect(() => debug.readMemory(0xb800_03f8, 1)).toThrow(DebugMemoryError);
    debug.remove(point);
    expect(runOut(guest, () => {})).toEqual(OFF);
    expect(printed()).toContain("off");
  });

  it("keeps its breakpoints apart by its own ASIDs", () => {
    const asids = (asid?: number): number[] => {
      const { guest } = demo("te");
      guest.debug.setBreakpoint(USER, asid === undefined ? {} : { asid });
      const seen: number[] = [];
      runOut(guest, () => seen.push(guest.debug.readRegister("EntryHi")! & 0xff));
      return seen;
    };
    const all = asids();
    expect(new Set(all).size).toBeGreaterThan(1);
    const one = all.at(-1)!;
    expect(asids(one)).toEqual(all.filter((asid) => asid === one));
  });
});

it("refuses what cannot be, and to step in a callback", () => {
  let inCallback: (() => void) | null = null;
  const { guest } = demo("bare", {
    onConsole() {
      inCallback?.();
      inCallback = null;
    },
  });
  expect(() => guest.debug.setBreakpoint(2)).toThrow(RangeError);
  expect(() => guest.debug.setWatchpoint(0, 0, "write")).toThrow(RangeError);
  const anything = guest.debug as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const [what, ...args] of [
    ["setBreakpoint", undefined],
    ["setBreakpoint", 2 ** 32],
    ["setWatchpoint", null, 4, "read"],
    ["setWatchpoint", 0, 4, "fetch"],
    ["writeRegister", "pc", "40100000"],
    ["readMemory", "40100000", 4],
    ["readMemory", NaN, 4],
    ["readMemory", 0x4010_0000, -1],
    ["writeMemory", undefined, new Uint8Array(4)],
  ] as const)
    expect(() => anything[what]!(...args), `${what} ${String(args[0])}`).toThrow(RangeError);
  expect(() => anything["writeMemory"]!(0x4010_0000, "text")).toThrow("no Uint8Array");
  expect(guest.hostDebug).toBeNull();
  let thrown: unknown = null;
  inCallback = () => {
    try {
      guest.debug.step();
    } catch (error) {
      thrown = error;
    }
  };
  guest.run(TICKS_PER_SECOND);
  expect(thrown).toBeInstanceOf(GuestBusyError);
});

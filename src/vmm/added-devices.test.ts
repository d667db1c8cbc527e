import { describe, expect, it } from "vitest";
import type { Device, DeviceConfig, DeviceSurroundings } from "../device.ts";
import { GuestBusyError, GuestConfigError, type Guest, type GuestConfig, type Mode } from "../guest.ts";
import { VECTOR_OFFSET } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import { makeExecutable } from "../loader/executable.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { Assembler } from "../uasm/assembler.ts";
import { createGuest, restoreGuest } from "./create-guest.ts";
import { createTimeTravel } from "./create-time-travel.ts";

const KSEG0 = { te: 0x4000_0000, bare: 0x8000_0000 } as const;
const KSEG1 = 0xa000_0000;
const BASE = 0x1e00_0000;
const RESET = 0x1f00_0500;
const DELAY = 5000;
const { t0, t1, t2, v0, v1, k0 } = GPR;

/** Counts down from what is written to it, and raises its interrupt; reading takes that back. */
class Alarm implements Device {
  private rings = 0;
  private readonly board: DeviceSurroundings;
  constructor(board: DeviceSurroundings) {
    this.board = board;
  }
  read(offset: number, size: number): number {
    this.board.setInterrupt(false);
    // More than fits, and negative: the guest reads what its load takes of it.
    return offset === 0 ? this.rings : -(size + 1);
  }
  write(_offset: number, _size: number, value: number): void {
    this.board.setTimer(value === 0 ? null : this.board.now() + value);
  }
  onTimer(): void {
    this.rings++;
    this.board.setInterrupt(true);
  }
  save(): Uint8Array {
    return Uint8Array.of(this.rings);
  }
  restore(state: Uint8Array): void {
    if (state.length !== 1) throw new Error("one byte is wanted");
    this.rings = state[0]!;
  }
}

const alarm = (more: Partial<DeviceConfig> = {}): DeviceConfig => ({
  ...{ name: "alarm", base: BASE, size: 8, irq: 9, create: (board) => new Alarm(board) },
  ...more,
});

/** Sets the alarm three times, waits for it each time, reads the other register, and asks for a reset. */
function kernel(mode: Mode): Uint8Array {
  const start = new Assembler({ level: "mips32r2", baseAddress: KSEG0[mode] + 0x1000 });
  const handler = new Assembler({ level: "mips32r2", baseAddress: KSEG0[mode] + VECTOR_OFFSET.general });
  start.loadConstant(t0, 0x401);
  start.mtc0(t0, 12, 0);
  start.loadConstant(t1, KSEG1 + BASE);
  for (let n = 0; n < 3; n++) {
    start.loadConstant(t2, DELAY);
    start.sw(t2, 0, t1);
    start.wait();
  }
  start.lbu(v1, 4, t1);
  start.lw(t2, 4, t1);
  start.loadConstant(t1, KSEG1 + RESET);
  start.addiu(t0, 0, 0x42);
  start.sw(t0, 0, t1);
  const end = start.bind();
  start.b(end);
  start.nop();
  handler.loadConstant(k0, KSEG1 + BASE);
  handler.lw(v0, 0, k0);
  handler.eret();
  return makeExecutable({
    entry: start.target.baseAddress,
    pieces: [start, handler].map((code) => ({ address: code.target.baseAddress, words: code.words() })),
  });
}

const config = (mode: Mode, devices: readonly DeviceConfig[] = [alarm()]): GuestConfig => ({
  ...{ kernel: kernel(mode), mode, memory: 1 << 20, devices, onConsole() {} },
});

const LIMIT = 10 * DELAY;
const OFF = { kind: "off", how: "reset" };
const registers = ({ debug }: Guest): unknown => [v0, v1, t2].map((n) => debug.readRegister(NAMES.get(n)!));
const NAMES = new Map([v0, v1, t2].map((n, i) => [n, ["v0", "v1", "t2"][i]!]));

describe.each<Mode>(["te", "bare"])("under %s a device of the embedder's", (mode) => {
  it("has registers, an interrupt and a timer at the tick that it wants", () => {
    const guest = createGuest(config(mode));
    expect(guest.run(LIMIT)).toEqual(OFF);
    expect(registers(guest)).toEqual([3, 0x100 - 2, 2 ** 32 - 5]);
    expect(guest.time).toBeGreaterThan(3 * DELAY);
    expect(guest.time).toBeLessThan(3 * DELAY + 500);
  });

  it("is in snapshots, with the time of its timer, and comes back with time travel", () => {
    const whole = createGuest(config(mode));
    whole.run(LIMIT);
    const guest = createGuest(config(mode));
    guest.run(1.5 * DELAY);
    const restored = restoreGuest(guest.save(), { onConsole() {}, devices: [alarm()] });
    expect(restored.hash()).toBe(guest.hash());
    expect(restored.run(LIMIT)).toEqual(OFF);
    expect([restored.time, registers(restored)]).toEqual([whole.time, registers(whole)]);

    const travel = createTimeTravel(config(mode), { interval: DELAY });
    expect(travel.run(LIMIT)).toEqual(OFF);
    const end = travel.hash();
    travel.goTo(travel.first.instructions + 20);
    expect(travel.run(LIMIT)).toEqual(OFF);
    expect(travel.hash()).toBe(end);
  });

  it("cannot be left out when a guest is restored, nor given where there was none", () => {
    const guest = createGuest(config(mode));
    guest.run(1.5 * DELAY);
    const restore = (snapshot: Uint8Array, devices: readonly DeviceConfig[]): Guest =>
      restoreGuest(snapshot, { onConsole() {}, devices });
    expect(() => restore(guest.save(), [])).toThrow(/with your alarm, and `devices` has no device of yours/);
    expect(() => restore(guest.save(), [])).toThrow(SnapshotError);
    expect(() => restore(guest.save(), [alarm({ name: "bell" })])).toThrow(SnapshotError);
    const without = createGuest(config(mode, []));
    expect(() => restore(without.save(), [alarm()])).toThrow(SnapshotError);
    const strict = alarm({
      create: (board) => Object.assign(new Alarm(board), { save: () => new Uint8Array(2) }),
    });
    const other = createGuest(config(mode, [strict]));
    expect(() => restore(other.save(), [alarm()])).toThrow(
      "the device alarm cannot be restored: one byte is wanted",
    );
  });

  it("may stop and destroy the guest, but not run it; what it throws ends the guest", () => {
    const acting = (action: (guest: Guest) => void): Guest => {
      const guest: Guest = createGuest(
        config(mode, [alarm({ create: () => ({ read: () => 0, write: () => action(guest) }) })]),
      );
      return guest;
    };
    const running = acting((guest) => {
      expect(() => guest.run(1)).toThrow(GuestBusyError);
      expect(() => guest.debug.step()).toThrow(GuestBusyError);
      expect(() => guest.save()).toThrow(GuestBusyError);
      guest.stop();
    });
    expect(running.run(LIMIT)).toEqual({ kind: "running" });
    expect(running.time).toBeLessThan(DELAY);
    const destroyed = acting((guest) => guest.destroy());
    expect(destroyed.run(LIMIT)).toEqual({ kind: "off", how: "power-off" });
    const broken = acting(() => {
      throw new Error("out of order");
    });
    expect(() => broken.run(LIMIT)).toThrow("out of order");
    expect(broken.run(LIMIT)).toMatchObject({ kind: "failed" });
  });
});

it.each<[string, readonly unknown[], string]>([
  ["without a name", [alarm({ name: "" })], "needs a name"],
  ["with the name of another", [alarm(), alarm({ base: BASE + 8, irq: 5 })], "two devices alarm"],
  ["at no word", [alarm({ base: BASE + 2 })], "multiples of 4"],
  ["of no size", [alarm({ size: 0 })], "multiples of 4"],
  ["where there is memory", [alarm({ base: 0x1000 })], "where the guest has memory"],
  ["where the board has a device", [alarm({ base: 0x1f00_0000 })], "board registers"],
  ["where another one is", [alarm(), alarm({ name: "bell", base: BASE + 4, irq: 5 })], "overlaps alarm"],
  ["with an interrupt of the board's", [alarm({ irq: 4 })], "choose from 5, 6"],
  [
    "with the interrupt of another",
    [alarm(), alarm({ name: "bell", base: BASE + 8 })],
    "two devices have irq 9",
  ],
  ["that is none", [null], "null is no device"],
  ["that is made as nothing", [alarm({ create: () => undefined as never })], "has no method read"],
  ["that cannot be written", [alarm({ create: () => ({ read: () => 0 }) as never })], "has no method write"],
  [
    "whose state nothing keeps",
    [alarm({ create: () => ({ read: () => 0, write() {}, save: "state" }) as never })],
    "has no method save",
  ],
  ["that nothing makes", [{ name: "alarm", base: BASE, size: 4 }], "no create"],
])("a device %s is refused", (_, devices, message) => {
  for (const mode of ["te", "bare"] as const) {
    const create = (): Guest => createGuest(config(mode, devices as readonly DeviceConfig[]));
    expect(create).toThrow(GuestConfigError);
    expect(create).toThrow(message);
  }
});

it("a device is told what it cannot do", () => {
  const mistakes: unknown[] = [];
  const create = (board: DeviceSurroundings): Device => {
    for (const mistake of [() => board.setTimer(NaN), () => board.setInterrupt(true)])
      expect(mistake).toThrow(RangeError);
    mistakes.push(board.endian, board.now());
    return { read: () => 0, write() {} };
  };
  createGuest(config("te", [{ name: "idle", base: BASE, size: 4, create }])).destroy();
  expect(mistakes).toEqual(["little", 0]);
});

it("a device's state is bytes, or is not saved", () => {
  const create = (): Device => ({ read: () => 0, write() {}, save: () => "state" as never });
  const guest = createGuest(config("te", [{ name: "odd", base: BASE, size: 4, create }]));
  expect(() => guest.save()).toThrow("what the device odd has saved is no Uint8Array");
});

/** The embedder's devices on a guest's board. */
import { MALTA_FREE_IRQS, maltaRamRegions } from "../boards/malta/malta-map.ts";
import type { MaltaBoard } from "../boards/malta/malta.ts";
import type { Device, DeviceConfig } from "../device.ts";
import { GuestConfigError } from "../guest.ts";
import { BusOverlapError, type Bus } from "../machine/bus.ts";
import type { Endian } from "../machine/memory.ts";
import type { Timeline } from "../machine/timeline.ts";
import { byteString, list, record, text } from "../state/fields.ts";
import { SnapshotError } from "../state/snapshot-error.ts";

/** The state of a device. */
export interface AddedDeviceState {
  readonly name: string;
  readonly state: Uint8Array;
}

/** Devices that a guest can have, and letters of a name: the names of timers have room for them. */
const MOST_DEVICES = 32;
const LONGEST_NAME = 32;
const MOST_STATE = 2 ** 31;

/** How their state is kept. */
export const ADDED_DEVICES_STATE = list(
  record<AddedDeviceState>({ name: text(LONGEST_NAME), state: byteString(MOST_STATE) }),
  0,
  MOST_DEVICES,
);

/** What there is for devices to be added to. */
export interface DevicePlace {
  readonly bus: Bus;
  readonly board: MaltaBoard;
  readonly timeline: Timeline;
  readonly endian: Endian;
  /** Guest memory in bytes. */
  readonly memory: number;
}

/** An address that is a multiple of 4. */
const isWord = (value: unknown): value is number =>
  typeof value === "number" && value === value >>> 0 && value % 4 === 0;

const hex = (address: number): string => address.toString(16).padStart(8, "0");

/** Checks what can be said of devices before there is a board. Throws {@link GuestConfigError}. */
export function checkDevices(devices: readonly DeviceConfig[]): void {
  const refuse = (why: string): never => {
    throw new GuestConfigError("devices", why);
  };
  if (!Array.isArray(devices)) refuse("devices is no array: give the devices' configurations");
  if (devices.length > MOST_DEVICES) refuse(`${devices.length} devices: a guest has up to ${MOST_DEVICES}`);
  const names = new Set<string>();
  const irqs = new Set<number>();
  for (const device of devices) {
    if (typeof device !== "object" || device === null)
      refuse(`${String(device)} is no device: give an object with name, base, size and create`);
    const { name, base, size, irq, create } = device;
    if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME)
      refuse(`a device needs a name of 1 to ${LONGEST_NAME} characters`);
    if (names.has(name)) refuse(`there are two devices ${name}: give each a name of its own`);
    names.add(name);
    if (!isWord(base) || !isWord(size) || size === 0 || base + size > 2 ** 32)
      refuse(
        `the device ${name} cannot be at ${String(base)}, with ${String(size)} bytes: give multiples of 4`,
      );
    if (typeof create !== "function")
      refuse(`the device ${name} has no create: give the function that makes it`);
    if (irq === undefined) continue;
    if (!MALTA_FREE_IRQS.includes(irq))
      refuse(`the device ${name} cannot have irq ${String(irq)}: choose from ${MALTA_FREE_IRQS.join(", ")}`);
    if (irqs.has(irq)) refuse(`two devices have irq ${irq}: give each one of its own`);
    irqs.add(irq);
  }
}

/** The devices that the embedder has added to a board, in the order of the configuration. */
export class AddedDevices {
  private readonly devices: readonly { readonly name: string; readonly device: Device }[];

  /** Makes the devices. Throws {@link GuestConfigError} if one is where RAM or another device is. */
  constructor(configs: readonly DeviceConfig[], place: DevicePlace) {
    this.devices = configs.map((config) => ({ name: config.name, device: addDevice(config, place) }));
  }

  snapshot(): AddedDeviceState[] {
    return this.devices.map(({ name, device }) => {
      const state = device.save?.() ?? new Uint8Array();
      if (state instanceof Uint8Array) return { name, state };
      throw new TypeError(`what the device ${name} has saved is no Uint8Array`);
    });
  }

  /** Throws {@link SnapshotError} unless `saved` is the state of such devices. */
  check(saved: readonly AddedDeviceState[]): void {
    const named = (all: readonly { readonly name: string }[]): string =>
      all.length === 0 ? "no device of yours" : `your ${all.map(({ name }) => name).join(", ")}`;
    if (named(saved) === named(this.devices)) return;
    throw new SnapshotError(
      `the snapshot is of a guest with ${named(saved)}, and \`devices\` has ${named(this.devices)}`,
    );
  }

  /** Takes over the state of such devices. Throws {@link SnapshotError}. */
  restore(saved: readonly AddedDeviceState[]): void {
    for (const [n, { name, device }] of this.devices.entries()) {
      try {
        device.restore?.(saved[n]!.state);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new SnapshotError(`the device ${name} cannot be restored: ${why}`, { cause: error });
      }
    }
  }
}

function addDevice({ name, base, size, irq, create }: DeviceConfig, place: DevicePlace): Device {
  const { bus, board, timeline, endian, memory } = place;
  const ram = maltaRamRegions(memory).find((one) => base < one.base + one.size && one.base < base + size);
  if (ram !== undefined)
    throw new GuestConfigError(
      "devices",
      `the device ${name} is at ${hex(base)}, where the guest has memory`,
    );
  const timer = `device ${name}`;
  const device = create({
    endian,
    now: () => timeline.now(),
    setTimer: (when) => {
      if (when === null) timeline.cancel(timer);
      else if (Number.isFinite(when)) timeline.schedule(timer, when);
      else throw new RangeError(`the device ${name} cannot be woken at ${when}: give ticks`);
    },
    setInterrupt: (level) => {
      if (irq === undefined) throw new RangeError(`the device ${name} has no irq`);
      board.pics.setLine(irq, level);
    },
  });
  checkMethods(name, device);
  timeline.register(timer, () => device.onTimer?.());
  try {
    bus.add({ name, base, size, device: asRegisters(device) });
  } catch (error) {
    if (!(error instanceof BusOverlapError)) throw error;
    throw new GuestConfigError("devices", `the device ${name} is at ${hex(base)}: ${error.message}`, {
      cause: error,
    });
  }
  return device;
}

/** What a device has to have, and what it can. */
const METHODS = { read: true, write: true, onTimer: false, save: false, restore: false } as const;

/** Checks what the embedder's `create` has made, which may be anything. Throws {@link GuestConfigError}. */
function checkMethods(name: string, device: Device): void {
  const members: Readonly<Record<string, unknown>> = Object(device);
  for (const [method, isNeeded] of Object.entries(METHODS)) {
    const given = members[method];
    if (typeof given === "function" || (given === undefined && !isNeeded)) continue;
    throw new GuestConfigError(
      "devices",
      `what the device ${name} was created as has no method ${method}: return an object that has`,
    );
  }
}

/** What the guest reads is as wide as it reads, whatever the device answers. */
function asRegisters(device: Device): Device {
  return {
    read: (offset, size) => {
      const value = device.read(offset, size);
      return size === 4 ? value >>> 0 : value & (2 ** (8 * size) - 1);
    },
    write: (offset, size, value) => device.write(offset, size, value),
  };
}

/** Devices that an embedder adds to a guest's board. */
import type { MmioDevice } from "./machine/bus.ts";
import type { Endian } from "./machine/memory.ts";

/** What a device is given of the guest that it is made for. */
export interface DeviceSurroundings {
  /** Byte order of the guest. */
  readonly endian: Endian;
  /** Guest time, in ticks. */
  now(): number;
  /** Has `onTimer` called at tick `when`, and at no earlier set one; null: not at all. Throws RangeError. */
  setTimer(when: number | null): void;
  /** Drives the interrupt line. Throws RangeError if the device was given no `irq`. */
  setInterrupt(level: boolean): void;
}

/**
 * A device of the embedder's. It is called in the middle of a run, when the guest accesses it: it may call the guest's
 * `stop`, `destroy` and `sendInput`, and nothing else of it. What it throws, `run` throws, and the guest cannot go on.
 * For runs to be repeatable, what it does has to depend on nothing but what it is called with.
 */
export interface Device extends MmioDevice {
  /** The time has come that was set with `setTimer`. */
  onTimer?(): void;
  /** All of its state, for snapshots. The interrupt line and the timer are kept by the guest. */
  save?(): Uint8Array;
  /** Takes over what `save` gave. Throws if it cannot: the snapshot is refused. */
  restore?(state: Uint8Array): void;
}

/** A device, and where the guest finds it. */
export interface DeviceConfig {
  /** Up to 32 characters, by which snapshots and views know it. No two devices have the same. */
  readonly name: string;
  /** First guest physical address, and length in bytes: multiples of 4. Neither RAM nor other devices may be there. */
  readonly base: number;
  readonly size: number;
  /** The input of the board's i8259 pair that it drives: one of `FREE_IRQS`. */
  readonly irq?: number;
  /** Makes the device, once for each guest. */
  readonly create: (surroundings: DeviceSurroundings) => Device;
}

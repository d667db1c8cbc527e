import type { MmioDevice } from "../machine/bus.ts";
import type { Endian } from "../machine/memory.ts";

/** A device on the ISA bus: byte-wide ports, given as offsets from its first one. */
export interface PortDevice {
  readPort(offset: number): number;
  writePort(offset: number, value: number): void;
}

/** Two devices claim one port. */
export class PortOverlapError extends Error {
  readonly port: number;
  constructor(name: string, port: number, other: string) {
    super(`I/O ports of ${name} overlap those of ${other} at ${port.toString(16)}`);
    this.name = "PortOverlapError";
    this.port = port;
  }
}

interface PortRange {
  readonly name: string;
  readonly base: number;
  readonly count: number;
  readonly device: PortDevice;
}

const PORTS = 0x1_0000;

/**
 * The I/O port space: 65,536 byte-wide ports. Wider accesses are split into bytes, the lowest port first, and
 * put together as the machine's byte order has it: the port with the lower address is the byte with the lower
 * address. Ports where nothing answers read all ones.
 */
export class IsaPorts implements MmioDevice {
  private readonly endian: Endian;
  private readonly ranges: PortRange[] = [];
  /** Index + 1 into `ranges` by port, 0 where nothing answers. */
  private readonly owner = new Uint8Array(PORTS);

  constructor(endian: Endian) {
    this.endian = endian;
  }

  /** Maps `count` ports from `base` on to `device`. Throws {@link PortOverlapError}. */
  add(name: string, base: number, count: number, device: PortDevice): void {
    for (let port = base; port < base + count; port++) {
      const other = this.ranges[(this.owner[port] ?? 0) - 1];
      if (other !== undefined) throw new PortOverlapError(name, port, other.name);
    }
    this.ranges.push({ name, base, count, device });
    this.owner.fill(this.ranges.length, base, base + count);
  }

  /**
   * Maps `count` ports from `base` on to `device` in place of where the range of this name was before; nowhere
   * if `base` is null. Ports that another device has stay with it: where the guest moves a device is never an
   * error of the embedder.
   */
  move(name: string, base: number | null, count: number, device: PortDevice): void {
    let index = this.ranges.findIndex((range) => range.name === name);
    if (index < 0) index = this.ranges.push({ name, base: 0, count, device }) - 1;
    this.owner.forEach((owner, port) => {
      if (owner === index + 1) this.owner[port] = 0;
    });
    if (base === null) return;
    this.ranges[index] = { name, base, count, device };
    for (let port = base; port < Math.min(base + count, PORTS); port++)
      if (this.owner[port] === 0) this.owner[port] = index + 1;
  }

  /** Name of what answers at `port`, or null. */
  nameAt(port: number): string | null {
    return this.rangeAt(port)?.name ?? null;
  }

  private rangeAt(port: number): PortRange | undefined {
    return this.ranges[(this.owner[port] ?? 0) - 1];
  }

  private readByte(port: number): number {
    const range = this.rangeAt(port);
    return range === undefined ? 0xff : range.device.readPort(port - range.base) & 0xff;
  }

  private writeByte(port: number, value: number): void {
    const range = this.rangeAt(port);
    range?.device.writePort(port - range.base, value & 0xff);
  }

  /** Bits by which the byte at `offset` of an access of `size` bytes is shifted. */
  private shift(offset: number, size: number): number {
    return 8 * (this.endian === "little" ? offset : size - 1 - offset);
  }

  read(port: number, size: 1 | 2 | 4): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(port + i) << this.shift(i, size);
    return value >>> 0;
  }

  write(port: number, size: 1 | 2 | 4, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(port + i, value >>> this.shift(i, size));
  }
}

/**
 * The physical bus: what answers at a physical address that is not RAM.
 *
 * A device is given an offset into its own region and never knows where it is mapped. Values are unsigned
 * and right-aligned; a 4-byte read of a 1-byte register is the device's own affair. Byte lanes are those of
 * the machine's endianness: the offset is the address that the program used.
 */
export interface MmioDevice {
  /** Reads `size` (1, 2 or 4) bytes at `offset`; returns an unsigned value of that size. */
  read(offset: number, size: 1 | 2 | 4): number;
  /** Writes the low `size` bytes of `value` (unsigned) at `offset`. */
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

export interface BusRegion {
  readonly name: string;
  /** First physical address of the region. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
  readonly device: MmioDevice;
}

/** Regions of a {@link Bus} may not overlap. */
export class BusOverlapError extends Error {
  constructor(region: BusRegion, other: BusRegion) {
    super(`bus region ${region.name} overlaps ${other.name}`);
    this.name = "BusOverlapError";
  }
}

/** An ordered set of device regions. Lookups return null where nothing answers. */
export class Bus {
  private readonly regions: BusRegion[] = [];

  add(region: BusRegion): void {
    for (const other of this.regions) {
      if (region.base < other.base + other.size && other.base < region.base + region.size)
        throw new BusOverlapError(region, other);
    }
    this.regions.push(region);
    this.regions.sort((a, b) => a.base - b.base);
  }

  /** All regions, by address. */
  get all(): readonly BusRegion[] {
    return this.regions;
  }

  /** The region that holds physical address `pa`, or null. */
  find(pa: number): BusRegion | null {
    for (const region of this.regions) {
      if (pa < region.base) return null;
      if (pa < region.base + region.size) return region;
    }
    return null;
  }

  /** Reads `size` bytes at `pa`; all ones where nothing answers. */
  read(pa: number, size: 1 | 2 | 4): number {
    const region = this.find(pa);
    if (region === null) return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
    return region.device.read(pa - region.base, size) >>> 0;
  }

  /** Writes `size` bytes at `pa`; ignored where nothing answers. */
  write(pa: number, size: 1 | 2 | 4, value: number): void {
    const region = this.find(pa);
    region?.device.write(pa - region.base, size, value >>> 0);
  }
}

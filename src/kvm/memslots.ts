import type { Gpa, Hpa } from "./addresses.ts";
import { MemslotOverlapError, MemslotRangeError } from "./errors.ts";

/** A range of guest physical memory (KVM_SET_USER_MEMORY_REGION). */
export interface Memslot {
  readonly slot: number;
  /** First GPA; aligned to the host's page size. */
  readonly guestPhysAddr: Gpa;
  /** Bytes, a multiple of the host's page size; 0 deletes the slot. */
  readonly memorySize: number;
  /** The host memory that backs it, aligned to the host's page size. */
  readonly hostPhysAddr: Hpa;
  /** Guest stores to it leave as MMIO. */
  readonly readonly?: boolean;
}

/** User memory slots of a VM. */
export const MAX_MEMSLOTS = 16;

/** No memory at this GPA: an access is MMIO. */
export const NO_SLOT = -1;
/** The memory at this GPA may not be written: a store is MMIO. */
export const READ_ONLY = -2;

/** The guest physical memory of a VM. */
export class Memslots {
  private readonly pageSize: number;
  private readonly hostSize: number;
  private slots: Memslot[] = [];

  /** `hostSize` is the bytes of host RAM, `pageSize` the host's. */
  constructor(hostSize: number, pageSize: number) {
    this.hostSize = hostSize;
    this.pageSize = pageSize;
  }

  /** Every slot, by guest physical address. */
  get all(): readonly Memslot[] {
    return this.slots;
  }

  /**
   * Creates, replaces or (with size 0) deletes a slot. Returns the slot of that number as it was before.
   * Throws {@link MemslotRangeError} and {@link MemslotOverlapError}, and then changes nothing.
   */
  set(slot: Memslot): Memslot | null {
    const { guestPhysAddr, memorySize, hostPhysAddr } = slot;
    const refuse = (why: string): never => {
      throw new MemslotRangeError(slot.slot, guestPhysAddr, memorySize, why);
    };
    if (!Number.isInteger(slot.slot) || slot.slot < 0 || slot.slot >= MAX_MEMSLOTS)
      refuse(`slots are numbered 0 to ${MAX_MEMSLOTS - 1}`);
    for (const value of [guestPhysAddr, memorySize, hostPhysAddr])
      if (!Number.isInteger(value) || value < 0 || value % this.pageSize !== 0)
        refuse(`addresses and size must be multiples of the host page size ${this.pageSize}`);
    if (guestPhysAddr + memorySize > 2 ** 32) refuse("ends beyond 4 GiB of guest physical space");
    if (hostPhysAddr + memorySize > this.hostSize) refuse("ends beyond the host's memory");
    const others = this.slots.filter((other) => other.slot !== slot.slot);
    if (memorySize > 0) {
      for (const other of others) {
        if (
          guestPhysAddr < other.guestPhysAddr + other.memorySize &&
          other.guestPhysAddr < guestPhysAddr + memorySize
        )
          throw new MemslotOverlapError(slot.slot, other.slot);
      }
    }
    const old = this.slots.find((other) => other.slot === slot.slot) ?? null;
    this.slots = memorySize > 0 ? [...others, { ...slot }] : others;
    this.slots.sort((a, b) => a.guestPhysAddr - b.guestPhysAddr);
    return old;
  }

  /** The slot that holds `gpa`, or null. */
  find(gpa: Gpa): Memslot | null {
    for (const slot of this.slots)
      if (gpa >= slot.guestPhysAddr && gpa - slot.guestPhysAddr < slot.memorySize) return slot;
    return null;
  }

  /** The host address behind `gpa`, {@link NO_SLOT}, or {@link READ_ONLY} for a store to read-only memory. */
  gpaToHpa(gpa: Gpa, write: boolean): Hpa {
    const slot = this.find(gpa);
    if (slot === null) return NO_SLOT;
    if (write && slot.readonly === true) return READ_ONLY;
    return gpa - slot.guestPhysAddr + slot.hostPhysAddr;
  }

  /** True if the guest may write the memory at `gpa`. */
  isWritable(gpa: Gpa): boolean {
    const slot = this.find(gpa);
    return slot !== null && slot.readonly !== true;
  }
}

import type { Memory } from "../machine/memory.ts";
import { KSEG0 } from "../machine/segments.ts";
import type { Hpa } from "./addresses.ts";

/** The host has no room left for what the hypervisor needs. */
export class OutOfHostMemoryError extends Error {
  override readonly name = "OutOfHostMemoryError";
  /** Bytes asked for. */
  readonly bytes: number;
  /** Host pages that are still free, perhaps not in one piece. */
  readonly freePages: number;
  constructor(bytes: number, freePages: number, pageSize: number) {
    super(`no ${bytes} bytes of host memory in one piece (${freePages} pages of ${pageSize} bytes are free)`);
    this.bytes = bytes;
    this.freePages = freePages;
  }
}

/** A block was freed that is not allocated, or was allocated otherwise. */
export class HostPageError extends Error {
  override readonly name = "HostPageError";
  readonly hpa: Hpa;
  constructor(hpa: Hpa, why: string) {
    super(`host page ${hpa.toString(16)} ${why}`);
    this.hpa = hpa;
  }
}

/** The part of host RAM that an allocator hands out. */
export interface HostPageRange {
  readonly first: Hpa;
  /** End, not included; cut to RAM and, unless `anywhere`, to what kseg0 shows. */
  readonly end: Hpa;
  /** True if blocks need not be reachable through kseg0: memory of guests, but no tables and no code. */
  readonly anywhere?: boolean;
}

/**
 * The allocator of host pages for the hypervisor: first fit over a page map, so that the same sequence of calls
 * always gives the same addresses. Blocks are whole pages.
 */
export class HostPages {
  readonly memory: Memory;
  readonly pageSize: number;
  private readonly first: Hpa;
  /** For each page: 0 free, n > 0 the first page of a block of n pages, -1 inside a block. */
  private readonly map: Int32Array;
  /** No page below this one is free. */
  private hint = 0;
  private used = 0;

  constructor(memory: Memory, pageSize: number, range: HostPageRange) {
    const end = Math.min(range.end, memory.size, range.anywhere === true ? Infinity : KSEG0.bytes);
    this.memory = memory;
    this.pageSize = pageSize;
    this.first = Math.ceil(range.first / pageSize) * pageSize;
    const pages = Math.floor((end - this.first) / pageSize);
    if (pages <= 0) throw new RangeError(`no host pages between ${range.first} and ${end}`);
    this.map = new Int32Array(pages);
  }

  /** Pages in use, for leak checks. */
  get allocated(): number {
    return this.used;
  }
  get free(): number {
    return this.map.length - this.used;
  }

  /**
   * Allocates `bytes` (rounded up to pages) at a multiple of `align`, a power of two; a page is the least
   * alignment. Contents are undefined. Throws {@link OutOfHostMemoryError}.
   */
  alloc(bytes: number, align = this.pageSize): Hpa {
    const { map, pageSize } = this;
    const count = Math.max(1, Math.ceil(bytes / pageSize));
    const step = Math.max(1, align / pageSize);
    // Pages to skip until the first aligned one.
    const phase = (step - ((this.first / pageSize) % step)) % step;
    while (this.hint < map.length && map[this.hint] !== 0) this.hint++;
    const start = phase + Math.ceil(Math.max(0, this.hint - phase) / step) * step;
    search: for (let page = start; page + count <= map.length; page += step) {
      for (let i = 0; i < count; i++) if (map[page + i] !== 0) continue search;
      map.fill(-1, page, page + count);
      map[page] = count;
      this.used += count;
      return this.first + page * pageSize;
    }
    throw new OutOfHostMemoryError(bytes, this.free, pageSize);
  }

  /** Allocates and fills with zeros. */
  allocZeroed(bytes: number, align = this.pageSize): Hpa {
    const hpa = this.alloc(bytes, align);
    const pages = Math.max(1, Math.ceil(bytes / this.pageSize));
    this.clear(hpa, pages * this.pageSize);
    return hpa;
  }

  /**
   * Allocates as {@link alloc}, but at the highest such address: what others are given does not depend on it. Throws
   * {@link OutOfHostMemoryError}.
   */
  allocLast(bytes: number, align: number): Hpa {
    const { map, pageSize } = this;
    const count = Math.ceil(bytes / pageSize);
    for (let hpa = Math.floor((this.end - bytes) / align) * align; hpa >= this.first; hpa -= align) {
      const page = (hpa - this.first) / pageSize;
      if (map.subarray(page, page + count).some((use) => use !== 0)) continue;
      this.claim(hpa, bytes);
      return hpa;
    }
    throw new OutOfHostMemoryError(bytes, this.free, pageSize);
  }

  /** End of what this allocator hands out, not included. */
  get end(): Hpa {
    return this.first + this.map.length * this.pageSize;
  }

  /** True if this allocator hands out the page at `hpa`. */
  covers(hpa: Hpa): boolean {
    return hpa >= this.first && hpa < this.end;
  }

  /** True if the page at `hpa` belongs to an allocated block. */
  isAllocated(hpa: Hpa): boolean {
    return (this.map[Math.floor((hpa - this.first) / this.pageSize)] ?? 0) !== 0;
  }

  /** Bytes of the block that is allocated at `hpa`, whole pages. */
  bytesAt(hpa: Hpa): number {
    return this.map[(hpa - this.first) / this.pageSize]! * this.pageSize;
  }

  /** Allocates the block of `bytes` bytes at `hpa` and no other. Throws {@link HostPageError} if it is not free. */
  claim(hpa: Hpa, bytes: number): void {
    const page = (hpa - this.first) / this.pageSize;
    const count = Math.ceil(bytes / this.pageSize);
    const isFree = Number.isInteger(page) && page >= 0 && page + count <= this.map.length;
    if (!isFree || this.map.subarray(page, page + count).some((use) => use !== 0))
      throw new HostPageError(hpa, "is not free");
    this.map.fill(-1, page, page + count);
    this.map[page] = count;
    this.used += count;
  }

  /** Fills `bytes` bytes (whole words) from `hpa` with zeros. */
  clear(hpa: Hpa, bytes: number): void {
    const at = (this.memory.plan.ram + hpa) >>> 2;
    this.memory.i32.fill(0, at, at + bytes / 4);
  }

  /** Gives a block back. Throws {@link HostPageError} if `hpa` is not the start of an allocated block. */
  release(hpa: Hpa): void {
    const page = (hpa - this.first) / this.pageSize;
    const count = Number.isInteger(page) ? (this.map[page] ?? 0) : 0;
    if (count <= 0) throw new HostPageError(hpa, "is not the start of an allocated block");
    this.map.fill(0, page, page + count);
    this.used -= count;
    if (page < this.hint) this.hint = page;
  }
}

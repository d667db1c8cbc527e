import { planMemory, type MemoryPlan } from "./state-layout.ts";

/** Byte order of the machine. */
export type Endian = "little" | "big";

/** RAM cannot be this large, or not of this size. */
export class RamSizeError extends Error {
  readonly bytes: number;
  constructor(bytes: number, why: string) {
    super(`memory of ${bytes} bytes ${why}`);
    this.name = "RamSizeError";
    this.bytes = bytes;
  }
}

/** Decoded code pages: enough for every page that a booting Linux and its user space execute. */
const CODE_PAGES = 4096;
const MAX_RAM = 2 ** 31;

/**
 * The machine's memory: RAM, and beside it the state that the engine shares.
 *
 * RAM is an array of 32-bit words in the embedder's byte order. On a big-endian machine the bytes inside a word
 * are mirrored (byte address ^ 3, halfword ^ 2): aligned words need no swap in either byte order, and MIPS
 * never accesses memory unaligned. Whoever moves bytes goes through `readBytes` and `writeBytes`.
 */
export class Memory {
  readonly wasm: WebAssembly.Memory;
  readonly plan: MemoryPlan;
  readonly endian: Endian;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  /** Bytes of RAM; physical addresses run from 0 up to this. */
  readonly size: number;

  constructor(ramBytes: number, endian: Endian, cpus = 1) {
    if (!Number.isInteger(ramBytes) || ramBytes <= 0 || ramBytes % 65536 !== 0)
      throw new RamSizeError(ramBytes, "is not a positive multiple of 64 KiB");
    if (ramBytes > MAX_RAM)
      throw new RamSizeError(ramBytes, "is more than the 2 GiB that the machine can hold");
    this.plan = planMemory(ramBytes, CODE_PAGES, cpus);
    this.endian = endian;
    this.size = ramBytes;
    const pages = this.plan.totalBytes / 65536;
    this.wasm = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.i32 = new Int32Array(this.wasm.buffer);
    this.u32 = new Uint32Array(this.wasm.buffer);
  }

  /** Reads the word at physical address `pa` (word aligned, in RAM), unsigned. */
  read32(pa: number): number {
    return this.u32[(this.plan.ram + pa) >>> 2]!;
  }

  /** Writes the word at physical address `pa`. Decoded code is not told: use `Machine.writePhysical32` for code. */
  write32(pa: number, value: number): void {
    this.i32[(this.plan.ram + pa) >>> 2] = value;
  }

  /** XOR mask that turns a byte address into its place in the word array, for an access of `size` bytes. */
  swizzle(size: number): number {
    return this.endian === "big" ? (4 - size) & 3 : 0;
  }

  readBytes(pa: number, length: number): Uint8Array {
    const start = this.plan.ram + pa;
    if (this.endian === "little") return this.u8.slice(start, start + length);
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u8[(start + i) ^ 3]!;
    return bytes;
  }

  writeBytes(pa: number, bytes: Uint8Array): void {
    const start = this.plan.ram + pa;
    if (this.endian === "little") this.u8.set(bytes, start);
    else for (let i = 0; i < bytes.length; i++) this.u8[(start + i) ^ 3] = bytes[i]!;
  }
}

import type { AccessWidth } from "../../isa/ir.ts";
import type { Endian } from "../../machine/memory.ts";
import { choice, flag, i32, integer, list, orNull, record, u32, variants } from "../../state/fields.ts";
import type { Gpa } from "../addresses.ts";
import { MMIO_EXIT, type MmioExit } from "../vcpu-exit.ts";

/** A load whose value the VMM is to supply. */
interface PendingLoad {
  readonly kind: "load";
  readonly exit: MmioExit;
  readonly width: AccessWidth;
  readonly signed: boolean;
  /** Low two address bits of the access. */
  readonly lane: number;
  readonly register: number;
  /** What the register held. */
  readonly old: number;
  /** Where the guest goes on. */
  readonly resume: number;
}

/** A load of a register of the FPU, a word at a time. */
export interface PendingFpuLoad {
  readonly kind: "fpuLoad";
  readonly register: number;
  /** The word that the VMM is to supply. */
  readonly exit: MmioExit;
  /** What the first word of two was; null if `exit` is the first. */
  readonly first: number | null;
  readonly bytes: 4 | 8;
  readonly resume: number;
}

/** Stores that one instruction still has to make. */
interface PendingStores {
  readonly kind: "stores";
  readonly rest: readonly MmioExit[];
}

export type PendingAccess = PendingLoad | PendingFpuLoad | PendingStores;

/** How it is kept. */
export const PENDING_ACCESS = variants<"kind", PendingAccess>("kind", {
  load: record<Omit<PendingLoad, "kind">>({
    exit: MMIO_EXIT,
    width: choice<AccessWidth>([1, 2, 4, "left", "right"]),
    ...{ signed: flag, lane: integer(0, 3), register: integer(0, 31), old: i32, resume: u32 },
  }),
  fpuLoad: record<Omit<PendingFpuLoad, "kind">>({
    ...{ register: integer(0, 31), exit: MMIO_EXIT, first: orNull(u32) },
    ...{ bytes: choice<4 | 8>([4, 8]), resume: u32 },
  }),
  stores: record<Omit<PendingStores, "kind">>({ rest: list(MMIO_EXIT, 1, 4) }),
});

function exitFor(physAddr: Gpa, len: 1 | 2 | 4, isWrite: boolean, data: number): MmioExit {
  return { reason: "mmio", physAddr, len, isWrite, data };
}

/** True if an access of `width` at `address` is not naturally aligned. LWL and its kin always are. */
export function isUnaligned(address: number, width: AccessWidth): boolean {
  return typeof width === "number" && (address & (width - 1)) !== 0;
}

/** The bus access of a load of `width` at `gpa`: LWL and LWR read the aligned word around it. */
export function loadAccess(gpa: Gpa, width: AccessWidth): MmioExit {
  if (typeof width === "number") return exitFor(gpa, width, false, 0);
  return exitFor(gpa - (gpa & 3), 4, false, 0);
}

/**
 * The bytes of `register` that SWL or SWR stores, as [offset in the aligned word, value]. Little-endian SWL
 * stores the register's top bytes into the low part of the word up to the addressed byte; big-endian mirrors
 * that (MIPS32 instruction set, SWL and SWR).
 */
function storedBytes(
  part: "left" | "right",
  lane: number,
  register: number,
  endian: Endian,
): [number, number][] {
  const bytes: [number, number][] = [];
  for (let offset = 0; offset < 4; offset++) {
    // Significance of the byte at `offset` and of the addressed byte within a word in memory.
    const at = endian === "little" ? offset : 3 - offset;
    const addressed = endian === "little" ? lane : 3 - lane;
    const shift = part === "left" ? 24 - 8 * (addressed - at) : 8 * (at - addressed);
    if (part === "left" ? at > addressed : at < addressed) continue;
    bytes.push([offset, (register >>> shift) & 0xff]);
  }
  return bytes;
}

/**
 * The bus accesses of a store: one, or for a SWL or SWR that stores part of a word a byte at a time in
 * ascending order. Nothing is written beyond what the instruction stores.
 */
export function storeAccesses(gpa: Gpa, width: AccessWidth, value: number, endian: Endian): MmioExit[] {
  if (typeof width === "number") {
    const data = width === 4 ? value >>> 0 : value & (2 ** (8 * width) - 1);
    return [exitFor(gpa, width, true, data)];
  }
  const lane = gpa & 3;
  const word = gpa - lane;
  const bytes = storedBytes(width, lane, value, endian);
  if (bytes.length === 4) return [exitFor(word, 4, true, value >>> 0)];
  return bytes.map(([offset, byte]) => exitFor(word + offset, 1, true, byte));
}

/** The register's value after a load of `width` that read `data`; `old` is merged by LWL and LWR. */
export function loadedValue(
  width: AccessWidth,
  signed: boolean,
  lane: number,
  old: number,
  data: number,
  endian: Endian,
): number {
  switch (width) {
    case 1:
      return signed ? (data << 24) >> 24 : data & 0xff;
    case 2:
      return signed ? (data << 16) >> 16 : data & 0xffff;
    case 4:
      return data | 0;
    default: {
      const n = endian === "little" ? lane : 3 - lane;
      if (width === "left") {
        const shift = 8 * (3 - n);
        return (data << shift) | (old & ((1 << shift) - 1));
      }
      const kept = n === 0 ? 0 : -1 << (32 - 8 * n);
      return (data >>> (8 * n)) | (old & kept);
    }
  }
}

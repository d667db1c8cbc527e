import { CAUSE, CONFIG, CP0, STATUS } from "../isa/cp0.ts";
import { cp0Table } from "../machine/cp0-table.ts";
import { config1Of, config4Of, CPU_MODELS, type CpuModel, type FpuModel } from "../machine/cpu-models.ts";
import type { Machine } from "../machine/machine.ts";
import type { GuestMap } from "./guest-map.ts";
import { CP0_REGISTERS } from "./layout.ts";

/** How the guest's MTC0 to a register behaves. */
export interface GuestCp0Write {
  /** Bits that a write changes. */
  readonly mask: number;
  /** Nothing else happens. */
  readonly plain: boolean;
}

const ALL = 0xffff_ffff;
const PLAIN: GuestCp0Write = { mask: ALL, plain: true };
const IGNORED: GuestCp0Write = { mask: 0, plain: false };

/** What guests are told they have is based on this model. */
const BASE_MODEL: CpuModel = CPU_MODELS["24Kc"]!;
/** Entries of a 24Kc's TLB at most. A guest with more finds TLBINV and EHINV too, so that it can empty it at once. */
const PLAIN_TLB = 64;

/** Registers whose writes do more than set the writable bits, or other ones: `emulate/cp0.ts` treats them apart. */
const WITH_EFFECT: ReadonlySet<number> = new Set([
  CP0.PageMask,
  CP0.Wired,
  CP0.HWREna,
  CP0.Count,
  CP0.EntryHi,
  CP0.Compare,
  CP0.Status,
  CP0.Cause,
  CP0.EBase,
]);
/** Registers whose value is worked out when they are read. */
const COMPUTED: ReadonlySet<number> = new Set([CP0.Count, CP0.Random]);
/** Bits that the machine's CPU can write and the guest's cannot: it has no watch registers. */
const CAUSE_ABSENT = CAUSE.WP;

/**
 * Registers that are masked when they are read, if MTC0 is translated. A guest writes EntryLo0 and EntryLo1 at every
 * TLB refill and hardly ever reads them, so it is worth more that the write is translated than that the read is.
 */
export const MASKED_WHEN_READ: ReadonlySet<number> = new Set([CP0.EntryLo0, CP0.EntryLo1]);

function writeOf(index: number, writable: number): GuestCp0Write {
  const mask = index === CP0.Cause ? writable & ~CAUSE_ABSENT : writable;
  return { mask, plain: !WITH_EFFECT.has(index) };
}

/** True if MFC0 of register `index` reads the word in the register array, as it is. */
export function isStored(index: number): boolean {
  return !COMPUTED.has(index) && !MASKED_WHEN_READ.has(index);
}

/** True if a store of all bits to register `index` does what such a write does, as far as a guest can tell. */
export function isStoredWhole({ mask, plain }: GuestCp0Write, index: number): boolean {
  return plain && (mask === ALL || MASKED_WHEN_READ.has(index));
}

/** The KScratch registers, which exist as far as the guest's Config4.KScrExist says. */
const KSCRATCH_NUMBER = 31;

/**
 * The CPU that a guest is told it has: a 24Kc with UserLocal, one interrupt vector, and a TLB of a size to choose.
 * Its registers are those of the machine's table for such a CPU.
 */
export class GuestCpu {
  readonly model: CpuModel;
  /** By flat index, for each register that there can be. */
  private readonly writes: readonly GuestCp0Write[];
  private readonly readMasks: readonly number[];

  /** `tlbEntries` is a power of two from 64; `fpu` is that of the host if the guest may have it. */
  constructor(tlbEntries: number, fpu: FpuModel | null) {
    this.model = {
      ...BASE_MODEL,
      tlbEntries,
      tlbInvalidate: tlbEntries > PLAIN_TLB,
      userLocal: true,
      vectoredInterrupts: false,
      fpu,
    };
    const specs = cp0Table(this.model, "little");
    const registers = Array.from({ length: CP0_REGISTERS }, (_, index) => index);
    this.writes = registers.map((index) => {
      const spec = specs.get(index);
      return spec === undefined ? IGNORED : writeOf(index, spec.writable);
    });
    this.readMasks = registers.map((index) => {
      if (MASKED_WHEN_READ.has(index)) return this.writes[index]!.mask;
      return COMPUTED.has(index) || index === CP0.ErrCtl ? 0 : ALL;
    });
  }

  /**
   * What the guest's MTC0 does to register `index`, given the guest's registers. Status, EBase, PageMask and HWREna
   * depend on more than that (`emulate/cp0.ts`).
   */
  write(cp0: Int32Array, index: number): GuestCp0Write {
    const select = index & 7;
    if (index >>> 3 === KSCRATCH_NUMBER && select >= 2) {
      const exists = (cp0[CP0.Config4]! >>> (CONFIG.C4_KSCREXIST_SHIFT + select)) & 1;
      return exists !== 0 ? PLAIN : IGNORED;
    }
    return this.writes[index]!;
  }

  /** Bits that the guest's MFC0 of register `index` shows of the word in the array; 0 if it does not read that word. */
  readMask(index: number): number {
    return this.readMasks[index]!;
  }

  /** The guest's EntryLo0 or EntryLo1: a translated MTC0 may have left more bits in the register array than exist. */
  entryLo(cp0: Int32Array, index: number): number {
    return cp0[index]! & this.writes[index]!.mask;
  }
}

/** Bits of Status that a guest can write: those of its CPU but NMI, which no one raises, and those of an FPU. */
export const GUEST_STATUS_WRITABLE = BASE_MODEL.statusWritable & ~STATUS.NMI;

const PRID_24KC = 0x0001_9300;
/** Config1: coprocessor 2, MDMX, performance counters, watch registers, MIPS16, EJTAG and FPU. */
const CONFIG1_FEATURES = 0x7f;
const CONFIG1_MMU_SIZE = 0x3f << CONFIG.C1_MMU_SIZE_SHIFT;
/** The guest's timer interrupt is on IP7, as is that of the performance counters. */
export const TIMER_LINE = 7;
const INTCTL = (TIMER_LINE << 29) | (TIMER_LINE << 26);
/** Config7: WII (WAIT ends on a masked interrupt), and the bit that says the caches have no aliases. */
const CONFIG7 = CONFIG.C7_WII | (1 << 10);
const CACHED = 3;

/** Puts the guest's CP0 registers into their reset state: those of `guestCpu`, with the caches of the machine's CPU. */
export function resetGuestCp0(
  cp0: Int32Array,
  machine: Machine,
  guestCpu: GuestCpu,
  map: GuestMap,
  id: number,
): void {
  const { ops } = machine;
  cp0.fill(0);
  cp0[CP0.PRId] = PRID_24KC;
  cp0[CP0.Config] = (ops.readCp0(CP0.Config) & ~(CONFIG.K0 | CONFIG.MT)) | CONFIG.M | CONFIG.MT_TLB | CACHED;
  const { model } = guestCpu;
  const config1 = ops.readCp0(CP0.Config1) & ~(CONFIG1_FEATURES | CONFIG1_MMU_SIZE);
  cp0[CP0.Config1] = config1 | (config1Of(model) & (CONFIG1_MMU_SIZE | CONFIG.C1_FP)) | CONFIG.M;
  cp0[CP0.Config2] = CONFIG.M;
  cp0[CP0.Config3] = CONFIG.M | CONFIG.C3_ULRI;
  cp0[CP0.Config4] = CONFIG.M | config4Of(model);
  cp0[CP0.Config7] = CONFIG7;
  cp0[CP0.Status] = STATUS.BEV | STATUS.ERL;
  cp0[CP0.IntCtl] = INTCTL;
  cp0[CP0.EBase] = map.ebase | id;
}

import { CAUSE, CONFIG, CONTEXT, CP0, ENTRY_HI, STATUS } from "../isa/cp0.ts";
import type { Machine } from "../machine/machine.ts";
import { GUEST_TLB_SIZE } from "./guest-tlb.ts";
import type { GuestMap } from "./guest-map.ts";

/** How the guest's MTC0 to a register behaves. */
export interface GuestCp0Write {
  /** Bits that a write changes. */
  readonly mask: number;
  /** A write has no effect beyond the stored bits and stores all of them: dynamic translation may replace it. */
  readonly plain: boolean;
}

const ALL = 0xffff_ffff;
const plain: GuestCp0Write = { mask: ALL, plain: true };
const masked = (mask: number): GuestCp0Write => ({ mask, plain: false });
const IGNORED: GuestCp0Write = masked(0);

/**
 * What the guest's MTC0 does to each register that it can write. Registers that are not here ignore writes:
 * identification, configuration and what only the hardware sets. Status, Cause, EBase, EntryHi, Count,
 * Compare, PageMask and HWREna are treated apart (`emulate/cp0.ts`); their masks are here as far as fixed.
 *
 * Index, EntryLo0 and EntryLo1 keep whatever is written; what uses them reduces it.
 */
const WRITES: ReadonlyMap<number, GuestCp0Write> = new Map([
  [CP0.Index, plain],
  [CP0.EntryLo0, plain],
  [CP0.EntryLo1, plain],
  [CP0.Context, masked(CONTEXT.PTEBASE)],
  [CP0.UserLocal, plain],
  [CP0.Wired, masked(GUEST_TLB_SIZE - 1)],
  [CP0.EntryHi, masked(ENTRY_HI.VPN2 | ENTRY_HI.ASID)],
  [CP0.Cause, masked(CAUSE.DC | CAUSE.IV | CAUSE.IP01)],
  [CP0.EPC, plain],
  [CP0.Config, masked(CONFIG.K0)],
  [CP0.ITagLo, plain],
  [CP0.IDataLo, plain],
  [CP0.DTagLo, plain],
  [CP0.DDataLo, plain],
  [CP0.ITagHi, plain],
  [CP0.IDataHi, plain],
  [CP0.DTagHi, plain],
  [CP0.DDataHi, plain],
  [CP0.ErrorEPC, plain],
  [CP0.DESAVE, plain],
]);

/** The KScratch registers, which exist as far as the guest's Config4.KScrExist says. */
const KSCRATCH_NUMBER = 31;

/** How a write to guest register `index` behaves, given the guest's registers. */
export function guestCp0Write(cp0: Int32Array, index: number): GuestCp0Write {
  const select = index & 7;
  if (index >>> 3 === KSCRATCH_NUMBER && select >= 2) {
    const exists = (cp0[CP0.Config4]! >>> (CONFIG.C4_KSCREXIST_SHIFT + select)) & 1;
    return exists !== 0 ? plain : IGNORED;
  }
  return WRITES.get(index) ?? IGNORED;
}

/** Bits of Status that a guest can write: those of the host CPU but NMI, which no one raises. */
export function guestStatusWritable(machine: Machine): number {
  return machine.config.model.statusWritable & ~STATUS.NMI;
}

const PRID_24KC = 0x0001_9300;
const MMU_SIZE = (GUEST_TLB_SIZE - 1) << CONFIG.C1_MMU_SIZE_SHIFT;
/** Config1: coprocessor 2, MDMX, performance counters, watch registers, MIPS16, EJTAG and FPU. */
const CONFIG1_FEATURES = 0x7f;
const CONFIG1_MMU_SIZE = 0x7e00_0000;
/** IntCtl: the timer's and the performance counters' interrupts are both on IP7. */
const INTCTL_IP7 = 0xfc00_0000;
/** Config7: WII (WAIT ends on a masked interrupt), and the bit that says the caches have no aliases. */
const CONFIG7 = CONFIG.C7_WII | (1 << 10);
const CACHED = 3;

/** Puts the guest's CP0 registers into their reset state: a 24Kc with a TLB of 64 entries and no FPU. */
export function resetGuestCp0(cp0: Int32Array, machine: Machine, map: GuestMap, id: number): void {
  const { ops } = machine;
  cp0.fill(0);
  cp0[CP0.PRId] = PRID_24KC;
  cp0[CP0.Config] = (ops.readCp0(CP0.Config) & ~CONFIG.K0) | CONFIG.M | CACHED;
  const config1 = ops.readCp0(CP0.Config1) & ~(CONFIG1_FEATURES | CONFIG1_MMU_SIZE);
  cp0[CP0.Config1] = config1 | MMU_SIZE | CONFIG.M;
  cp0[CP0.Config2] = CONFIG.M;
  cp0[CP0.Config3] = CONFIG.M | CONFIG.C3_ULRI;
  cp0[CP0.Config4] = CONFIG.M;
  cp0[CP0.Config7] = CONFIG7;
  cp0[CP0.Status] = STATUS.BEV | STATUS.ERL;
  cp0[CP0.IntCtl] = INTCTL_IP7;
  cp0[CP0.EBase] = map.ebase | id;
}

import {
  CAUSE,
  CONFIG,
  CONTEXT,
  CP0,
  EBASE,
  ENTRY_HI,
  ENTRY_LO,
  FTLB,
  HWRENA,
  PAGE_GRAIN,
  PW,
  STATUS,
} from "../isa/cp0.ts";
import {
  config1Of,
  config3Of,
  config4Of,
  config5Of,
  statusWritableOf,
  tlbSizeOf,
  type CpuModel,
} from "./cpu-models.ts";
import type { Endian } from "./memory.ts";
import { LEGACY_SEG_CTL, SEG_CTL_WRITABLE } from "./segments.ts";

/** What a plain MTC0 may change in a register, and what reset leaves there. Both are 32-bit patterns. */
export interface Cp0Spec {
  readonly writable: number;
  readonly reset: number;
  /** A read gives the word as it is stored. */
  readonly readsPlainly: boolean;
  /** A write changes the writable bits, and nothing else happens. */
  readonly writesPlainly: boolean;
  /** Bits of the upper half that MTHC0 may change; absent if the register has no upper half. It resets to 0. */
  readonly high?: number;
}

/** Registers that are not simply words: reading one gives more than what was stored there last. */
const COMPUTED: ReadonlySet<number> = new Set([CP0.Count, CP0.Random, CP0.LLAddr]);
/** Registers of which a write does more than change the writable bits. */
const ACTIVE: ReadonlySet<number> = new Set([
  ...[CP0.Index, CP0.Wired, CP0.PageGrain, CP0.SegCtl0, CP0.SegCtl1, CP0.SegCtl2, CP0.PWField],
  ...[CP0.Count, CP0.EntryHi, CP0.Compare, CP0.Status, CP0.Cause, CP0.EBase, CP0.LLAddr],
  ...[CP0.Config4, CP0.Config6],
]);

const READ_ONLY = 0;
const ALL = 0xffff_ffff;

/**
 * The CP0 registers of `model`, by flat index. A register that is not listed does not exist: it reads as zero
 * and ignores writes.
 */
export function cp0Table(model: CpuModel, endian: Endian): ReadonlyMap<number, Cp0Spec> {
  const table = new Map<number, Cp0Spec>();
  const add = (index: number, writable: number, reset = 0, high?: number): void => {
    const hasMoreBits = (index === CP0.EntryLo0 || index === CP0.EntryLo1) && (model.rixi || model.xpa);
    const spec = {
      ...{ writable: writable >>> 0, reset: reset >>> 0 },
      ...{ readsPlainly: !COMPUTED.has(index), writesPlainly: !ACTIVE.has(index) && !hasMoreBits },
    };
    table.set(index, high === undefined ? spec : { ...spec, high: high >>> 0 });
  };
  const frameBits = (1 << (Math.min(model.physicalBits, 36) - 12)) - 1;
  const frameHigh = model.xpa ? 2 ** (model.physicalBits - 36) - 1 : undefined;
  const inhibit = model.rixi ? ENTRY_LO.RI | ENTRY_LO.XI : 0;
  const entryLo = ((frameBits << ENTRY_LO.PFN_SHIFT) & ENTRY_LO.PFN) | 0x3f | inhibit;

  add(CP0.Index, (1 << Math.ceil(Math.log2(tlbSizeOf(model)))) - 1);
  add(CP0.Random, READ_ONLY, model.tlbEntries - 1);
  add(CP0.EntryLo0, entryLo, 0, frameHigh);
  add(CP0.EntryLo1, entryLo, 0, frameHigh);
  add(CP0.Context, CONTEXT.PTEBASE);
  add(CP0.PageMask, 0x1fff_e000);
  const largeAddresses = model.xpa ? PAGE_GRAIN.ELPA : 0;
  if (model.rixi) add(CP0.PageGrain, PAGE_GRAIN.RIE | PAGE_GRAIN.XIE | PAGE_GRAIN.IEC | largeAddresses);
  if (model.segmentControl)
    for (const [n, index] of [CP0.SegCtl0, CP0.SegCtl1, CP0.SegCtl2].entries())
      add(index, SEG_CTL_WRITABLE[n]!, LEGACY_SEG_CTL[n]);
  if (model.pageWalker) {
    // 32-bit pointers and no huge pages: PWSize.PS and PWCtl but for its enable bit stay 0.
    add(CP0.PWBase, ALL);
    add(CP0.PWField, 0x3fff_ffff, 0x0c30_c302);
    add(CP0.PWSize, 0x3fff_ffff, 0x0000_0040);
    add(CP0.PWCtl, PW.CTL_EN);
  }
  add(CP0.Wired, (1 << Math.ceil(Math.log2(model.tlbEntries))) - 1);
  const userLocal = model.userLocal ? HWRENA.ULR : 0;
  add(CP0.HWREna, HWRENA.CPUNum | HWRENA.SYNCI_Step | HWRENA.CC | HWRENA.CCRes | userLocal);
  if (model.userLocal) add(CP0.UserLocal, ALL);
  add(CP0.BadVAddr, READ_ONLY);
  if (model.badInstr) {
    add(CP0.BadInstr, READ_ONLY);
    add(CP0.BadInstrP, READ_ONLY);
  }
  add(CP0.Count, ALL);
  add(CP0.EntryHi, ENTRY_HI.VPN2 | ENTRY_HI.ASID | (model.tlbInvalidate ? ENTRY_HI.EHINV : 0));
  add(CP0.Compare, ALL);
  add(CP0.Status, statusWritableOf(model), STATUS.BEV | STATUS.ERL);
  // IPTI = 7, IPPCI = 7: the timer is hardware interrupt 5.
  add(CP0.IntCtl, model.vectoredInterrupts ? 0x3e0 : 0, 0xe000_0000);
  add(CP0.SRSCtl, READ_ONLY);
  add(CP0.SRSMap, READ_ONLY);
  add(CP0.Cause, CAUSE.IP01 | CAUSE.WP | CAUSE.IV | CAUSE.DC);
  add(CP0.EPC, ALL);
  add(CP0.PRId, READ_ONLY, model.prid);
  add(CP0.EBase, EBASE.BASE_NO_WG | (model.ebaseWriteGate ? EBASE.WG : 0), 0x8000_0000);
  // M, MIPS32 release 2, TLB MMU; kseg0 starts uncached as after a real reset.
  const config0 = CONFIG.M | 0x400 | CONFIG.MT_TLB | 0x2 | (endian === "big" ? CONFIG.BE : 0);
  add(CP0.Config, CONFIG.K0, config0);
  add(CP0.Config1, READ_ONLY, config1Of(model));
  add(CP0.Config2, READ_ONLY, CONFIG.M);
  add(CP0.Config3, READ_ONLY, config3Of(model));
  if (config4Of(model) !== 0)
    add(CP0.Config4, model.ftlb === null ? READ_ONLY : FTLB.C4_PAGE_SIZE, config4Of(model));
  if (config5Of(model) !== 0)
    add(CP0.Config5, model.segmentControl ? CONFIG.C5_K | CONFIG.C5_CV : 0, config5Of(model));
  if (model.ftlb !== null) add(CP0.Config6, FTLB.C6_EN);
  // WII: WAIT ends on an interrupt even if interrupts are disabled.
  add(CP0.Config7, READ_ONLY, CONFIG.C7_WII);
  add(CP0.LLAddr, READ_ONLY, 0, model.xpa ? READ_ONLY : undefined);
  add(CP0.ErrCtl, READ_ONLY);
  for (const tag of [CP0.ITagLo, CP0.IDataLo, CP0.DTagLo, CP0.DDataLo]) add(tag, ALL);
  for (const tag of [CP0.ITagHi, CP0.IDataHi, CP0.DTagHi, CP0.DDataHi]) add(tag, ALL);
  add(CP0.ErrorEPC, ALL);
  for (let select = 2; select < 8; select++)
    if ((model.kscratch >>> select) & 1) add(CP0.DESAVE + select, ALL);
  return table;
}

import { CONFIG, FTLB, STATUS } from "../isa/cp0.ts";
import { FCSR, FIR } from "../isa/fpu.ts";
import type { IsaLevel } from "../isa/row.ts";

/** The FPU of a CPU model: one with registers of 64 bits (Status.FR), for single and double, words and longs. */
export interface FpuModel {
  /** FIR. */
  readonly fir: number;
  /** FCSR after reset, and what CTC1 can change in it. */
  readonly fcsrReset: number;
  readonly fcsrWritable: number;
}

/** The set-associative part of a TLB (FTLB): powers of two, at least two ways. */
export interface FtlbModel {
  readonly ways: number;
  readonly sets: number;
}

/**
 * A host CPU model, as data. What a model lacks is reserved on it: its CP0 registers read as zero and
 * ignore writes, its instructions raise RI.
 */
export interface CpuModel {
  readonly name: string;
  readonly isa: IsaLevel;
  readonly prid: number;
  /** Joint TLB entries, each mapping a pair of pages: those that take pages of any size (VTLB). */
  readonly tlbEntries: number;
  /**
   * Entries beyond these for pages of one size, which Config4.FTLBPageSize chooses (4K or 16K); null if there are none.
   * They are in use while Config6.FTLBEn is set, and TLBWR writes every page of that size there.
   */
  readonly ftlb: FtlbModel | null;
  /** Bit n set: KScratch register 31.n exists (n = 2..7); also what Config4.KScrExist shows. */
  readonly kscratch: number;
  /** Read-inhibit and execute-inhibit page attributes (Config3.RXI, PageGrain.RIE/XIE). */
  readonly rixi: boolean;
  /** BadInstr and BadInstrP hold the faulting instruction and its branch. */
  readonly badInstr: boolean;
  readonly userLocal: boolean;
  readonly vectoredInterrupts: boolean;
  /** A TLB write that would match another entry raises a machine check instead of being carried out. */
  readonly tlbMachineCheck: boolean;
  /** Physical address bits: up to 36 as EntryLo.PFN allows, more with XPA. */
  readonly physicalBits: number;
  /**
   * EVA: the segments are what SegCtl0 to SegCtl2 say (Config3.SC), and the user-access instructions of level
   * mips32r5 are announced (Config5.EVA).
   */
  readonly segmentControl: boolean;
  /** XPA: EntryLo has an upper half, reached by MFHC0 and MTHC0 (Config3.LPA, Config5.MVH, PageGrain.ELPA). */
  readonly xpa: boolean;
  /** TLBINV, TLBINVF and EntryHi.EHINV (Config4.IE = 2); TLBR of an entry without contents reads EHINV = 1. */
  readonly tlbInvalidate: boolean;
  /** The hardware page walker and its registers (Config3.PW). */
  readonly pageWalker: boolean;
  /** LLAddr shows LLbit and software can clear it there (Config5.LLB). */
  readonly llb: boolean;
  /** EBase.WG: the vectors may lie outside kseg0 and kseg1. */
  readonly ebaseWriteGate: boolean;
  /** The FPU (Config1.FP), null if there is none. */
  readonly fpu: FpuModel | null;
  /** Bits of Status that software can write, but for those that an FPU adds. */
  readonly statusWritable: number;
  /** Cache line size in bytes, and ways and sets as Config1 encodes them (4 KiB per way: no aliases). */
  readonly cacheLine: 16 | 32;
  readonly dcacheWays: number;
  readonly icacheWays: number;
  /** CP0 Count advances once every `ccres` instructions (RDHWR CCRes). */
  readonly ccres: number;
}

/** Bytes in one way of either cache. 4 KiB keeps 4K-page kernels free of cache aliases. */
const WAY_BYTES = 4096;

/** Config1 as the model announces itself. */
export function config1Of(model: CpuModel): number {
  const line = Math.log2(model.cacheLine) - 1;
  const sets = Math.log2(WAY_BYTES / model.cacheLine / 64);
  const icache = (sets << 22) | (line << 19) | ((model.icacheWays - 1) << 16);
  const dcache = (sets << 13) | (line << 10) | ((model.dcacheWays - 1) << 7);
  const more = CONFIG.M | (model.fpu === null ? 0 : CONFIG.C1_FP);
  return (more | (((model.tlbEntries - 1) & 63) << CONFIG.C1_MMU_SIZE_SHIFT) | icache | dcache) >>> 0;
}

/** Bits of Status that software can write. */
export function statusWritableOf(model: CpuModel): number {
  return (model.statusWritable | (model.fpu === null ? 0 : STATUS.CU1 | STATUS.FR)) >>> 0;
}

/** Config3 as the model announces itself. */
export function config3Of(model: CpuModel): number {
  let value = 0;
  if (model.vectoredInterrupts) value |= CONFIG.C3_VINT;
  if (model.rixi) value |= CONFIG.C3_RXI;
  if (model.userLocal) value |= CONFIG.C3_ULRI;
  if (model.badInstr) value |= CONFIG.C3_BI | CONFIG.C3_BP;
  if (model.segmentControl) value |= CONFIG.C3_SC;
  if (model.pageWalker) value |= CONFIG.C3_PW;
  if (model.xpa) value |= CONFIG.C3_LPA;
  if (config4Of(model) !== 0) value |= CONFIG.M;
  return value >>> 0;
}

/** Entries of a model's TLB, those of the FTLB included. */
export function tlbSizeOf({ tlbEntries, ftlb }: Pick<CpuModel, "tlbEntries" | "ftlb">): number {
  return tlbEntries + (ftlb === null ? 0 : ftlb.ways * ftlb.sets);
}

/** Pages that an FTLB can be made to hold: Config4.FTLBPageSize, their PageMask, and log2 of the bytes of a pair. */
export const FTLB_PAGES = [
  { code: 1, pageMask: 0, pairShift: 13 },
  { code: 2, pageMask: 0x6000, pairShift: 15 },
] as const;

/** Config4 as the model announces itself after reset. */
export function config4Of(model: CpuModel): number {
  let value = model.kscratch << CONFIG.C4_KSCREXIST_SHIFT;
  if (model.tlbInvalidate) value |= 2 << CONFIG.C4_IE_SHIFT;
  const sizeExtension = (model.tlbEntries - 1) >>> 6;
  const { ftlb } = model;
  if (ftlb !== null) {
    value |= FTLB.C4_EXT_DEF | (sizeExtension << FTLB.C4_VTLB_SIZE_EXT_SHIFT);
    value |= ((ftlb.ways - 2) << FTLB.C4_WAYS_SHIFT) | Math.log2(ftlb.sets);
    value |= FTLB_PAGES[0].code << FTLB.C4_PAGE_SIZE_SHIFT;
  } else if (sizeExtension !== 0)
    value |= CONFIG.C4_MMU_SIZE_EXT_DEF | (sizeExtension & CONFIG.C4_MMU_SIZE_EXT);
  if (config5Of(model) !== 0) value |= CONFIG.M;
  return value >>> 0;
}

/** Config5 as the model announces itself, without what software can write. */
export function config5Of(model: CpuModel): number {
  let value = 0;
  if (model.llb) value |= CONFIG.C5_LLB;
  if (model.xpa) value |= CONFIG.C5_MVH;
  if (model.segmentControl) value |= CONFIG.C5_EVA;
  return value >>> 0;
}

/** Bits of FCSR that exist in every FPU and can be written: all but 22:18, which later releases use. */
const FCSR_BASIC = ~0x7c_0000;

/** The FPU of the 24Kf and the 34Kf: release 2, with NaNs encoded the old way. */
function fpuOf24Kf(processor: number): FpuModel {
  const fir = (processor << FIR.PRID_SHIFT) | FIR.S | FIR.D | FIR.W | FIR.L | FIR.F64;
  return { fir, fcsrReset: 0, fcsrWritable: FCSR_BASIC };
}

const M24KC: CpuModel = {
  name: "24Kc",
  isa: "mips32r2",
  prid: 0x00019300,
  tlbEntries: 16,
  ftlb: null,
  kscratch: 0,
  rixi: false,
  badInstr: false,
  userLocal: false,
  vectoredInterrupts: true,
  tlbMachineCheck: true,
  physicalBits: 32,
  segmentControl: false,
  xpa: false,
  tlbInvalidate: false,
  pageWalker: false,
  llb: false,
  ebaseWriteGate: false,
  fpu: null,
  // CU0, BEV, TS, SR, NMI, IM, UM, ERL, EXL, IE; RE and the supervisor bit are absent.
  statusWritable: 0x1078_ff17,
  cacheLine: 32,
  dcacheWays: 4,
  icacheWays: 4,
  ccres: 2,
};

const M34KC: CpuModel = { ...M24KC, name: "34Kc", prid: 0x00019500, tlbEntries: 64, userLocal: true };

/** Every model that `--host-cpu` accepts, by name. */
export const CPU_MODELS: Readonly<Record<string, CpuModel>> = {
  "24Kc": M24KC,
  "24Kf": { ...M24KC, name: "24Kf", fpu: fpuOf24Kf(0x93) },
  // The 24Kc with what later cores add, so that every path of the generated code can be executed.
  "24Kc-kscratch": { ...M24KC, name: "24Kc-kscratch", kscratch: 0b0001_1100, userLocal: true },
  "24Kc-rixi": {
    ...M24KC,
    name: "24Kc-rixi",
    kscratch: 0b0001_1100,
    rixi: true,
    badInstr: true,
    userLocal: true,
  },
  "34Kc": M34KC,
  "34Kf": { ...M34KC, name: "34Kf", fpu: fpuOf24Kf(0x95) },
  /**
   * A P5600 without what the machine does not have yet: MSA, the VZ module, MAAR and the coherence manager; its FPU
   * has neither FRE nor UFR. Its Config registers say so:
   *
   *     Config1  64 TLB entries, FP          Config3  VInt LPA RXI ULRI PW SC BI BP
   *     Config4  KScratch1 to 6, IE = 2,     Config5  LLB MVH EVA; K and CV can be written
   *              512 more in the FTLB        Config6  FTLBEn, which can be written
   */
  P5600: {
    ...M24KC,
    name: "P5600",
    isa: "mips32r5",
    prid: 0x0001a800,
    tlbEntries: 64,
    ftlb: { ways: 4, sets: 128 },
    kscratch: 0b1111_1100,
    rixi: true,
    badInstr: true,
    userLocal: true,
    physicalBits: 40,
    segmentControl: true,
    xpa: true,
    tlbInvalidate: true,
    pageWalker: true,
    llb: true,
    ebaseWriteGate: true,
    // NAN2008 and ABS2008 can be written, as release 5 allows; a P5600's are fixed at 1. Linux refuses programs with
    // NaNs of an encoding that the FPU cannot have, and Debian's are all of the old one.
    fpu: {
      fir: (0x03 << FIR.PRID_SHIFT) | FIR.S | FIR.D | FIR.W | FIR.L | FIR.F64 | FIR.HAS2008,
      fcsrReset: FCSR.NAN2008 | FCSR.ABS2008,
      fcsrWritable: FCSR_BASIC | FCSR.NAN2008 | FCSR.ABS2008,
    },
    // As the 24Kc's, with both bits of KSU and RP, without SR.
    statusWritable: 0x1868_ff1f,
  },
};

/** The model of a host for which none is named. */
export const DEFAULT_CPU_MODEL = "24Kc";

import { CONFIG } from "../isa/cp0.ts";
import type { IsaLevel } from "../isa/row.ts";

/**
 * A host CPU model, as data. What a model lacks is reserved on it: its CP0 registers read as zero and
 * ignore writes, its instructions raise RI.
 */
export interface CpuModel {
  readonly name: string;
  readonly isa: IsaLevel;
  readonly prid: number;
  /** Joint TLB entries, each mapping a pair of pages. */
  readonly tlbEntries: number;
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
  /** Physical address bits: 32 for 36-bit-less cores, as EntryLo.PFN allows. */
  readonly physicalBits: number;
  /** Bits of Status that software can write. */
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
  const more = CONFIG.M;
  return (more | (((model.tlbEntries - 1) & 63) << CONFIG.C1_MMU_SIZE_SHIFT) | icache | dcache) >>> 0;
}

/** Config3 as the model announces itself. */
export function config3Of(model: CpuModel): number {
  let value = 0;
  if (model.vectoredInterrupts) value |= CONFIG.C3_VINT;
  if (model.rixi) value |= CONFIG.C3_RXI;
  if (model.userLocal) value |= CONFIG.C3_ULRI;
  if (model.badInstr) value |= CONFIG.C3_BI | CONFIG.C3_BP;
  if (model.kscratch !== 0) value |= CONFIG.M;
  return value >>> 0;
}

const M24KC: CpuModel = {
  name: "24Kc",
  isa: "mips32r2",
  prid: 0x00019300,
  tlbEntries: 16,
  kscratch: 0,
  rixi: false,
  badInstr: false,
  userLocal: false,
  vectoredInterrupts: true,
  tlbMachineCheck: true,
  physicalBits: 32,
  // CU0, BEV, TS, SR, NMI, IM, UM, ERL, EXL, IE; RE and the supervisor bit are absent.
  statusWritable: 0x1078_ff17,
  cacheLine: 32,
  dcacheWays: 4,
  icacheWays: 4,
  ccres: 2,
};

/** Every model that `--host-cpu` accepts, by name. */
export const CPU_MODELS: Readonly<Record<string, CpuModel>> = {
  "24Kc": M24KC,
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
  "34Kc": { ...M24KC, name: "34Kc", prid: 0x00019500, tlbEntries: 64, userLocal: true },
};

export const DEFAULT_CPU_MODEL = "24Kc";

/** Names of the general purpose registers in the o32 convention; the position is the number. */
export const GPR_NAMES = [
  ...(["zero", "at", "v0", "v1", "a0", "a1", "a2", "a3"] as const),
  ...(["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"] as const),
  ...(["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"] as const),
  ...(["t8", "t9", "k0", "k1", "gp", "sp", "s8", "ra"] as const),
] as const;

/** o32 name of a general purpose register. `s8` is also called fp. */
export type GprName = (typeof GPR_NAMES)[number];

/** Number of each general purpose register by its o32 name. */
export const GPR = Object.fromEntries(GPR_NAMES.map((name, number) => [name, number])) as Readonly<
  Record<GprName, number>
>;

/** Floating-point control registers that have a name, by number. */
export const FCR_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "fir"],
  [1, "ufr"],
  [4, "unfr"],
  [25, "fccr"],
  [26, "fexr"],
  [28, "fenr"],
  [31, "fcsr"],
]);

/** Hardware registers of RDHWR (number → name). */
export const HWR = { CPUNum: 0, SYNCI_Step: 1, CC: 2, CCRes: 3, UserLocal: 29 } as const;

/**
 * The registers of coprocessor 0 by the manual's names: [number, select] (MIPS32 PRA volume III, table of
 * Coprocessor 0 registers). Which of them exist is a property of the CPU model.
 */
// prettier-ignore
export const CP0 = {
  Index: [0, 0], MVPControl: [0, 1], MVPConf0: [0, 2], MVPConf1: [0, 3], VPControl: [0, 4],
  Random: [1, 0], VPEControl: [1, 1], VPEConf0: [1, 2], VPEConf1: [1, 3], YQMask: [1, 4],
  VPESchedule: [1, 5], VPEScheFBack: [1, 6], VPEOpt: [1, 7],
  EntryLo0: [2, 0], TCStatus: [2, 1], TCBind: [2, 2], TCRestart: [2, 3], TCHalt: [2, 4],
  TCContext: [2, 5], TCSchedule: [2, 6], TCScheFBack: [2, 7],
  EntryLo1: [3, 0], GlobalNumber: [3, 1], TCOpt: [3, 7],
  Context: [4, 0], ContextConfig: [4, 1], UserLocal: [4, 2], XContextConfig: [4, 3],
  DebugContextID: [4, 4], MemoryMapID: [4, 5],
  PageMask: [5, 0], PageGrain: [5, 1], SegCtl0: [5, 2], SegCtl1: [5, 3], SegCtl2: [5, 4],
  PWBase: [5, 5], PWField: [5, 6], PWSize: [5, 7],
  Wired: [6, 0], SRSConf0: [6, 1], SRSConf1: [6, 2], SRSConf2: [6, 3], SRSConf3: [6, 4], SRSConf4: [6, 5],
  PWCtl: [6, 6],
  HWREna: [7, 0],
  BadVAddr: [8, 0], BadInstr: [8, 1], BadInstrP: [8, 2], BadInstrX: [8, 3],
  Count: [9, 0], SAARI: [9, 6], SAAR: [9, 7],
  EntryHi: [10, 0], GuestCtl1: [10, 4], GuestCtl2: [10, 5], GuestCtl3: [10, 6],
  Compare: [11, 0], GuestCtl0Ext: [11, 4],
  Status: [12, 0], IntCtl: [12, 1], SRSCtl: [12, 2], SRSMap: [12, 3], ViewIPL: [12, 4], SRSMap2: [12, 5],
  GuestCtl0: [12, 6], GTOffset: [12, 7],
  Cause: [13, 0], ViewRIPL: [13, 4], NestedExc: [13, 5],
  EPC: [14, 0], NestedEPC: [14, 2],
  PRId: [15, 0], EBase: [15, 1], CDMMBase: [15, 2], CMGCRBase: [15, 3], BEVVA: [15, 4],
  Config: [16, 0], Config1: [16, 1], Config2: [16, 2], Config3: [16, 3], Config4: [16, 4], Config5: [16, 5],
  Config6: [16, 6], Config7: [16, 7],
  LLAddr: [17, 0], MAAR: [17, 1], MAARI: [17, 2],
  WatchLo0: [18, 0], WatchLo1: [18, 1], WatchLo2: [18, 2], WatchLo3: [18, 3],
  WatchLo4: [18, 4], WatchLo5: [18, 5], WatchLo6: [18, 6], WatchLo7: [18, 7],
  WatchHi0: [19, 0], WatchHi1: [19, 1], WatchHi2: [19, 2], WatchHi3: [19, 3],
  WatchHi4: [19, 4], WatchHi5: [19, 5], WatchHi6: [19, 6], WatchHi7: [19, 7],
  XContext: [20, 0],
  Debug: [23, 0], TraceControl: [23, 1], TraceControl2: [23, 2], UserTraceData1: [23, 3], TraceIBPC: [23, 4],
  TraceDBPC: [23, 5], Debug2: [23, 6],
  DEPC: [24, 0], TraceControl3: [24, 2], UserTraceData2: [24, 3],
  PerfCtl0: [25, 0], PerfCnt0: [25, 1], PerfCtl1: [25, 2], PerfCnt1: [25, 3],
  PerfCtl2: [25, 4], PerfCnt2: [25, 5], PerfCtl3: [25, 6], PerfCnt3: [25, 7],
  ErrCtl: [26, 0],
  CacheErr: [27, 0],
  ITagLo: [28, 0], IDataLo: [28, 1], DTagLo: [28, 2], DDataLo: [28, 3], L23TagLo: [28, 4], L23DataLo: [28, 5],
  ITagHi: [29, 0], IDataHi: [29, 1], DTagHi: [29, 2], DDataHi: [29, 3], L23TagHi: [29, 4], L23DataHi: [29, 5],
  ErrorEPC: [30, 0],
  DESAVE: [31, 0],
  KScratch1: [31, 2], KScratch2: [31, 3], KScratch3: [31, 4], KScratch4: [31, 5], KScratch5: [31, 6],
  KScratch6: [31, 7],
} as const satisfies Readonly<Record<string, readonly [number: number, select: number]>>;

/** The manual's name of a coprocessor 0 register. */
export type Cp0Name = keyof typeof CP0;

/** A dense index for a coprocessor 0 register: number * 8 + select, 0..255. */
export function cp0Index(number: number, select: number): number {
  return number * 8 + select;
}

const cp0Names = new Map<number, Cp0Name>(
  Object.entries(CP0).map(([name, [number, select]]) => [cp0Index(number, select), name as Cp0Name]),
);

/** The manual's name of a register, or null for a number and select that it leaves open. */
export function cp0Name(number: number, select: number): Cp0Name | null {
  return cp0Names.get(cp0Index(number, select)) ?? null;
}

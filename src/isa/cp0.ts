/**
 * CP0 registers and their fields (MIPS32 PRA, chapter "Coprocessor 0 Registers"), stated once.
 *
 * A register is named by its flat index, `number * 8 + select`, which is also its word index in the CPU
 * state block and in the guest CP0 array that KVM maps into the guest (the commpage).
 */

/** Flat index of a CP0 register. */
export function cp0Index(number: number, select: number): number {
  return number * 8 + select;
}

/** Index of each register. Which of them exist is a property of the CPU model. */
// prettier-ignore
export const CP0 = {
  Index:    cp0Index(0, 0),   Random:   cp0Index(1, 0),   EntryLo0:  cp0Index(2, 0),  EntryLo1:  cp0Index(3, 0),
  GlobalNumber: cp0Index(3, 1),
  Context:  cp0Index(4, 0),   ContextConfig: cp0Index(4, 1), UserLocal: cp0Index(4, 2),
  DebugContextID: cp0Index(4, 4), MemoryMapID: cp0Index(4, 5),
  PageMask: cp0Index(5, 0),   PageGrain: cp0Index(5, 1),
  SegCtl0:  cp0Index(5, 2),   SegCtl1:  cp0Index(5, 3),   SegCtl2:   cp0Index(5, 4),
  PWBase:   cp0Index(5, 5),   PWField:  cp0Index(5, 6),   PWSize:    cp0Index(5, 7),
  Wired:    cp0Index(6, 0),   PWCtl:    cp0Index(6, 6),   HWREna:    cp0Index(7, 0),
  SRSConf0: cp0Index(6, 1),   SRSConf1: cp0Index(6, 2),   SRSConf2:  cp0Index(6, 3),  SRSConf3:  cp0Index(6, 4),
  SRSConf4: cp0Index(6, 5),
  BadVAddr: cp0Index(8, 0),   BadInstr: cp0Index(8, 1),   BadInstrP: cp0Index(8, 2),
  Count:    cp0Index(9, 0),   EntryHi:  cp0Index(10, 0),  Compare:   cp0Index(11, 0),
  GuestCtl1: cp0Index(10, 4), GuestCtl2: cp0Index(10, 5), GuestCtl3: cp0Index(10, 6), GuestCtl0Ext: cp0Index(11, 4),
  Status:   cp0Index(12, 0),  IntCtl:   cp0Index(12, 1),  SRSCtl:    cp0Index(12, 2), SRSMap:    cp0Index(12, 3),
  View_IPL: cp0Index(12, 4),  SRSMap2:  cp0Index(12, 5),  GuestCtl0: cp0Index(12, 6), GTOffset:  cp0Index(12, 7),
  Cause:    cp0Index(13, 0),  View_RIPL: cp0Index(13, 4), NestedExc: cp0Index(13, 5),
  EPC:      cp0Index(14, 0),  NestedEPC: cp0Index(14, 2),
  PRId:     cp0Index(15, 0),  EBase:    cp0Index(15, 1),  CDMMBase:  cp0Index(15, 2), CMGCRBase: cp0Index(15, 3),
  Config:   cp0Index(16, 0),  Config1:  cp0Index(16, 1),  Config2:   cp0Index(16, 2), Config3:   cp0Index(16, 3),
  Config4:  cp0Index(16, 4),  Config5:  cp0Index(16, 5),  Config6:   cp0Index(16, 6), Config7:   cp0Index(16, 7),
  LLAddr:   cp0Index(17, 0),  MAAR:     cp0Index(17, 1),  MAARI:     cp0Index(17, 2),
  WatchLo:  cp0Index(18, 0),  WatchLo1: cp0Index(18, 1),  WatchLo2:  cp0Index(18, 2), WatchLo3:  cp0Index(18, 3),
  WatchHi:  cp0Index(19, 0),  WatchHi1: cp0Index(19, 1),  WatchHi2:  cp0Index(19, 2), WatchHi3:  cp0Index(19, 3),
  XContext: cp0Index(20, 0),
  Debug:    cp0Index(23, 0),  TraceControl: cp0Index(23, 1), TraceControl2: cp0Index(23, 2),
  UserTraceData1: cp0Index(23, 3), TraceIBPC: cp0Index(23, 4), TraceDBPC: cp0Index(23, 5), Debug2: cp0Index(23, 6),
  DEPC:     cp0Index(24, 0),  TraceControl3: cp0Index(24, 2), UserTraceData2: cp0Index(24, 3),
  PerfCtl0: cp0Index(25, 0),  PerfCnt0: cp0Index(25, 1),  PerfCtl1:  cp0Index(25, 2), PerfCnt1:  cp0Index(25, 3),
  PerfCtl2: cp0Index(25, 4),  PerfCnt2: cp0Index(25, 5),  PerfCtl3:  cp0Index(25, 6), PerfCnt3:  cp0Index(25, 7),
  ErrCtl:   cp0Index(26, 0),  CacheErr: cp0Index(27, 0),
  ITagLo:   cp0Index(28, 0),  IDataLo:  cp0Index(28, 1),  DTagLo:    cp0Index(28, 2), DDataLo:   cp0Index(28, 3),
  L23TagLo: cp0Index(28, 4),  L23DataLo: cp0Index(28, 5),
  ITagHi:   cp0Index(29, 0),  IDataHi:  cp0Index(29, 1),  DTagHi:    cp0Index(29, 2), DDataHi:   cp0Index(29, 3),
  L23TagHi: cp0Index(29, 4),  L23DataHi: cp0Index(29, 5),
  ErrorEPC: cp0Index(30, 0),  DESAVE:   cp0Index(31, 0),
  KScratch1: cp0Index(31, 2), KScratch2: cp0Index(31, 3), KScratch3: cp0Index(31, 4),
  KScratch4: cp0Index(31, 5), KScratch5: cp0Index(31, 6), KScratch6: cp0Index(31, 7),
} as const;

/** Names a CP0 register as the manual spells it. */
export type Cp0Name = keyof typeof CP0;

const names = new Map<number, Cp0Name>(Object.entries(CP0).map(([name, index]) => [index, name as Cp0Name]));

/** Name of a CP0 register, or null where the architecture defines none. */
export function cp0Name(index: number): Cp0Name | null {
  return names.get(index) ?? null;
}

/** Number and select of a CP0 register, as MFC0 and MTC0 take them. */
export function cp0Operands(index: number): [number: number, select: number] {
  return [index >> 3, index & 7];
}

/** Status register fields. */
// prettier-ignore
export const STATUS = {
  IE: 0x1, EXL: 0x2, ERL: 0x4, KSU: 0x18, UM: 0x10, SM: 0x08, UX: 0x20, SX: 0x40, KX: 0x80,
  IM: 0xff00, NMI: 0x0008_0000, SR: 0x0010_0000, TS: 0x0020_0000, BEV: 0x0040_0000, MX: 0x0100_0000,
  RE: 0x0200_0000, FR: 0x0400_0000, RP: 0x0800_0000, CU0: 0x1000_0000, CU1: 0x2000_0000,
} as const;

/** Cause register fields. */
// prettier-ignore
export const CAUSE = {
  ExcCode: 0x7c, IP: 0xff00, IP01: 0x0300, WP: 0x0040_0000, IV: 0x0080_0000, PCI: 0x0400_0000, DC: 0x0800_0000,
  CE: 0x3000_0000, CE_SHIFT: 28, TI: 0x4000_0000, BD: 0x8000_0000,
} as const;

/** LLAddr holds the physical address from this bit on: it tells lines of 32 bytes apart. */
export const LL_ADDR_SHIFT = 5;

/** Index, EntryHi, EntryLo, Context, PageMask and PageGrain fields (32-bit layout). */
export const INDEX = { P: 0x8000_0000 } as const;
// prettier-ignore
export const ENTRY_HI = { VPN2: 0xffff_e000, EHINV: 0x400, ASID: 0xff } as const;
// prettier-ignore
export const ENTRY_LO = {
  G: 0x1, V: 0x2, D: 0x4, C: 0x38, C_SHIFT: 3, PFN: 0x3fff_ffc0, PFN_SHIFT: 6, XI: 0x4000_0000, RI: 0x8000_0000,
} as const;
export const CONTEXT = { BADVPN2: 0x007f_fff0, PTEBASE: 0xff80_0000 } as const;
export const PAGE_GRAIN = {
  RIE: 0x8000_0000,
  XIE: 0x4000_0000,
  ELPA: 0x2000_0000,
  IEC: 0x0800_0000,
} as const;

/** SegCtl fields, as each half of a register holds them; PA is bits 35:29 of the physical address. */
// prettier-ignore
export const SEG_CTL = { PA_SHIFT: 9, AM_SHIFT: 4, AM: 0x70, EU: 0x8, C: 0x7 } as const;

/** Fields of the hardware page walker: shifts of the six-bit index and width fields, and PWCtl. */
// prettier-ignore
export const PW = {
  GD_SHIFT: 24, UD_SHIFT: 18, MD_SHIFT: 12, PT_SHIFT: 6, PTE_SHIFT: 0, FIELD: 0x3f, CTL_EN: 0x8000_0000,
} as const;

/** EBase: WG lets software write bits 31:30 as well. */
export const EBASE = { CPUNUM: 0x3ff, WG: 0x800, BASE: 0xffff_f000, BASE_NO_WG: 0x3fff_f000 } as const;

/** Numbers of the hardware registers (MIPS32 instruction set, RDHWR). */
export const HWR = { CPUNum: 0, SYNCI_Step: 1, CC: 2, CCRes: 3, UserLocal: 29 } as const;
/** HWREna bits: hardware registers that RDHWR may read in user mode, bit n for register n. */
export const HWRENA = {
  CPUNum: 1 << HWR.CPUNum,
  SYNCI_Step: 1 << HWR.SYNCI_Step,
  CC: 1 << HWR.CC,
  CCRes: 1 << HWR.CCRes,
  ULR: 1 << HWR.UserLocal,
} as const;

/** Config1 to Config7 fields that kseg uses. */
// prettier-ignore
export const CONFIG = {
  M: 0x8000_0000, K0: 0x7, VI: 0x8, MT: 0x380, MT_TLB: 0x80, MT_FTLB: 0x200, AR: 0x1c00, AT: 0x6000, BE: 0x8000,
  C1_FP: 0x1, C1_MMU_SIZE_SHIFT: 25,
  C3_VINT: 0x20, C3_VEIC: 0x40, C3_LPA: 0x80, C3_RXI: 0x1000, C3_ULRI: 0x2000, C3_SC: 0x0200_0000, C3_PW: 0x0100_0000,
  C3_BI: 0x0400_0000, C3_BP: 0x0800_0000,
  C4_MMU_SIZE_EXT: 0xff, C4_MMU_SIZE_EXT_DEF: 0x4000, C4_KSCREXIST_SHIFT: 16, C4_IE_SHIFT: 29,
  C5_LLB: 0x10, C5_MVH: 0x20, C5_EVA: 0x1000_0000, C5_CV: 0x2000_0000, C5_K: 0x4000_0000, C7_WII: 0x8000_0000,
} as const;

/**
 * What the registers say of a TLB with a set-associative part (MIPS32 PRA, "Configuration Register 4": MMUExtDef = 3;
 * Config.MT = 4, and Config6.FTLBEn of MIPS Technologies' cores). `WAYS` counts from 2, `SETS` is a logarithm.
 */
export const FTLB = {
  C4_EXT_DEF: 0xc000,
  C4_SETS: 0xf,
  C4_WAYS: 0xf0,
  C4_WAYS_SHIFT: 4,
  C4_PAGE_SIZE: 0x1f00,
  C4_PAGE_SIZE_SHIFT: 8,
  C4_VTLB_SIZE_EXT_SHIFT: 24,
  C6_EN: 0x8000,
} as const;

/** The fields of `group` whose names begin with `prefix`, without it. */
function fieldsOf(group: Readonly<Record<string, number>>, prefix: string): Readonly<Record<string, number>> {
  const found = Object.entries(group).filter(([name]) => name.startsWith(prefix) && !name.endsWith("_SHIFT"));
  return Object.fromEntries(found.map(([name, mask]) => [name.slice(prefix.length), mask >>> 0]));
}

/** All of `group` that are masks, but for those that only name parts of other fields. */
function masksOf(
  group: Readonly<Record<string, number>>,
  ...parts: string[]
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(fieldsOf(group, "")).filter(([name]) => !parts.includes(name) && !/^C\d_/.test(name)),
  );
}

/** What is to be shown of registers beside their values: the masks of their fields. Registers without are one number. */
export const CP0_FIELDS: ReadonlyMap<number, Readonly<Record<string, number>>> = new Map([
  [CP0.Index, masksOf(INDEX)],
  [CP0.EntryLo0, masksOf(ENTRY_LO)],
  [CP0.EntryLo1, masksOf(ENTRY_LO)],
  [CP0.Context, masksOf(CONTEXT)],
  [CP0.PageGrain, masksOf(PAGE_GRAIN)],
  [CP0.EntryHi, masksOf(ENTRY_HI)],
  [CP0.HWREna, masksOf(HWRENA)],
  [CP0.Status, masksOf(STATUS, "UM", "SM")],
  [CP0.Cause, masksOf(CAUSE, "IP01")],
  [CP0.EBase, masksOf(EBASE, "BASE_NO_WG")],
  [CP0.Config, masksOf(CONFIG, "MT_TLB", "MT_FTLB")],
  [CP0.Config1, fieldsOf(CONFIG, "C1_")],
  [CP0.Config3, fieldsOf(CONFIG, "C3_")],
  [CP0.Config4, { ...fieldsOf(CONFIG, "C4_"), FTLB_PAGE_SIZE: FTLB.C4_PAGE_SIZE }],
  [CP0.Config5, fieldsOf(CONFIG, "C5_")],
  [CP0.Config6, { FTLB_EN: FTLB.C6_EN }],
  [CP0.Config7, fieldsOf(CONFIG, "C7_")],
]);

/** The value of the field with mask `mask` in `value`, unsigned and right-aligned. */
export function fieldOf(value: number, mask: number): number {
  return (value & mask) >>> (31 - Math.clz32(mask & -mask));
}

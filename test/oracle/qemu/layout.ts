import type { Cp0Name } from "../../../src/isa/cp0.ts";

/**
 * Where everything lies in the bare image that runs in kseg and in QEMU, and what a program's record and its
 * result hold. Addresses are physical unless the name says VA; offsets in records and results are in words.
 *
 *     0         exception vectors (EBase 80000000), at 2000 a second set (EBase 80002000)
 *     4000      the harness, at 6000 its variables
 *     100000    records, one page a program
 *     1000000   results, one page a program
 *     2000000   data pages that programs access
 *     2028000   two pages that each program is copied to before it runs
 */
export const RAM_BYTES = 64 << 20;

export const VECTOR_BASES = [0, 0x2000] as const;
export const HARNESS = 0x4000;
export const VARIABLES = 0x6000;
/** Variables of the harness: byte offsets from VARIABLES. */
export const VARIABLE = {
  index: 0,
  count: 4,
  record: 8,
  result: 12,
  exceptions: 16,
  preparing: 20,
  gpr: 0x80,
} as const;

export const RECORDS = 0x10_0000;
export const RESULTS = 0x100_0000;
/** Bytes of a record and of a result. */
export const SLOT_BYTES = 0x1000;
export const MAX_PROGRAMS = (RESULTS - RECORDS) / SLOT_BYTES;
/** CP0 registers as reset left them, in the order of DUMPED_CP0: in the slot behind the last result. */
export const RESET_STATE = RESULTS + MAX_PROGRAMS * SLOT_BYTES;

export const DATA = 0x200_0000;
export const DATA_PAGES = 8;
/** Stretches of each data page that are filled before a program and reported after it: offset and words. */
export const DATA_PARTS = [
  { offset: 0, words: 64 },
  { offset: 0xff0, words: 4 },
] as const;
export const DATA_WORDS = DATA_PAGES * DATA_PARTS.reduce((sum, part) => sum + part.words, 0);
export const CODE = 0x202_8000;
export const CODE_BYTES = 0x2000;

/**
 * Mapped virtual addresses come in 16 regions, and TLB entry n maps nothing outside of region n: so no two
 * entries ever match the same address. Region 15 is as large as two pages of 256 MiB, the others are 128 KiB.
 */
export const REGION_BYTES = 0x2_0000;
export const GIANT_REGION = 15;
export const CODE_REGION = 1;
/** Its pages lie where nothing answers. */
export const NOWHERE_REGION = 9;
export const NOWHERE = 0x6000_0000;
export const TLB_ENTRIES = 16;

/** Exceptions after which a program is ended. */
export const MAX_EXCEPTIONS = 24;

/** Words of a record. */
export const RECORD = {
  flags: 0,
  /** Virtual address of the entry, and of the SYSCALL that ends the program. */
  entry: 1,
  end: 2,
  status: 3,
  cause: 4,
  entryHi: 5,
  /** Bit n: a refill in region n is served; an invalid or unmodified page there is made valid and dirty. */
  refillRegions: 6,
  fixRegions: 7,
  /** Where to go on after an exception outside the program: one of eight, by the number of exceptions. */
  landings: 8,
  gpr: 16,
  hi: 48,
  lo: 49,
  dataSeed: 50,
  /** Byte offset in CODE where the program starts, and its words. */
  codeOffset: 51,
  codeWords: 52,
  /** Values of SETUP_CP0. */
  cp0: 54,
  /** Initial TLB: EntryHi, PageMask, EntryLo0, EntryLo1 for each entry. */
  tlb: 64,
  /** What a refill writes: base address of the region, PageMask, EntryLo0, EntryLo1. */
  regions: 128,
  code: 192,
} as const;
export const MAX_CODE_WORDS = SLOT_BYTES / 4 - RECORD.code;

/** Go on after an exception through ErrorEPC (and leave EPC at the end of the program), not through EPC. */
export const FLAG_RESUME_BY_ERROR_EPC = 1;

/** Registers that each record sets, besides those with a word of their own. */
export const SETUP_CP0: readonly Cp0Name[] = [
  "EBase",
  "IntCtl",
  "HWREna",
  "Wired",
  "Context",
  "Compare",
  "Config",
  "Index",
  "ITagLo",
  "Count",
];

/** Words of a result. */
export const RESULT = {
  exceptions: 0,
  hi: 1,
  lo: 2,
  gpr: 8,
  cp0: 40,
  tlb: 80,
  trace: 144,
  data: 144 + MAX_EXCEPTIONS * 8,
} as const;

/** Words of a trace entry. */
export const TRACE = {
  words: 8,
  cause: 0,
  epc: 1,
  badVAddr: 2,
  status: 3,
  context: 4,
  entryHi: 5,
  vector: 6,
  errorEpc: 7,
} as const;

/** CP0 registers that are reported after reset and after each program. */
export const DUMPED_CP0: readonly Cp0Name[] = [
  "Index",
  "EntryLo0",
  "EntryLo1",
  "Context",
  "PageMask",
  "Wired",
  "HWREna",
  "BadVAddr",
  "Count",
  "EntryHi",
  "Compare",
  "Status",
  "IntCtl",
  "SRSCtl",
  "Cause",
  "EPC",
  "PRId",
  "EBase",
  "Config",
  "Config1",
  "Config2",
  "Config3",
  "LLAddr",
  "ITagLo",
  "IDataLo",
  "ITagHi",
  "IDataHi",
  "ErrorEPC",
];

/** Names of vectors, as the stubs report them: bits 11:0 are the offset, bit 12 the second EBase, 13 BEV. */
export const VECTOR_SECOND_BASE = 0x1000;
export const VECTOR_BEV = 0x2000;

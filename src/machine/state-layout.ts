/**
 * Where everything lies in the machine's one `WebAssembly.Memory`.
 *
 * Offsets are in bytes and stated only here: the typed views of the machine and the loads and stores that the
 * engine generates are both built from this table. Fields are 32 bits wide unless something else is said.
 *
 *     0        nothing (offset 0 stands for "no address")
 *     1000     state block of the CPU that executes (STATE)
 *     2000     host TLB
 *     9000     state block of CPU 0 while another one executes
 *     A000     bank table, lists of the host TLB, routes of the segments, log of refills
 *     10000    soft TLB banks
 *     …        the same of each further CPU but for the first state block, at a distance of CPU_STRIDE
 *     …        code map (one word for each RAM page), pre-decoded code pages, RAM
 *
 * What the engine generates knows one state block, and finds soft TLB banks through it. A CPU that is to execute
 * has its block copied there.
 */

const BLOCK = 0x1000;

/** The state block: where that of the executing CPU is, and that of CPU 0 while it stands still. */
export const STATE_BLOCK = { executing: BLOCK, parked: 0x9000, bytes: 0x1000 } as const;

export const STATE = {
  /** 32 general registers, then a sink that takes writes to $zero. */
  gpr: BLOCK,
  sink: BLOCK + 0x80,
  hi: BLOCK + 0x84,
  lo: BLOCK + 0x88,
  /** Virtual address of the next instruction to execute. */
  pc: BLOCK + 0x8c,
  /** 1 if that instruction is in a branch delay slot. */
  inDelaySlot: BLOCK + 0x90,
  /** Where control goes after the delay slot; meaningful only if `inDelaySlot`. */
  branchTarget: BLOCK + 0x94,
  /** Instructions that may still be executed before the engine returns. */
  remaining: BLOCK + 0x98,
  /** Soft TLB banks of the current mode and ASID: byte offset of the data bank and of the code bank. */
  dataBank: BLOCK + 0x9c,
  codeBank: BLOCK + 0xa0,
  llBit: BLOCK + 0xa4,
  /** Non-zero: the engine returns this as its reason before it executes anything more. */
  exitReason: BLOCK + 0xac,
  /** Where the slow path leaves the value of a device read. */
  mmioData: BLOCK + 0xb0,
  /** Data bank that user-access instructions (EVA) use: that of user mode, or an empty one where they may not be. */
  userBank: BLOCK + 0xb4,
  /** Instructions that the interpreter executes itself until it is asked where it is. */
  untilSample: BLOCK + 0xb8,
  /** Not 0: code was dropped, or a page of which code was fetched, since translated code last looked. */
  stale: BLOCK + 0xbc,
  /** Not 0: the careful interpreter has to execute the next instruction. */
  carefulNext: BLOCK + 0xc0,
  /** Where translated code left off and the interpreter took over. */
  interpretedFrom: BLOCK + 0xc4,
  /** 1 if coprocessor 0 instructions may be executed. */
  cp0Usable: BLOCK + 0xc8,
  /** 1 if coprocessor 1 instructions may be executed (Status.CU1). */
  fpuUsable: BLOCK + 0xcc,
  /** Operating mode (`MODE`). */
  mode: BLOCK + 0xd0,
  /** 1 if ERET leaves LLbit alone. */
  eretKeepsLink: BLOCK + 0xd4,
  /** 64 bits each: exceptions taken at the refill vector, and TLB entries written, since reset. */
  refills: BLOCK + 0xd8,
  tlbWrites: BLOCK + 0xe0,
  /** 64 bits: instructions that will have been retired since reset at the end of the slice. */
  sliceEnd: BLOCK + 0xe8,
  /** 64 bits: instructions retired since reset when Wired was written last, which sets Random to the last entry. */
  randomStart: BLOCK + 0xf0,
  /** 64 bits, where only user mode takes guest time: instructions retired in user mode if not in it, else in others. */
  retiredElsewhere: BLOCK + 0xf8,
  /** There, in other modes: instructions that the guest may still execute when it goes on. */
  guestRemaining: BLOCK + 0x100,
  /** There, in user mode: instructions that the engine executes in other modes until it comes back. */
  hostSlice: BLOCK + 0x104,
  /** Kinds of accesses, `1 << ACCESS`, whose soft TLB misses all take the slow path: a debugger looks at each. */
  slowAccesses: BLOCK + 0x108,
  /**
   * Words of RAM from physical address 0 on that loads may reach through kseg0 without a look-up: 0 while a debugger
   * looks at loads.
   */
  plainWords: BLOCK + 0x124,
  /** Where translated code went last by a jump through a table, within a page. */
  jumpedTo: BLOCK + 0x10c,
  /** 64 bits: the physical address that LL has linked last. */
  linkedAddress: BLOCK + 0x110,
  /** The mode in which it left off at `interpretedFrom`, and the EntryHi of then. */
  interpretedMode: BLOCK + 0x118,
  interpretedEntryHi: BLOCK + 0x11c,
  /** 1 while translated code waits for an exception to come back (`src/engine/come-back.ts`). */
  awaited: BLOCK + 0x120,
  /** CP0 registers, a word each, by flat index (number * 8 + select), and the upper halves of some. */
  cp0: BLOCK + 0x200,
  cp0High: BLOCK + 0x600,
  /** FPU registers: 32 words, then their upper halves (`src/machine/fpu/fpu.ts`). */
  fpr: BLOCK + 0xa00,
  fprUpper: BLOCK + 0xa80,
  fcsr: BLOCK + 0xb00,
} as const;

/** Bytes of one CP0 array. */
export const CP0_BYTES = 32 * 8 * 4;

/** The host TLB: `TLB_ENTRY.words` words an entry. */
export const TLB_BASE = 0x2000;
export const TLB_MAX_ENTRIES = 1024;
export const TLB_ENTRY = {
  ...{ words: 7, entryHi: 0, pageMask: 1, entryLo0: 2, entryLo1: 3 },
  /** What the entry was used for since it was written, as `TLB_USE` says; 0 if it was never written. */
  used: 4,
  /** Upper halves of EntryLo: physical address bits from 36 up. */
  ...{ high0: 5, high1: 6 },
} as const;

/**
 * Every entry that was written has `written`; code was fetched through those with `fetched`. The soft TLB may know
 * pages of an entry's for data, in a mode's bank, if it has `data << mode`.
 */
export const TLB_USE = { written: 1, fetched: 2, data: 4, dataOfAllModes: 0x3c } as const;

/** By mode (256 words each) and ASID: memory offset of the soft TLB bank, 0 if it has none. */
export const BANK_TABLE = { base: 0xa000, words: 1024 } as const;

/**
 * The host TLB's entries in lists by hash (`TlbLists`): the index of each list's first entry and of the one behind
 * each entry, -1 for none, and the page mask that all entries have, -1 if there are several or none.
 */
export const TLB_LISTS = { first: 0xb000, next: 0xd000, onlyMask: 0xe000 } as const;

/** The page mask of what TLBWR writes into the FTLB, -1 if nothing; and log2 of the bytes of such a pair of pages. */
export const FTLB_WORDS = { pageMask: 0xe010, pairShift: 0xe014 } as const;

/**
 * By mode and eighth of the address space: where it leads, a physical address in units of 2^29, or that the TLB says
 * so (`SEGMENT_MAPPED`), or that something rarer happens.
 */
export const SEGMENT_ROUTES = { base: 0xe100, words: 32 } as const;
export const SEGMENT_MAPPED = -1;
export const SEGMENT_OTHER = -2;

/** Where `RefillLog` is, if the machine has one: words of page | `isOne` | ASID. */
export const REFILL_LOG = { base: 0xf000, entries: 1024, isOne: 0x100 } as const;

/** Bytes of a page of RAM as the soft TLB and the code map see it, whatever pages the guest uses. */
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 1 << PAGE_SHIFT;

/**
 * The soft TLB: direct mapped banks, one for each mode and ASID in use. A data entry holds
 * {read tag, write tag, addend, 0}; the memory offset of virtual address va is va + addend. A code entry holds
 * {tag, address of the page's first pre-decoded record}. A tag is the page's virtual address; EMPTY_TAG never
 * matches.
 */
export const SOFT_TLB = {
  base: 0x10000,
  banks: 16,
  dataEntries: 1024,
  dataEntryShift: 4,
  readTag: 0,
  writeTag: 4,
  addend: 8,
  codeEntries: 1024,
  codeEntryShift: 3,
  codeTag: 0,
  codeRecords: 4,
  emptyTag: -1,
} as const;

const DATA_BANK_BYTES = SOFT_TLB.dataEntries << SOFT_TLB.dataEntryShift;
const CODE_BANK_BYTES = SOFT_TLB.codeEntries << SOFT_TLB.codeEntryShift;
export const SOFT_TLB_BANK_BYTES = DATA_BANK_BYTES + CODE_BANK_BYTES;
export const CODE_BANK_OFFSET = DATA_BANK_BYTES;
/** A bank behind the others that is always empty. */
export const EMPTY_BANK = SOFT_TLB.base + SOFT_TLB.banks * SOFT_TLB_BANK_BYTES;

const WASM_PAGE = 65536;
const align = (value: number): number => Math.ceil(value / WASM_PAGE) * WASM_PAGE;

/** From what a CPU has for itself (TLB, parked state block, soft TLB banks) to the same of the next CPU, in bytes. */
export const CPU_STRIDE = align(EMPTY_BANK + SOFT_TLB_BANK_BYTES);

/**
 * A pre-decoded instruction: {operation u16, a u8, b u8, c i32}. A code page holds a record for each of its
 * 1024 words and two that lead on to the next page.
 */
export const RECORD = { bytes: 8, op: 0, a: 2, b: 3, c: 4 } as const;
export const RECORDS_PER_PAGE = PAGE_SIZE / 4;
const RECORDS_BYTES = (RECORDS_PER_PAGE + 2) * RECORD.bytes;

/**
 * Behind the records of a code page: for each word the table index (u16) of its translation, or 0; then the memory
 * offset of the page of RAM.
 */
export const CODE_PAGE = { functions: RECORDS_BYTES, ram: RECORDS_BYTES + RECORDS_PER_PAGE * 2 } as const;
export const CODE_PAGE_BYTES = CODE_PAGE.ram + RECORD.bytes;
/** Flag in a record's operation: there is a translation that starts here. */
export const TRANSLATED_FLAG = 0x8000;

/** Room in front of the first code page, for the record that leads to another page. */
export const CODE_PAGES_HEADER = 2 * RECORD.bytes;

export interface MemoryPlan {
  /** A word for each page of RAM: address of its pre-decoded code page, or 0. */
  readonly codeMap: number;
  readonly codePages: number;
  readonly codePageCount: number;
  readonly ram: number;
  readonly ramBytes: number;
  readonly totalBytes: number;
}

/**
 * Lays out the memory of a machine with `ramBytes` of RAM, `cpus` CPUs and room for `codePageCount` pages of decoded
 * code.
 */
export function planMemory(ramBytes: number, codePageCount: number, cpus: number): MemoryPlan {
  const codeMap = CPU_STRIDE * cpus;
  const codePages = align(codeMap + (ramBytes >>> PAGE_SHIFT) * 4);
  const ram = align(codePages + CODE_PAGES_HEADER + codePageCount * CODE_PAGE_BYTES);
  return { codeMap, codePages, codePageCount, ram, ramBytes, totalBytes: align(ram + ramBytes) };
}

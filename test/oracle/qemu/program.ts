import { CODE, MAX_CODE_WORDS, RECORD, SETUP_CP0, SLOT_BYTES, TLB_ENTRIES } from "./layout.ts";

/** Where an instruction of a group comes to lie. */
export interface Place {
  /** Its virtual address. */
  readonly pc: number;
  /** Virtual address of the first instruction of group `group`; of the end if there is no such group. */
  readonly start: (group: number) => number;
}

/** An instruction word, or one that depends on where things lie. */
export type Item = number | ((at: Place) => number);

/** Instructions that belong together: control enters them at the first one only, but for exceptions. */
export interface Group {
  readonly name: string;
  readonly items: readonly Item[];
}

/** Bits of a TLB entry as the CP0 registers take them. */
export interface Mapping {
  readonly pageMask: number;
  readonly entryLo0: number;
  readonly entryLo1: number;
}

/** A generated program before it is laid out. */
export interface Program {
  readonly seed: number;
  readonly flags: number;
  /** Virtual address of CODE for this program, and offset of the first instruction. */
  readonly codeVa: number;
  readonly codeOffset: number;
  readonly groups: readonly Group[];
  readonly status: number;
  readonly cause: number;
  readonly entryHi: number;
  readonly refillRegions: number;
  readonly fixRegions: number;
  readonly gpr: readonly number[];
  readonly hi: number;
  readonly lo: number;
  readonly dataSeed: number;
  /** Values of SETUP_CP0. */
  readonly cp0: readonly number[];
  /** Initial entries (those left out match nothing) and what refills write, by region. */
  readonly tlb: readonly (({ readonly entryHi: number } & Mapping) | null)[];
  readonly regions: readonly ({ readonly base: number } & Mapping)[];
}

/** A program as the harness takes it. */
export interface ProgramRecord {
  readonly program: Program;
  readonly words: Uint32Array;
  /** Virtual address of each group; the last is the end. */
  readonly starts: readonly number[];
}

const SYSCALL = 0xc;
/** SYSCALLs behind the end. */
const GUARD_WORDS = 4;

/** Lays a program out. Items resolve to words. */
export function layOut(program: Program): ProgramRecord {
  const entry = (program.codeVa + program.codeOffset) >>> 0;
  const starts: number[] = [];
  let pc = entry;
  for (const group of program.groups) {
    starts.push(pc);
    pc += group.items.length * 4;
  }
  starts.push(pc);
  const end = pc;
  const start = (group: number): number => starts[Math.min(group, starts.length - 1)]!;
  const code: number[] = [];
  for (const group of program.groups)
    for (const item of group.items)
      code.push(typeof item === "number" ? item : item({ pc: entry + code.length * 4, start }));
  for (let guard = 0; guard < GUARD_WORDS; guard++) code.push(SYSCALL);
  if (code.length > MAX_CODE_WORDS) throw new RangeError(`a program of ${code.length} words`);

  const words = new Uint32Array(SLOT_BYTES / 4);
  words[RECORD.flags] = program.flags;
  words[RECORD.entry] = entry;
  words[RECORD.end] = end;
  words[RECORD.status] = program.status;
  words[RECORD.cause] = program.cause;
  words[RECORD.entryHi] = program.entryHi;
  words[RECORD.refillRegions] = program.refillRegions;
  words[RECORD.fixRegions] = program.fixRegions;
  for (let n = 0; n < 8; n++)
    words[RECORD.landings + n] = start(Math.ceil(((n + 1) * program.groups.length) / 8));
  words.set(program.gpr, RECORD.gpr);
  words[RECORD.hi] = program.hi;
  words[RECORD.lo] = program.lo;
  words[RECORD.dataSeed] = program.dataSeed;
  words[RECORD.codeOffset] = program.codeOffset;
  words[RECORD.codeWords] = code.length;
  if (program.cp0.length !== SETUP_CP0.length) throw new RangeError("a value for each register of SETUP_CP0");
  words.set(program.cp0, RECORD.cp0);
  for (let n = 0; n < TLB_ENTRIES; n++) {
    const entryOf = program.tlb[n];
    const at = RECORD.tlb + n * 4;
    // As the harness clears it: a page of kseg0, which is never looked up.
    if (entryOf === null || entryOf === undefined) words[at] = 0x8000_0000 + (TLB_ENTRIES - 1 - n) * 0x2000;
    else words.set([entryOf.entryHi, entryOf.pageMask, entryOf.entryLo0, entryOf.entryLo1], at);
    const region = program.regions[n]!;
    words.set([region.base, region.pageMask, region.entryLo0, region.entryLo1], RECORD.regions + n * 4);
  }
  words.set(code, RECORD.code);
  return { program, words, starts };
}

/** Name of a group that was dropped. */
export const DROPPED = "dropped";

/** The same program with some groups replaced by NOPs; everything stays where it is. */
export function without(program: Program, dropped: ReadonlySet<number>): Program {
  const groups = program.groups.map((group, index) =>
    dropped.has(index) ? { name: DROPPED, items: group.items.map(() => 0) } : group,
  );
  return { ...program, groups };
}

/** Physical address of a program's instruction, as kseg0 shows it, from its offset in CODE. */
export const codeAlias = (offset: number): number => (0x8000_0000 + CODE + offset) >>> 0;

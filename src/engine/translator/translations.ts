import { decoderFor, type Decoder } from "../../isa/decode.ts";
import { rowIndex } from "../../isa/instructions.ts";
import { fieldValue } from "../../isa/operands.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Mode } from "../../machine/modes.ts";
import { KSEG0 } from "../../machine/segments.ts";
import {
  CODE_PAGE,
  PAGE_SHIFT,
  PAGE_SIZE,
  RECORD,
  STATE,
  TRANSLATED_FLAG,
} from "../../machine/state-layout.ts";
import type { BreakpointRecords } from "../breakpoint-records.ts";
import { SLOW_ACCESSES, slowName } from "../imports.ts";
import { FIRST_ROW_OP, OPERATIONS } from "../operations.ts";
import { QUICK_FORMS, quickName } from "../quick/quick-forms.ts";
import { isTableJump, traitsOf } from "./operation-traits.ts";
import { findRegion, type Region } from "./region.ts";
import { groupModule, regionName, type GroupTarget, type PlacedRegion } from "./region-group.ts";

/** When code is translated, and how much of it is kept. */
export interface TranslationPolicy {
  /** The interpreter is asked where it is each time it has executed so many instructions itself. */
  readonly sampleEvery: number;
  /** Code is translated that was found at so many samples. */
  readonly hot: number;
  /** Or at `samples` of them, if it is needed again and again: at one in `every` or more, over `atLeast` or more. */
  readonly steady?: { readonly samples: number; readonly every: number; readonly atLeast: number };
  /** Each write to a page of translated code doubles what makes its code hot again, so many times at most. */
  readonly mostDoublings: number;
  /** Bytes of WebAssembly beyond which everything is dropped. */
  readonly mostBytes: number;
}

/** What serves a booting Linux. */
export const DEFAULT_POLICY: TranslationPolicy = {
  sampleEvery: 8192,
  hot: 32,
  steady: { samples: 8, every: 512, atLeast: 1000 },
  mostDoublings: 8,
  mostBytes: 8 << 20,
};

/**
 * Whatever is executed for the second time is translated. Compiling takes far longer than it saves. The limit is what
 * the boot of a Linux needs without being dropped all the time.
 */
export const EAGER_POLICY: TranslationPolicy = {
  sampleEvery: 1,
  hot: 1,
  mostDoublings: 0,
  mostBytes: 32 << 20,
};

/** Regions that are translated together: the code found hot, and what it calls. */
const MOST_REGIONS = 8;
/** Entries of the table: a code page notes them in 16 bits. */
const MOST_FUNCTIONS = 0xffff;
/** The table grows by so many entries. */
const TABLE_GROWTH = 256;
/** So many targets of table jumps get into a region as they are found; beyond, it is made anew when it grows by a quarter. */
const FEW_TARGETS = 32;
/** Places whose samples are counted before counting starts anew. */
const MOST_PLACES = 1 << 15;

/** Where code was executed: what its addresses mean. */
export interface AddressSpace {
  readonly mode: Mode;
  readonly asid: number;
}

/** Code at a virtual address: its page in RAM and the records decoded from it. */
interface Place {
  readonly va: number;
  readonly space: AddressSpace;
  readonly offset: number;
  readonly ramPage: number;
  readonly records: number;
}

/** How often code was found, and the number of samples before that. */
interface Heat {
  count: number;
  readonly since: number;
}

/** The translations of a page: table index by byte offset. */
interface PageTranslations {
  readonly functions: Map<number, number>;
  /** Places in the page that table jumps from the same page led to. */
  readonly jumpTargets: Set<number>;
  /** How many of them there were when a region with all of them was made last. */
  joinedTargets: number;
  writes: number;
}

/**
 * Decides what to translate, and owns the translations. Each is a function in the table; its index is noted in the
 * code page, and the record where it starts is flagged, which makes the interpreter leave.
 */
export class Translations {
  readonly table: WebAssembly.Table;
  /** Translations made so far, of the same code again too. */
  made = 0;
  private readonly machine: Machine;
  private readonly policy: TranslationPolicy;
  private readonly breakpoints: BreakpointRecords;
  private readonly decode: Decoder;
  /** What translations depend on beside the guest's code. */
  private readonly target: GroupTarget;
  private readonly pages = new Map<number, PageTranslations>();
  /** Samples of code that was not translated. */
  private sampled = 0;
  private readonly heats = new Map<number, Heat>();
  private readonly free: number[] = [];
  private bytes = 0;
  /** What stands in the table where there is no translation. */
  private notTranslated: unknown = null;
  /** What translated code may call, by name. */
  private readonly callable: WebAssembly.ModuleImports;

  /** `slowPaths`: what translated code may call of the engine, by name. */
  constructor(
    machine: Machine,
    policy: TranslationPolicy,
    breakpoints: BreakpointRecords,
    slowPaths: Readonly<WebAssembly.ModuleImports>,
  ) {
    this.machine = machine;
    this.policy = policy;
    this.breakpoints = breakpoints;
    const { memory, mmu, cpu } = machine;
    this.decode = decoderFor(cpu.model.isa);
    this.target = {
      endian: memory.endian,
      cp0Specs: cpu.cp0Specs,
      ram: memory.plan.ram + mmu.ramOffset(0),
      memoryPages: memory.plan.totalBytes / 65536,
      codeMapWord: (va) => this.codeMapWord(va),
    };
    this.table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
    this.callable = { ...slowPaths, memory: memory.wasm, table: this.table };
  }

  /** Takes what the interpreter's module exports for translated code. */
  connect(exports: Readonly<WebAssembly.ModuleImports>): void {
    for (const name of ["enter", "comeBack"]) this.callable[name] = exports[name]!;
    for (const name of QUICK_FORMS) this.callable[name] = exports[quickName(name)] ?? this.callable[name]!;
    for (const name of SLOW_ACCESSES) this.callable[name] = exports[slowName(name)]!;
    this.notTranslated = exports["notTranslated"];
    this.table.set(0, this.notTranslated);
  }

  /**
   * Code at `va` was found being executed in `space`. It is where a jump led (a loop, a function, or what follows a call), or
   * where translated code left off; `from` is the jump's place, or null if translated code made a jump through a
   * table. Returns false if it is translated already.
   */
  sample(va: number, space: AddressSpace, from: number | null): boolean {
    const place = this.locate(va, space);
    if (place === null) return true;
    const { functions, jumpTargets, writes } = this.pageOf(place.records);
    if (from === null || this.isTableJump(from, place)) jumpTargets.add(place.offset);
    if (functions.has(place.offset)) return false;
    const key = place.records + place.offset;
    if (this.heats.size > MOST_PLACES) this.heats.clear();
    const heat = this.heats.get(key) ?? { count: 0, since: this.sampled };
    this.heats.set(key, heat);
    this.sampled++;
    heat.count++;
    if (this.isHot(heat, Math.min(writes, this.policy.mostDoublings))) {
      this.heats.delete(key);
      this.translate(place);
    }
    return true;
  }

  /** Whether code is worth translating whose page was written to so often. */
  private isHot({ count, since }: Heat, doublings: number): boolean {
    const { hot, steady } = this.policy;
    if (count >= hot << doublings) return true;
    if (steady === undefined) return false;
    const age = this.sampled - since;
    return count >= steady.samples << doublings && age >= steady.atLeast && age <= steady.every * count;
  }

  /** The code page at `records` was written to. */
  written(records: number): void {
    const page = this.pages.get(records);
    if (page === undefined || page.functions.size === 0) return;
    this.forget(records);
    page.writes++;
  }

  /** Drops the translations of the code page at `records`. */
  forget(records: number): void {
    const page = this.pages.get(records);
    if (page === undefined) return;
    this.drop(records, page);
    this.machine.memory.i32[STATE.stale >>> 2] = 1;
  }

  /** Breakpoints were set: code that is entered without a look-up of its address is to know of them. */
  breakpointsSet(addresses: readonly number[]): void {
    const { cpu } = this.machine;
    for (const address of addresses) this.locate(address, cpu);
  }

  /** All code pages were dropped, or there is too much. */
  clear(): void {
    for (const [records, page] of this.pages) this.drop(records, page);
    this.pages.clear();
    this.heats.clear();
    this.bytes = 0;
  }

  /** Whether the instruction at `from` is one through a table that may lead to `to` in its page. */
  private isTableJump(from: number, { va, ramPage }: Place): boolean {
    if (from >>> PAGE_SHIFT !== va >>> PAGE_SHIFT) return false;
    const word = this.machine.memory.read32((ramPage << PAGE_SHIFT) + (from & (PAGE_SIZE - 1))) | 0;
    const row = this.decode(word);
    return row !== null && isTableJump(traitsOf(OPERATIONS[rowIndex(row)]!), word);
  }

  private drop(records: number, page: PageTranslations): void {
    const { functions, jumpTargets } = page;
    jumpTargets.clear();
    page.joinedTargets = 0;
    for (const [offset, index] of functions) {
      this.note(records, offset, 0);
      this.table.set(index, this.notTranslated);
      this.free.push(index);
    }
    functions.clear();
  }

  private pageOf(records: number): PageTranslations {
    let page = this.pages.get(records);
    if (page === undefined) {
      page = { functions: new Map(), jumpTargets: new Set(), joinedTargets: 0, writes: 0 };
      this.pages.set(records, page);
    }
    return page;
  }

  /** Notes the function that starts at `offset`, or with 0 that there is none. */
  private note(records: number, offset: number, index: number): void {
    const { u8 } = this.machine.memory;
    const at = records + CODE_PAGE.functions + (offset >>> 1);
    u8[at] = index;
    u8[at + 1] = index >> 8;
    const op = records + (offset >>> 2) * RECORD.bytes + RECORD.op + 1;
    const flag = TRANSLATED_FLAG >>> 8;
    u8[op] = index === 0 ? u8[op]! & ~flag : u8[op]! | flag;
  }

  /** The decoded code at `va` in `space`; null if there is none. */
  private locate(va: number, space: AddressSpace): Place | null {
    const { mmu, memory } = this.machine;
    if ((va & 3) !== 0) return null;
    const pa = mmu.peek(va, space.mode, space.asid);
    const at = pa < 0 ? -1 : mmu.ramOffset(pa);
    if (at < 0) return null;
    const ramPage = at >>> PAGE_SHIFT;
    const records = memory.i32[(memory.plan.codeMap >>> 2) + ramPage]!;
    if (records === 0) return null;
    this.breakpoints.mark(va, records);
    return { va: va >>> 0, space, offset: at & (PAGE_SIZE - 1), ramPage, records };
  }

  private isExecuted(records: number, offset: number): boolean {
    const { u8 } = this.machine.memory;
    const at = records + (offset >>> 2) * RECORD.bytes + RECORD.op;
    return ((u8[at]! | (u8[at + 1]! << 8)) & (TRANSLATED_FLAG - 1)) >= FIRST_ROW_OP;
  }

  private regionAt({ va, offset, ramPage, records }: Place): Region {
    const { memory } = this.machine;
    const start = ramPage << PAGE_SHIFT;
    return findRegion(
      {
        va: va - offset,
        decode: this.decode,
        word: (at) => memory.read32(start + at) | 0,
        executed: (at) => this.isExecuted(records, at),
        hasBreakpoint: (at) => this.breakpoints.isMarked(records + (at >>> 2) * RECORD.bytes),
      },
      this.entriesAt(records, offset),
    );
  }

  /** The place itself, and if table jumps lead there, wherever else they do. */
  private entriesAt(records: number, offset: number): number[] {
    const { jumpTargets, joinedTargets } = this.pageOf(records);
    const count = jumpTargets.size;
    const isWorthIt = count <= FEW_TARGETS || count * 4 >= joinedTargets * 5;
    return jumpTargets.has(offset) && isWorthIt ? [...new Set([offset, ...jumpTargets])] : [offset];
  }

  /** Regions to be translated with the one at `first`: what it calls, and what that calls. */
  private collect(first: Place): PlacedRegion[] {
    const found: PlacedRegion[] = [];
    const seen = new Set<number>();
    const waiting: Place[] = [first];
    for (const place of waiting) {
      if (found.length === MOST_REGIONS) break;
      const key = place.records + place.offset;
      if (seen.has(key) || this.pageOf(place.records).functions.has(place.offset)) continue;
      seen.add(key);
      if (!this.isExecuted(place.records, place.offset)) continue;
      const region = this.regionAt(place);
      if (!region.entries.includes(place.offset)) continue;
      found.push({ region, records: place.records });
      for (const entry of region.entries) seen.add(place.records + entry);
      for (const { branch, ending } of region.blocks.values()) {
        const index = branch?.traits.index ?? null;
        if (ending.kind !== "call" || branch === null || index === null) continue;
        const next = place.va - place.offset + branch.at + 4;
        const called = this.locate((next & 0xf000_0000) | fieldValue(index, branch.word), place.space);
        if (called !== null) waiting.push(called);
      }
    }
    return found;
  }

  /** An index of the table that is not in use. */
  private freeIndex(): number {
    if (this.free.length === 0) {
      const first = this.table.grow(TABLE_GROWTH);
      for (let index = first + TABLE_GROWTH - 1; index >= first; index--) this.free.push(index);
    }
    return this.free.pop()!;
  }

  /** Where the code map has the page of an address of kseg0, whose translation is fixed. */
  private codeMapWord(va: number): number | null {
    const { cpu, mmu, memory } = this.machine;
    if (va >>> 29 !== KSEG0.base >>> 29 || cpu.model.segmentControl) return null;
    const offset = mmu.ramOffset(va - KSEG0.base);
    return offset < 0 ? null : memory.plan.codeMap + (offset >>> PAGE_SHIFT) * 4;
  }

  private translate(first: Place): void {
    if (this.bytes > this.policy.mostBytes || this.table.length + TABLE_GROWTH > MOST_FUNCTIONS) this.clear();
    const found = this.collect(first);
    if (found.length === 0) return;
    const bytes = groupModule(found, this.target);
    this.bytes += bytes.length;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: this.callable,
    });
    found.forEach(({ records, region: { entries } }, n) => {
      const page = this.pageOf(records);
      if (entries.length > 1) page.joinedTargets = page.jumpTargets.size;
      for (const entry of entries) {
        // One with a switch replaces what there was: translations that are no worse, but end at every jump.
        const index = page.functions.get(entry) ?? this.freeIndex();
        this.table.set(index, instance.exports[regionName(n)]);
        page.functions.set(entry, index);
        this.note(records, entry, index);
      }
      this.made++;
    });
  }
}

import type { Decoder } from "../../isa/decode.ts";
import { rowIndex } from "../../isa/instructions.ts";
import { fieldValue } from "../../isa/operands.ts";
import { PAGE_SIZE } from "../../machine/state-layout.ts";
import { OPERATIONS, type Operation } from "../operations.ts";
import { isTableJump, traitsOf, type Traits } from "./operation-traits.ts";

/** An instruction to be translated: its place in the page, its word, and what it means. */
export interface Instruction {
  /** Byte offset in the page. */
  readonly at: number;
  readonly word: number;
  readonly operation: Operation;
  readonly traits: Traits;
  /** Registers that it reads and writes, as bits; bit 0 stands for HI and LO. */
  readonly reads: number;
  readonly writes: number;
}

/** A way from a block to another place of the page. */
export interface Edge {
  readonly to: number;
  /** Through a function called: what registers hold is known to memory only. */
  readonly afterCall: boolean;
  /** The delay slot is executed on the way. */
  readonly withSlot: boolean;
}

/** How a block ends. */
export type Ending =
  /** Goes on behind the block, where another one starts or the interpreter takes over. */
  | { readonly kind: "next" }
  | { readonly kind: "branch"; readonly taken: number; readonly likely: boolean }
  /** A branch that links: taken, it calls. */
  | { readonly kind: "branchCall"; readonly callee: number }
  /** A jump to a known place in the page, or a branch that is always taken. */
  | { readonly kind: "goto"; readonly target: number }
  /** `callee` is the place called relative to the page, if it is known; right at the region's address only. */
  | { readonly kind: "call"; readonly callee: number | null }
  /** JR $31, or any other jump to an address in a register or in another page. */
  | { readonly kind: "return" | "jump" }
  /** No instruction: goes to whichever of the region's entries the address under way is. */
  | { readonly kind: "switch" };

/** A straight run of instructions that is entered only at its start. */
export interface Block {
  readonly start: number;
  /** What is executed in order, without branch and delay slot. */
  readonly body: readonly Instruction[];
  readonly branch: Instruction | null;
  readonly delaySlot: Instruction | null;
  readonly ending: Ending;
  /** Where control goes without a branch: behind the block. */
  readonly end: number;
  /** Instructions, branch and delay slot included. */
  readonly length: number;
  readonly edges: readonly Edge[];
}

/** The place of a block that is no code: the switch of a region with several entries. */
export const SWITCH = -4;

/** Code of one page that is entered at its head only: where it starts, or a switch that leads to its entries. */
export interface Region {
  readonly head: number;
  /** Where code outside may enter. */
  readonly entries: readonly number[];
  readonly blocks: ReadonlyMap<number, Block>;
  /** Virtual address of the page, if the code is right only there. */
  readonly onlyAt: number | null;
}

/** What is known of the page that a region is cut out of. */
export interface PageCode {
  /** Virtual address at which it was seen. */
  readonly va: number;
  readonly decode: Decoder;
  /** Word at a byte offset. */
  readonly word: (offset: number) => number;
  /** Whether the word was reached by the interpreter: others may be data. */
  readonly executed: (offset: number) => boolean;
  /** Whether execution may have to stop in front of the word. */
  readonly hasBreakpoint: (offset: number) => boolean;
}

/**
 * Most instructions of a region, a delay slot with its branch as one: the WebAssembly compiler's time grows faster than
 * their number.
 */
const MOST_INSTRUCTIONS = 150;
/**
 * The same of a region of which one part in {@link LOOP_PART} or more lies in loops: each way from one region into another
 * costs time every time the loop turns, and such a loop would be translated again from each place where it goes on.
 */
const MOST_WITH_LOOPS = 700;
const LOOP_PART = 4;
/** The same of a region with a switch. */
const MOST_WITH_SWITCH = 600;
/** Addresses from here on are unmapped, or mapped for the kernel alone: code there is found nowhere else. */
const KERNEL_ADDRESSES = 0x8000_0000;

/**
 * Cuts the code that can be reached from `entries` without leaving the page into blocks. Several entries are places
 * that table jumps lead to: these jumps stay in the region. Unless the region makes some itself, and so a loop, only
 * the first counts.
 */
export function findRegion(page: PageCode, entries: readonly number[]): Region {
  const finder = new RegionFinder(page, entries);
  if (entries.length > 1) {
    finder.collect(MOST_WITH_SWITCH);
    const region = finder.cut();
    return makesTableJumps(region) ? region : findRegion(page, entries.slice(0, 1));
  }
  finder.collect(MOST_INSTRUCTIONS);
  const region = finder.cut();
  if (!finder.isCutOff) return region;
  finder.collect(MOST_WITH_LOOPS);
  return finder.isMadeOfLoops ? finder.cut() : region;
}

function makesTableJumps({ blocks }: Region): boolean {
  return [...blocks.values()].some(({ ending }) => ending.kind === "goto" && ending.target === SWITCH);
}

const PAGE_WORDS = PAGE_SIZE / 4;
/** Marks of words: an instruction of the region; a place where a block starts; between a jump back and its target. */
const FOUND = 1;
const START = 2;
const LOOPED = 4;

class RegionFinder {
  private readonly page: PageCode;
  private readonly entries: readonly number[];
  /** By word of the page, once looked at; null if it cannot be translated. */
  private readonly instructions = new Array<Instruction | null | undefined>(PAGE_WORDS);
  /** By word: what is known of it, see `FOUND`, `START` and `LOOPED`. */
  private readonly marks = new Uint8Array(PAGE_WORDS);
  /** Places where blocks start, in the order in which they were found. */
  private readonly starts: number[] = [];
  /** Places from where on more is to be found; those before `next` are done. */
  private readonly waiting: number[];
  private next = 0;
  /** Instructions found. */
  private count = 0;
  private usesAbsolute = false;

  constructor(page: PageCode, entries: readonly number[]) {
    this.page = page;
    this.entries = entries;
    this.waiting = [...entries];
    for (const entry of entries) this.startAt(entry);
  }

  private get hasSwitch(): boolean {
    return this.entries.length > 1;
  }

  private instruction(at: number): Instruction | null {
    if (at < 0 || at >= PAGE_SIZE) return null;
    let instruction = this.instructions[at >>> 2];
    if (instruction === undefined) {
      instruction = this.decode(at);
      this.instructions[at >>> 2] = instruction;
    }
    return instruction;
  }

  private decode(at: number): Instruction | null {
    if (this.page.hasBreakpoint(at)) return null;
    const word = this.page.word(at);
    const row = this.page.decode(word);
    if (row === null) return null;
    const operation = OPERATIONS[rowIndex(row)]!;
    const traits = traitsOf(operation);
    if (!traits.isTranslatable) return null;
    const reads = traits.reads | registersAt(traits.readsAt, word);
    const writes = traits.writes | registersAt(traits.writesAt, word);
    return { at, word, operation, traits, reads, writes };
  }

  /** The delay slot of the branch at `at`, if it can be translated along with it. */
  private slotOf(at: number): Instruction | null {
    const slot = this.instruction(at + 4);
    return slot === null || slot.operation.isTransfer ? null : slot;
  }

  private startAt(at: number): void {
    const { marks } = this;
    if ((marks[at >>> 2]! & START) !== 0) return;
    marks[at >>> 2]! |= START;
    this.starts.push(at);
  }

  /**
   * Finds instructions in order of their distance from the entries, up to `most` in all, and the places where blocks
   * start. May be called again for more.
   */
  collect(most: number): void {
    const { waiting } = this;
    for (; this.next < waiting.length; this.next++) {
      const at = this.collectFrom(waiting[this.next]!, most);
      if (at === null) continue;
      waiting[this.next] = at;
      return;
    }
  }

  /** The same from `start` up to the next jump. Returns where it goes on if there is no room for more, else null. */
  private collectFrom(start: number, most: number): number | null {
    const { marks, page, waiting } = this;
    for (let at = start; at < PAGE_SIZE; at += 4) {
      if ((marks[at >>> 2]! & FOUND) !== 0) {
        this.startAt(at);
        return null;
      }
      if (!page.executed(at)) return null;
      if (this.count === most) return at;
      const instruction = this.instruction(at);
      if (instruction === null) return null;
      const { isTransfer } = instruction.operation;
      if (isTransfer && this.slotOf(at) === null) return null;
      marks[at >>> 2]! |= FOUND;
      this.count++;
      if (!isTransfer) continue;
      for (const { to } of edgesOf(this.endingOf(instruction), at + 8)) {
        if (to < 0 || to >= PAGE_SIZE || !page.executed(to)) continue;
        this.startAt(to);
        waiting.push(to);
        for (let looped = to; looped <= at; looped += 4) marks[looped >>> 2]! |= LOOPED;
      }
      return null;
    }
    return null;
  }

  /** There was more than `collect` was asked for. */
  get isCutOff(): boolean {
    return this.next < this.waiting.length;
  }

  /** Whether enough of what was found lies in loops for it to be one region. */
  get isMadeOfLoops(): boolean {
    const looped = this.marks.reduce(
      (sum, mark) => sum + Number((mark & FOUND) !== 0 && (mark & LOOPED) !== 0),
      0,
    );
    return looped * LOOP_PART >= this.count;
  }

  cut(): Region {
    const blocks = new Map<number, Block>();
    for (const start of this.starts) {
      const block = this.blockAt(start);
      if (block.length > 0) blocks.set(start, block);
    }
    const fixed = this.usesAbsolute || this.page.va >= KERNEL_ADDRESSES;
    const onlyAt = fixed ? this.page.va : null;
    const entries = this.entries.filter((entry) => blocks.has(entry));
    if (!this.hasSwitch) return { head: this.entries[0]!, entries, blocks, onlyAt };
    blocks.set(SWITCH, switchTo(entries));
    return { head: SWITCH, entries, blocks, onlyAt };
  }

  private blockAt(start: number): Block {
    const body: Instruction[] = [];
    for (let at = start; ; at += 4) {
      const word = at >>> 2;
      const mark = at < PAGE_SIZE ? this.marks[word]! : 0;
      if ((mark & FOUND) === 0 || (at !== start && (mark & START) !== 0)) {
        const ending = { kind: "next" } as const;
        const edges = edgesOf(ending, at);
        return { start, body, branch: null, delaySlot: null, ending, end: at, length: body.length, edges };
      }
      const instruction = this.instructions[word]!;
      if (instruction.operation.isTransfer) {
        const ending = this.endingOf(instruction);
        const end = at + 8;
        const length = body.length + 2;
        const edges = edgesOf(ending, end);
        return { start, body, branch: instruction, delaySlot: this.slotOf(at), ending, end, length, edges };
      }
      body.push(instruction);
    }
  }

  private endingOf(instruction: Instruction): Ending {
    const { at, word, traits } = instruction;
    const { links, offset, index } = traits;
    if (offset !== null) {
      const taken = takenBy(instruction);
      if (links) return { kind: "branchCall", callee: taken };
      if (isAlwaysTaken(instruction)) return { kind: "goto", target: taken };
      return { kind: "branch", taken, likely: traits.isLikely };
    }
    if (index === null) {
      if (links) return { kind: "call", callee: null };
      if (!isTableJump(traits, word)) return { kind: "return" };
      return this.hasSwitch ? { kind: "goto", target: SWITCH } : { kind: "jump" };
    }
    const next = this.page.va + at + 4;
    const target = (((next & 0xf000_0000) | fieldValue(index, word)) >>> 0) - this.page.va;
    const inPage = target >= 0 && target < PAGE_SIZE;
    if (inPage) this.usesAbsolute = true;
    if (links) return { kind: "call", callee: target };
    return inPage ? { kind: "goto", target } : { kind: "jump" };
  }
}

/** Whether it is a branch that compares a register with itself, as assemblers write B. */
function isAlwaysTaken({ traits: { compared }, word }: Instruction): boolean {
  return compared !== null && fieldValue(compared[0], word) === fieldValue(compared[1], word);
}

/** The block that leads to `entries`. */
function switchTo(entries: readonly number[]): Block {
  return {
    ...{ start: SWITCH, end: SWITCH, length: 0, body: [], branch: null, delaySlot: null },
    ending: { kind: "switch" },
    edges: entries.map((to) => ({ to, afterCall: false, withSlot: false })),
  };
}

/** Where a PC-relative branch leads if taken, as an offset in its page. */
export function takenBy({ at, word, traits }: Instruction): number {
  return at + 4 + fieldValue(traits.offset!, word);
}

/** Where control can go in the page from a block that ends in front of `end`. */
function edgesOf(ending: Ending, end: number): readonly Edge[] {
  const edge = (to: number, afterCall = false, withSlot = true): Edge => ({ to, afterCall, withSlot });
  switch (ending.kind) {
    case "next":
      return [edge(end)];
    case "branch":
      return [edge(ending.taken), edge(end, false, !ending.likely)];
    case "branchCall":
      return [edge(end, true), edge(end)];
    case "goto":
      return [edge(ending.target)];
    case "call":
      return [edge(end, true)];
    default:
      return [];
  }
}

/** Registers that are read and written, as bits; bit 0 stands for HI and LO. */
export type RegisterUse = Pick<Instruction, "reads" | "writes">;

/** The registers that the five bits of a word at each of `positions` name, as bits: $zero has none. */
function registersAt(positions: readonly number[], word: number): number {
  let registers = 0;
  // Shifts are by the lowest five bits of a number.
  for (let n = 0; n < positions.length; n++) registers |= 1 << (word >>> positions[n]!);
  return registers & ~1;
}

/** Registers of a whole block; a likely branch's delay slot is not always executed and left out. */
export function blockUse({ body, branch, delaySlot, ending }: Block): RegisterUse {
  return joinedUse(body, branch, ending.kind === "branch" && ending.likely ? null : delaySlot);
}

/** What all of a block may read and write. */
export function widestUse({ body, branch, delaySlot }: Block): RegisterUse {
  return joinedUse(body, branch, delaySlot);
}

function joinedUse(
  body: readonly Instruction[],
  branch: Instruction | null,
  delaySlot: Instruction | null,
): RegisterUse {
  let reads = (branch?.reads ?? 0) | (delaySlot?.reads ?? 0);
  let writes = (branch?.writes ?? 0) | (delaySlot?.writes ?? 0);
  // By number, as in other busy loops of the translator: iterators are garbage until V8 has optimized their loops.
  for (let n = 0; n < body.length; n++) {
    reads |= body[n]!.reads;
    writes |= body[n]!.writes;
  }
  return { reads, writes };
}

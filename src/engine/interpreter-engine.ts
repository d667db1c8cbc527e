import { ENTRY_HI } from "../isa/cp0.ts";
import { decoderFor, type Decoder } from "../isa/decode.ts";
import { EXC_CODE, type ExcCode } from "../isa/exceptions.ts";
import { rowIndex } from "../isa/instructions.ts";
import type { Engine, EngineFactory, Machine } from "../machine/machine.ts";
import { ACCESS } from "../machine/mmu.ts";
import { MODE, type Mode } from "../machine/modes.ts";
import {
  CODE_PAGE,
  CODE_PAGE_BYTES,
  CODE_PAGES_HEADER,
  PAGE_SHIFT,
  RECORD,
  RECORDS_PER_PAGE,
  STATE,
} from "../machine/state-layout.ts";
import { BreakpointRecords } from "./breakpoint-records.ts";
import { STEP } from "./chain.ts";
import { IMPORTS, LOAD_AROUND, STORE_PART, type ImportName } from "./imports.ts";
import { buildInterpreter } from "./interpreter.ts";
import { OPERATIONS, PSEUDO, writeRecord } from "./operations.ts";
import { SoftTlb } from "./soft-tlb.ts";
import {
  DEFAULT_POLICY,
  EAGER_POLICY,
  Translations,
  type AddressSpace,
  type TranslationPolicy,
} from "./translator/translations.ts";

const FAULT = 0;
const STORED = 1;
/** Instructions after a sample in which a jump is looked for. */
const SEEK_INSTRUCTIONS = 64;
const NEVER = 0x7fff_ffff;
/** An address at which there is no jump: it is not that of a word. */
const NOWHERE = 1;

/** Primary opcodes of the coprocessors, for instructions that the table does not have. */
const COPROCESSOR_OF_OPCODE: ReadonlyMap<number, number> = new Map([
  [0x11, 1],
  [0x12, 2],
  [0x13, 1],
]);

type Import = (...args: number[]) => number;

/** The method `name` of an object with operations, if it has one. */
function methodOf(operations: object | null, name: ImportName): Import | undefined {
  const method = (operations as Record<string, Import | undefined> | null)?.[name];
  return method?.bind(operations);
}

/** Operations of a unit that the CPU does not have: they are never executed. */
const noSuchUnit: Import = () => {
  throw new Error("the CPU has no such unit");
};

/**
 * The interpreter engine: owns the soft TLBs and the pre-decoded code pages, and serves what the generated
 * function calls outside for. Each of these calls finds PC, delay slot and budget in the state block.
 */
export class InterpreterEngine implements Engine {
  private readonly machine: Machine;
  /** By CPU. */
  private readonly softTlbs: readonly SoftTlb[];
  private readonly decoder: Decoder;
  private readonly runModule: () => number;
  /** The careful interpreter, for so many instructions. */
  private readonly step: (instructions: number) => number;
  /** RAM page that each code page was decoded from. */
  private readonly ramPageOf: Int32Array;
  private codePagesUsed = 0;

  private readonly breakpoints: BreakpointRecords;
  private readonly translated: Translations;
  private readonly sampleEvery: number;

  /** `policy`: when code is translated to WebAssembly; without one everything is interpreted. */
  constructor(machine: Machine, policy: TranslationPolicy | null) {
    this.machine = machine;
    this.sampleEvery = policy?.sampleEvery ?? NEVER;
    const imports = this.imports();
    this.breakpoints = new BreakpointRecords(machine.memory, machine.debug, (records) =>
      this.translated.forget(records),
    );
    this.translated = new Translations(machine, policy ?? DEFAULT_POLICY, this.breakpoints, imports);
    const { memory, cpu } = machine;
    this.softTlbs = machine.cpus.map((each) => new SoftTlb(each));
    this.decoder = decoderFor(cpu.model.isa);
    this.ramPageOf = new Int32Array(memory.plan.codePageCount);
    for (const each of machine.cpus) {
      each.translations = this.softTlbs[each.number]!;
      each.modeMayHaveChanged();
      each.state[STATE.untilSample >>> 2] = this.sampleEvery;
    }
    const fetchRecord = this.prepareFetchRecord();
    const quick = policy !== null && machine.cpus.length === 1;
    const bytes = buildInterpreter(machine, fetchRecord, quick);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: memory.wasm, table: this.translated.table, ...imports },
    });
    this.runModule = exports["run"] as () => number;
    this.step = exports["careful"] as (instructions: number) => number;
    this.translated.connect(exports);
    machine.onCodeWritten = (page) => this.codeWritten(page);
    machine.debug.onBreakpointsChanged = () => this.breakpointsChanged();
  }

  /** Translations made so far; the same code counts each time. */
  get translations(): number {
    return this.translated.made;
  }

  run(): number {
    for (;;) {
      const reason = this.runModule();
      if (reason !== STEP.sample) return reason;
      const ended = this.sample();
      if (ended >= 0) return ended;
    }
  }

  /**
   * Follows execution to where the next jump leads, and notes that place; if it is translated, the place where
   * the interpreter took over. Returns a reason for the machine if one came up on the way.
   */
  private sample(): number {
    const { cpu, memory } = this.machine;
    memory.i32[STATE.untilSample >>> 2] = this.sampleEvery;
    if (this.sampleEvery === NEVER) return STEP.chain;
    for (let n = 0; n < SEEK_INSTRUCTIONS; n++) {
      const expected = (cpu.pc + 4) >>> 0;
      const reason = this.step(1);
      if (reason >= 0) return reason;
      // Behind a likely branch that is not taken nothing new begins.
      if (cpu.pc === expected || cpu.pc === expected + 4 || cpu.inDelaySlot) continue;
      // The jump is in front of its delay slot.
      if (!this.translated.sample(cpu.pc, cpu, expected - 8)) {
        const leftAt = memory.i32[STATE.interpretedFrom >>> 2]!;
        const byTableJump = memory.i32[STATE.jumpedTo >>> 2] === leftAt;
        this.translated.sample(leftAt, this.interpretedIn, byTableJump ? null : NOWHERE);
      }
      break;
    }
    return STEP.chain;
  }

  /** Where the interpreter took over from translated code. */
  private get interpretedIn(): AddressSpace {
    const { i32 } = this.machine.memory;
    const mode = i32[STATE.interpretedMode >>> 2] as Mode;
    return { mode, asid: i32[STATE.interpretedEntryHi >>> 2]! & ENTRY_HI.ASID };
  }

  /** Of the CPU that executes. */
  private get softTlb(): SoftTlb {
    return this.softTlbs[this.machine.cpu.number]!;
  }

  private codeWritten(page: number): void {
    const { memory } = this.machine;
    const records = memory.i32[(memory.plan.codeMap >>> 2) + page]!;
    this.translated.written(records);
  }

  /** The record that leads to `pendingTarget` lies in front of the first code page. */
  private prepareFetchRecord(): number {
    const { memory } = this.machine;
    const at = memory.plan.codePages;
    memory.u8[at + RECORD.op] = PSEUDO.fetch;
    return at;
  }

  private codePageAt(index: number): number {
    return this.machine.memory.plan.codePages + CODE_PAGES_HEADER + index * CODE_PAGE_BYTES;
  }

  /** Number of the code page that memory offset `at` lies in. */
  private codePageIndex(at: number): number {
    return Math.floor((at - this.codePageAt(0)) / CODE_PAGE_BYTES);
  }

  private imports(): Record<ImportName, Import> {
    const { machine } = this;
    const { ops, fpuInstructions } = machine;
    const slow: Record<string, Import> = {
      decode: (record) => this.decode(record),
      reserved: (word) => this.reserved(word),
      breakpoint: (record) => (machine.debug.breaksHere() ? -1 : this.breakpoints.operationOf(record)),
      fetch: (va) => this.fetch(va),
      raise: (code) => {
        machine.cpu.raise(code as ExcCode);
        return FAULT;
      },
      load: (va, size) => this.load(va, size, false),
      store: (va, size, value) => this.store(va, size, value, false),
      loadUser: (va, size) => (ops.denied() ? FAULT : this.load(va, size, true)),
      storeUser: (va, size, value) => (ops.denied() ? FAULT : this.store(va, size, value, true)),
      loadLinked: (va) => this.loadLinked(va, false),
      storeConditional: (va, value) => this.storeConditional(va, value, false),
      loadLinkedUser: (va) => (ops.denied() ? FAULT : this.loadLinked(va, true)),
      storeConditionalUser: (va, value) => (ops.denied() ? FAULT : this.storeConditional(va, value, true)),
      served: (place) => this.serve(place),
      linkToRam: (va) => this.linkToRam(va),
      storeToRam: (va, value) => this.storeToRam(va, value),
      // As each exit of a guest does: no bound function is called.
      sdbbp: (code) => ops.sdbbp(code),
      modeChanged: () => {
        machine.cpu.clock.modeChanged();
        return STORED;
      },
    };
    const all: Partial<Record<ImportName, Import>> = {};
    for (const name of Object.keys(IMPORTS) as ImportName[])
      all[name] = slow[name] ?? methodOf(ops, name) ?? methodOf(fpuInstructions, name) ?? noSuchUnit;
    return all as Record<ImportName, Import>;
  }

  // --- code ---

  private fetch(va: number): number {
    const { mmu, memory, cpu } = this.machine;
    const pa = mmu.translate(va, ACCESS.fetch, 4);
    if (pa < 0) return FAULT;
    const offset = mmu.ramOffset(pa);
    if (offset < 0) {
      cpu.raise(EXC_CODE.IBE);
      return FAULT;
    }
    const page = offset >>> PAGE_SHIFT;
    const records = memory.i32[(memory.plan.codeMap >>> 2) + page] || this.newCodePage(page);
    this.breakpoints.mark(va, records);
    this.softTlb.fillCode(va, records);
    return records;
  }

  /** Takes a code page for RAM page `page`; when none is left, all of them are dropped first. */
  private newCodePage(page: number): number {
    const { memory } = this.machine;
    if (this.codePagesUsed === memory.plan.codePageCount) this.dropAllCode();
    const index = this.codePagesUsed++;
    this.ramPageOf[index] = page;
    const records = this.codePageAt(index);
    memory.u8.fill(0, records, records + CODE_PAGE_BYTES);
    for (const end of [RECORDS_PER_PAGE, RECORDS_PER_PAGE + 1])
      memory.u8[records + end * RECORD.bytes + RECORD.op] = PSEUDO.pageEnd;
    memory.i32[(records + CODE_PAGE.ram) >>> 2] = memory.plan.ram + (page << PAGE_SHIFT);
    memory.i32[(memory.plan.codeMap >>> 2) + page] = records;
    for (const tlb of this.softTlbs) tlb.protectPage(memory.plan.ram + (page << PAGE_SHIFT));
    return records;
  }

  private dropAllCode(): void {
    const { memory } = this.machine;
    const map = memory.plan.codeMap >>> 2;
    memory.i32.fill(0, map, map + (memory.size >>> PAGE_SHIFT));
    for (const tlb of this.softTlbs) tlb.dropCode();
    this.translated.clear();
    this.breakpoints.unmark();
    this.codePagesUsed = 0;
  }

  private breakpointsChanged(): void {
    this.breakpoints.unmark();
    for (const tlb of this.softTlbs) tlb.dropCode();
    this.translated.breakpointsSet(this.machine.debug.breakpointAddresses);
  }

  private decode(record: number): number {
    const { memory } = this.machine;
    const index = this.codePageIndex(record);
    const inPage = ((record - this.codePageAt(index)) / RECORD.bytes) * 4;
    const word = memory.i32[(memory.plan.ram + (this.ramPageOf[index]! << PAGE_SHIFT) + inPage) >>> 2]!;
    const row = this.decoder(word);
    const operation = row === null ? undefined : OPERATIONS[rowIndex(row)];
    if (operation !== undefined) writeRecord(memory.u8, record, operation, word, inPage);
    else {
      memory.i32[(record + RECORD.c) >>> 2] = word;
      memory.i32[record >>> 2] = PSEUDO.reserved;
    }
    this.breakpoints.decoded(record);
    return STORED;
  }

  private reserved(word: number): number {
    const { cpu } = this.machine;
    const coprocessor = COPROCESSOR_OF_OPCODE.get(word >>> 26);
    if (coprocessor === undefined) cpu.raise(EXC_CODE.RI);
    else cpu.raise(EXC_CODE.CpU, coprocessor);
    return FAULT;
  }

  // --- data ---

  /** The mode in which an access is made: user-access instructions (EVA) see what user mode sees. */
  private accessMode(user: boolean): Mode {
    return user ? MODE.user : this.machine.cpu.mode;
  }

  /** A device has been read for a load in translated code that could not go on; else 0. */
  private servedPlace = 0;

  private serve(place: number): number {
    const { memory } = this.machine;
    // From RAM it is loaded again.
    if (place === STATE.mmioData) this.servedPlace = place;
    // The instruction will be executed, and counted, again.
    memory.i32[STATE.remaining >>> 2]!++;
    memory.i32[STATE.carefulNext >>> 2] = 1;
    return STORED;
  }

  private load(va: number, size: number, user: boolean): number {
    const { mmu, memory } = this.machine;
    if (this.servedPlace !== 0) {
      const place = this.servedPlace;
      this.servedPlace = 0;
      return place;
    }
    const pa = mmu.translate(va, ACCESS.load, size === LOAD_AROUND ? 1 : size, this.accessMode(user));
    if (pa < 0) return FAULT;
    const offset = mmu.ramOffset(pa);
    if (offset < 0)
      return size === LOAD_AROUND ? mmu.readDevice(pa - (pa % 4), 4) : mmu.readDevice(pa, size as 1 | 2 | 4);
    const place = memory.plan.ram + offset;
    this.fillData(va, place, user);
    return size === LOAD_AROUND ? place & ~3 : place ^ memory.swizzle(size);
  }

  private store(va: number, size: number, value: number, user: boolean): number {
    const { mmu, memory } = this.machine;
    const isPart = size === STORE_PART.left || size === STORE_PART.right;
    const pa = mmu.translate(va, ACCESS.store, isPart ? 1 : size, this.accessMode(user));
    if (pa < 0) return FAULT;
    const offset = mmu.ramOffset(pa);
    if (offset < 0) {
      if (isPart) this.storePartToDevice(pa, size, value);
      else mmu.writeDevice(pa, size as 1 | 2 | 4, value);
      return STORED;
    }
    const place = memory.plan.ram + offset;
    if (isPart) this.mergePart(place, size, value);
    else if (size === 4) memory.i32[place >>> 2] = value;
    else if (size === 2) {
      const at = place ^ memory.swizzle(2);
      memory.u8[at] = value;
      memory.u8[at + 1] = value >> 8;
    } else memory.u8[place ^ memory.swizzle(1)] = value;
    if (this.machine.watches(offset)) this.machine.stored(offset & ~3, 4);
    this.fillData(va, place, user);
    return STORED;
  }

  /** Bits by which SWL and SWR shift the register: 8n or 24 - 8n for byte n of the word. */
  private partShift(place: number, size: number): number {
    const bits = (place & 3) * 8;
    return (size === STORE_PART.left) === (this.machine.memory.endian === "little") ? 24 - bits : bits;
  }

  private mergePart(place: number, size: number, value: number): void {
    const { i32 } = this.machine.memory;
    const shift = this.partShift(place, size);
    const old = i32[place >>> 2]!;
    i32[place >>> 2] =
      size === STORE_PART.left
        ? (old & ~(-1 >>> shift)) | (value >>> shift)
        : (old & ((1 << shift) - 1)) | (value << shift);
  }

  /** A device gets the bytes that SWL or SWR stores one by one, but all four of a word at once. */
  private storePartToDevice(pa: number, size: number, value: number): void {
    const left = size === STORE_PART.left;
    const towardsEnd = left !== (this.machine.memory.endian === "little");
    const count = towardsEnd ? 4 - (pa % 4) : (pa % 4) + 1;
    const first = towardsEnd ? pa : pa - (pa % 4);
    if (count === 4) return this.machine.mmu.writeDevice(first, 4, value);
    for (let i = 0; i < count; i++) {
      const fromTop = this.machine.memory.endian === "big" ? i : count - 1 - i;
      const shift = left ? 24 - fromTop * 8 : (count - 1 - fromTop) * 8;
      this.machine.mmu.writeDevice(first + i, 1, value >>> shift);
    }
  }

  /** Enters the page just translated; pages whose stores the machine watches keep them on the slow path. */
  private fillData(va: number, place: number, user: boolean): void {
    const { mmu, memory } = this.machine;
    const writable = mmu.writable && !this.machine.watches(place - memory.plan.ram);
    this.softTlb.fillData(va, place, mmu.readable, writable, user);
  }

  private loadLinked(va: number, user: boolean): number {
    const { ops, memory, mmu, cpu } = this.machine;
    const mode = this.accessMode(user);
    const offset = ops.linkAddress(va, false, mode);
    if (offset === -1) return FAULT;
    // LL from a device is a plain read: nothing can be linked there.
    if (offset === -2) return mmu.readDevice(mmu.peek(va, mode, cpu.asid), 4);
    return memory.plan.ram + offset;
  }

  private storeConditional(va: number, value: number, user: boolean): number {
    const { ops, cpu, memory } = this.machine;
    const offset = ops.linkAddress(va, true, this.accessMode(user));
    if (offset === -1) return FAULT;
    if (offset < 0 || !cpu.llBit) return 1;
    memory.i32[(memory.plan.ram + offset) >>> 2] = value;
    if (this.machine.watches(offset)) this.machine.stored(offset, 4);
    return 2;
  }

  // --- LL and SC for translated code: RAM only, and nothing happens where anything else would have to ---

  private linkToRam(va: number): number {
    const { cpu, mmu, memory } = this.machine;
    const pa = mmu.lookUp(va, ACCESS.load, 4, cpu.mode);
    const offset = pa < 0 ? -1 : mmu.ramOffset(pa);
    if (offset < 0) return 0;
    cpu.link(pa);
    this.fillUnwatched(va, memory.plan.ram + offset);
    return memory.plan.ram + offset;
  }

  /** Enters the page just looked up, which says nothing of what a debugger wants to see of it. */
  private fillUnwatched(va: number, place: number): void {
    if (this.machine.mmu.watch === null) this.fillData(va, place, false);
  }

  private storeToRam(va: number, value: number): number {
    const { cpu, mmu, memory } = this.machine;
    const pa = mmu.lookUp(va, ACCESS.store, 4, cpu.mode);
    const offset = pa < 0 ? -1 : mmu.ramOffset(pa);
    if (offset < 0 || this.machine.watches(offset)) return -1;
    this.fillUnwatched(va, memory.plan.ram + offset);
    if (!cpu.llBit) return 0;
    memory.i32[(memory.plan.ram + offset) >>> 2] = value;
    return 1;
  }
}

/** Creates the interpreter for a machine. */
export const createInterpreter = (machine: Machine): Engine => new InterpreterEngine(machine, null);

/** Creates the engine that translates what is executed often and interprets the rest. */
export const createTranslator = (machine: Machine): Engine => new InterpreterEngine(machine, DEFAULT_POLICY);

/** The engines, by the names under which they are chosen. */
export const ENGINES = {
  auto: createTranslator,
  jit: (machine) => new InterpreterEngine(machine, EAGER_POLICY),
  interp: createInterpreter,
} as const satisfies Record<string, EngineFactory>;

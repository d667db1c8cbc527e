import fc from "fast-check";
import { CAUSE, CP0, cp0Operands, ENTRY_LO, FTLB, STATUS } from "../../src/isa/cp0.ts";
import { FCR, FCSR } from "../../src/isa/fpu.ts";
import { GPR } from "../../src/isa/registers.ts";
import type { BusRegion, MmioDevice } from "../../src/machine/bus.ts";
import type { Machine } from "../../src/machine/machine.ts";
import type { RamRegion } from "../../src/machine/mmu.ts";
import { Assembler } from "../../src/uasm/assembler.ts";
import { RANDOM_REGISTERS, randomCode, type RandomItem } from "./random-code.ts";

const { zero, t0, t1, k0, k1 } = GPR;

// Physical addresses.
export const VARIABLES = 0x700;
export const VARIABLE = { t0: 0, t1: 4, hash: 8, count: 12, period: 16, start: 20, shared: 24 } as const;
const CODE_PAGE = 0x1_0000;
const DATA = 0x2_0000;
const DATA_PAGES = 4;
export const RAM_BYTES = 1 << 18;
const DEVICE = 0x1f00_0000;
/** RAM shows twice, as on the Malta board: where it is does not follow from what is there. */
export const RAM_REGIONS: readonly RamRegion[] = [0, 0x0800_0000].map((base) => ({
  base,
  size: RAM_BYTES,
  offset: 0,
}));
/** Virtual addresses of code and data in programs that run mapped. */
const MAPPED_CODE = 0x0001_0000;
const MAPPED_DATA = 0x0040_0000;

/** Device registers: a counter that each read advances, what was written, and a switch for interrupt line 2. */
export class CounterDevice implements MmioDevice {
  private reads = 0;
  private written = 0;
  private readonly setInterruptLine: (n: number, level: boolean) => void;

  constructor(setInterruptLine: (n: number, level: boolean) => void) {
    this.setInterruptLine = setInterruptLine;
  }

  reset(): void {
    this.reads = 0;
    this.written = 0;
  }

  get region(): BusRegion {
    return { name: "counter", base: DEVICE, size: 0x1000, device: this };
  }

  read(offset: number, size: 1 | 2 | 4): number {
    this.reads += offset + size;
    return (Math.imul(this.reads, 0x0101_0101) + this.written) >>> (32 - size * 8);
  }

  write(offset: number, _size: 1 | 2 | 4, value: number): void {
    this.written = (Math.imul(this.written, 31) + value) | 0;
    if ((offset & ~3) === 8) this.setInterruptLine(2, (value & 1) !== 0);
  }
}

/**
 * Maps pages of useg: even ones to the first data page, odd ones read-only to the second; for one ASID or, if the
 * run wants it, for all.
 */
function refillHandler(a: Assembler): void {
  a.lui(k0, 0x8000);
  a.lw(k1, VARIABLES + VARIABLE.shared, k0);
  a.addiu(k0, k1, ((DATA >>> 12) << 6) | 0x1e);
  a.mtc0(k0, ...cp0Operands(CP0.EntryLo0));
  a.addiu(k0, k1, (((DATA >>> 12) + 1) << 6) | 0x1a);
  a.mtc0(k0, ...cp0Operands(CP0.EntryLo1));
  a.tlbwr();
  a.eret();
}

/** Notes what happened in a hash; goes on behind the instruction, or at the start if that is not in the program. */
function generalHandler(a: Assembler): void {
  const interrupt = a.label();
  const out = a.label();
  const inside = a.label();
  a.lui(k0, 0x8000);
  a.sw(t0, VARIABLES + VARIABLE.t0, k0);
  a.sw(t1, VARIABLES + VARIABLE.t1, k0);
  a.lw(t1, VARIABLES + VARIABLE.hash, k0);
  for (const name of ["Cause", "EPC", "BadVAddr", "Status", "Count", "EntryHi", "Context"] as const) {
    a.mfc0(t0, ...cp0Operands(CP0[name]));
    a.rotr(t1, t1, 27);
    a.addu(t1, t1, t0);
  }
  a.sw(t1, VARIABLES + VARIABLE.hash, k0);
  a.lw(t1, VARIABLES + VARIABLE.count, k0);
  a.addiu(t1, t1, 1);
  a.sw(t1, VARIABLES + VARIABLE.count, k0);
  a.mfc0(t0, ...cp0Operands(CP0.Cause));
  a.andi(t1, t0, CAUSE.ExcCode);
  a.beqz(t1, interrupt);
  a.mfc0(k1, ...cp0Operands(CP0.EPC));
  a.srl(t0, t0, 31);
  a.sll(t0, t0, 2);
  a.addiu(t0, t0, 4);
  a.addu(k1, k1, t0);
  a.lw(t0, VARIABLES + VARIABLE.start, k0);
  a.subu(t1, k1, t0);
  a.sltiu(t1, t1, 0x1000);
  a.bnez(t1, inside);
  a.nop();
  a.move(k1, t0);
  a.bind(inside);
  a.mtc0(k1, ...cp0Operands(CP0.EPC));
  a.b(out);
  a.nop();
  a.bind(interrupt);
  a.mfc0(t0, ...cp0Operands(CP0.Count));
  a.lw(t1, VARIABLES + VARIABLE.period, k0);
  a.addu(t0, t0, t1);
  a.mtc0(t0, ...cp0Operands(CP0.Compare));
  a.lui(t1, (0xa000_0000 + DEVICE) >>> 16);
  a.sw(zero, 8, t1);
  a.bind(out);
  a.lw(t0, VARIABLES + VARIABLE.t0, k0);
  a.lw(t1, VARIABLES + VARIABLE.t1, k0);
  a.eret();
}

/** Models that random programs run on. */
export const RANDOM_MODELS = ["24Kc", "24Kf", "P5600"] as const;

/** A random program, what it finds when it starts, and how it is run. */
export interface Run {
  readonly model: (typeof RANDOM_MODELS)[number];
  /** Pages are mapped for this ASID only, or for all. */
  readonly asid: number;
  readonly shared: boolean;
  readonly items: readonly RandomItem[];
  readonly seed: number;
  readonly user: boolean;
  /** Bits of Status and of FCSR, for programs that use the FPU. */
  readonly fpuStatus: number;
  readonly fcsr: number;
  /** Words of the program in front of the end of its first page. */
  readonly before: number;
  readonly period: number;
  readonly pieces: readonly number[];
}

export const RUNS: fc.Arbitrary<Run> = fc.record({
  model: fc.constantFrom(...RANDOM_MODELS),
  asid: fc.nat(2),
  shared: fc.boolean(),
  items: fc.array(fc.record({ kind: fc.nat(99), seed: fc.integer() }), { minLength: 3, maxLength: 40 }),
  seed: fc.integer(),
  user: fc.boolean(),
  fpuStatus: fc.constantFrom(0, STATUS.CU1, STATUS.CU1, STATUS.CU1 | STATUS.FR),
  fcsr: fc.oneof(
    fc.constant(0),
    fc.nat(3),
    fc.integer().map((bits) => bits & ~FCSR.CAUSES),
  ),
  before: fc.oneof(fc.constant(1024), fc.integer({ min: 1, max: 60 })),
  period: fc.integer({ min: 60, max: 700 }),
  pieces: fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 500 })), {
    minLength: 1,
    maxLength: 20,
  }),
});

/** What a random program is put into: a CPU as its kernel sees it, and its memory. */
export interface Subject {
  readonly tlbEntries: number;
  readonly gpr: Int32Array;
  /** Writes the word of RAM at physical address `pa`. What was decoded there goes: programs run into their data. */
  write32(pa: number, word: number): void;
  cp0(name: keyof typeof CP0): number;
  setCp0(name: keyof typeof CP0, value: number): void;
  /** TLBWI. */
  tlbwi(): void;
  setHiLo(hi: number, lo: number): void;
  setInterruptLine(n: number, level: boolean): void;
  /** Puts words into the lower halves of the FPU's registers, and a value into FCSR, if there is an FPU. */
  setFpu(words: readonly number[], fcsr: number): void;
  /** Continues at `pc`. */
  setPc(pc: number): void;
}

function assemble(subject: Subject, pa: number, build: (a: Assembler) => void): void {
  const a = new Assembler({ level: "mips32r2", baseAddress: 0x8000_0000 + pa });
  build(a);
  a.words().forEach((word, index) => subject.write32(pa + 4 * index, word));
}

/** Puts the kernel of random programs into memory: its handlers. */
export function installKernel(subject: Subject): void {
  assemble(subject, 0, refillHandler);
  assemble(subject, 0x180, generalHandler);
}

/** Writes TLB entry `index`: the pair of 4K pages at `va` to the frames at `pa0` and `pa1`. */
function map(subject: Subject, index: number, va: number, pa0: number, pa1: number, bits: number): void {
  subject.setCp0("Index", index);
  subject.setCp0("PageMask", 0);
  subject.setCp0("EntryHi", va);
  subject.setCp0("EntryLo0", ((pa0 >>> 12) << ENTRY_LO.PFN_SHIFT) | bits);
  subject.setCp0("EntryLo1", ((pa1 >>> 12) << ENTRY_LO.PFN_SHIFT) | bits);
  subject.tlbwi();
}

/** What FPU registers hold: words, and doubles of common size in pairs of them. */
function fpuWords(seed: number): number[] {
  return Array.from({ length: 32 }, (_, n) => {
    const word = Math.imul(seed + n, 0x27d4_eb2f);
    return n % 2 === 0 ? word : (word & 0x800f_ffff) | ((0x3f8 + (n & 15)) << 20);
  });
}

/**
 * Puts the program of `run` and everything that it can see into `s`. The kernel's TLBWR leaves the first `wired`
 * entries alone, at least 1.
 */
export function prepare(s: Subject, run: Run, wired = 1): void {
  const { asid, shared, items, seed, user, before, period } = run;
  s.setCp0("Status", 0);
  const offset = CODE_PAGE + 0x1000 - 4 * before;
  const start = ((user ? MAPPED_CODE - CODE_PAGE : 0x8000_0000) + offset) >>> 0;
  for (let at = CODE_PAGE; at < CODE_PAGE + 0x2000; at += 4) s.write32(at, 0);
  randomCode(items, start).forEach((word, n) => s.write32(offset + n * 4, word));
  for (let at = DATA; at < DATA + DATA_PAGES * 0x1000; at += 4)
    s.write32(at, Math.imul(at ^ seed, 0x9e37_79b1));
  for (const at of Object.values(VARIABLE)) s.write32(VARIABLES + at, 0);
  s.write32(VARIABLES + VARIABLE.period, period);
  s.write32(VARIABLES + VARIABLE.start, start);
  s.write32(VARIABLES + VARIABLE.shared, shared ? 1 : 0);
  // An FTLB begins empty, in the half of the runs that have it.
  s.setCp0("Config6", 0);
  s.setCp0("Config6", (seed & 1) === 0 ? 0 : FTLB.C6_EN);
  for (let index = 0; index < s.tlbEntries; index++) map(s, index, 0x8000_0000 + index * 0x2000, 0, 0, 0);
  map(s, 0, MAPPED_CODE, CODE_PAGE, CODE_PAGE + 0x1000, 0x1f);
  s.setCp0("Wired", wired);
  s.setCp0("EntryHi", asid);
  for (let n = 1; n < 32; n++) s.gpr[n] = Math.imul(seed + n, 0x85eb_ca6b) >> (n % 3 === 0 ? 24 : 0);
  const kernelPointers = [0x8000_0000 + DATA + 0x80, 0xa000_0000 + DATA + 0xff0, 0xa000_0000 + DEVICE + 64];
  const userPointers = [MAPPED_DATA + 0x2000, MAPPED_DATA + 0xff0, 0x8000_0100];
  [...(user ? userPointers : kernelPointers), MAPPED_DATA + 0x80, MAPPED_DATA + 0x1080].forEach(
    (pointer, n) => {
      s.gpr[RANDOM_REGISTERS.pointers[n]!] = pointer;
    },
  );
  s.gpr[RANDOM_REGISTERS.codeAlias] = start;
  s.gpr[RANDOM_REGISTERS.link] = start;
  s.setHiLo(seed, ~seed);
  s.setInterruptLine(2, false);
  s.setCp0("Count", seed);
  s.setCp0("Compare", seed + period);
  s.setCp0("Cause", 0);
  s.setCp0("Status", STATUS.IE | 0x8400 | (user ? STATUS.UM : 0) | run.fpuStatus);
  s.setFpu(fpuWords(seed), run.fcsr);
  s.setPc(start);
}

/** A machine without a hypervisor as a {@link Subject}. */
export function bareSubject(machine: Machine): Subject {
  const { cpu, ops } = machine;
  return {
    tlbEntries: cpu.tlb.vtlbEntries,
    gpr: cpu.gpr,
    write32: (pa, word) => machine.write32(pa, word),
    cp0: (name) => ops.readCp0(CP0[name]) >>> 0,
    setCp0: (name, value) => ops.writeCp0(CP0[name], value),
    tlbwi: () => ops.tlbwi(),
    setHiLo: (hi, lo) => {
      cpu.hi = hi;
      cpu.lo = lo;
    },
    setInterruptLine: (n, level) => cpu.setInterruptLine(n, level),
    setFpu: (words, fcsr) => {
      cpu.fpu?.writeControl(FCR.FCSR, fcsr);
      words.forEach((word, n) => cpu.fpu?.setWord(n, word));
    },
    setPc: (pc) => cpu.setPc(pc),
  };
}

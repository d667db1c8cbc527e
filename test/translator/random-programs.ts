import fc from "fast-check";
import { CAUSE, CP0, cp0Operands, STATUS } from "../../src/isa/cp0.ts";
import { FCR, FCSR } from "../../src/isa/fpu.ts";
import { GPR } from "../../src/isa/registers.ts";
import type { Endian } from "../../src/machine/memory.ts";
import type { Assembler } from "../../src/uasm/assembler.ts";
import type { TestMachine } from "../../src/engine/testing.ts";
import { EnginePair } from "./engine-pair.ts";
import { RANDOM_REGISTERS, randomCode, type RandomItem } from "./random-code.ts";

const { zero, t0, t1, k0, k1 } = GPR;

// Physical addresses.
const VARIABLES = 0x700;
const VARIABLE = { t0: 0, t1: 4, hash: 8, count: 12, period: 16, start: 20, shared: 24 } as const;
const CODE_PAGE = 0x1_0000;
const DATA = 0x2_0000;
const DATA_PAGES = 4;
const RAM_BYTES = 1 << 18;
const DEVICE = 0x1f00_0000;
/** Virtual addresses of code and data in programs that run mapped. */
const MAPPED_CODE = 0x0001_0000;
const MAPPED_DATA = 0x0040_0000;

/** Device registers: a counter that each read advances, what was written, and a switch for interrupt line 2. */
function addDevice(m: TestMachine): void {
  let reads = 0;
  let written = 0;
  m.machine.bus.add({
    name: "counter",
    base: DEVICE,
    size: 0x1000,
    device: {
      read: (offset, size) => {
        reads += offset + size;
        return (Math.imul(reads, 0x0101_0101) + written) >>> (32 - size * 8);
      },
      write: (offset, _, value) => {
        written = (Math.imul(written, 31) + value) | 0;
        if ((offset & ~3) === 8) m.machine.cpu.setInterruptLine(2, (value & 1) !== 0);
      },
    },
  });
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

const MODELS = ["24Kc", "24Kf", "P5600"] as const;

interface Run {
  readonly model: (typeof MODELS)[number];
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

const TICKS = 3000;

const RUNS: fc.Arbitrary<Run> = fc.record({
  model: fc.constantFrom(...MODELS),
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

function newPair(model: string, endian: Endian): EnginePair {
  // RAM shows twice, as on the Malta board: where it is does not follow from what is there.
  const ramRegions = [0, 0x0800_0000].map((base) => ({ base, size: RAM_BYTES, offset: 0 }));
  return new EnginePair({ model, endian, ramBytes: RAM_BYTES, ramRegions }).both((m) => {
    m.load(0x8000_0000, refillHandler);
    m.load(0x8000_0180, generalHandler);
    addDevice(m);
  });
}

/** Puts the program of `run` and everything that it can see into a machine. */
function prepare(m: TestMachine, { asid, shared, items, seed, user, before, period, ...run }: Run): void {
  const { cpu, memory } = m.machine;
  m.setCp0("Status", 0);
  const offset = CODE_PAGE + 0x1000 - 4 * before;
  const start = ((user ? MAPPED_CODE - CODE_PAGE : 0x8000_0000) + offset) >>> 0;
  for (let page = 0; page < 2; page++)
    m.machine.writeBytes(CODE_PAGE + page * 0x1000, new Uint8Array(0x1000));
  randomCode(items, start).forEach((word, n) => m.machine.write32(offset + n * 4, word));
  for (let at = DATA; at < DATA + DATA_PAGES * 0x1000; at += 4)
    // Programs may run into their data: what was decoded there must go.
    m.machine.write32(at, Math.imul(at ^ seed, 0x9e37_79b1));
  for (const at of Object.values(VARIABLE)) memory.write32(VARIABLES + at, 0);
  memory.write32(VARIABLES + VARIABLE.period, period);
  memory.write32(VARIABLES + VARIABLE.start, start);
  memory.write32(VARIABLES + VARIABLE.shared, shared ? 1 : 0);
  for (let index = 0; index < cpu.tlb.entries; index++)
    m.map(index, 0x8000_0000 + index * 0x2000, 0, 0, 0, 0);
  m.map(0, MAPPED_CODE, 0, CODE_PAGE, CODE_PAGE + 0x1000, 0x1f);
  m.setCp0("Wired", 1);
  m.setCp0("EntryHi", asid);
  for (let n = 1; n < 32; n++) cpu.gpr[n] = Math.imul(seed + n, 0x85eb_ca6b) >> (n % 3 === 0 ? 24 : 0);
  const kernelPointers = [0x8000_0000 + DATA + 0x80, 0xa000_0000 + DATA + 0xff0, 0xa000_0000 + DEVICE + 64];
  const userPointers = [MAPPED_DATA + 0x2000, MAPPED_DATA + 0xff0, 0x8000_0100];
  [...(user ? userPointers : kernelPointers), MAPPED_DATA + 0x80, MAPPED_DATA + 0x1080].forEach(
    (pointer, n) => {
      cpu.gpr[RANDOM_REGISTERS.pointers[n]!] = pointer;
    },
  );
  cpu.gpr[RANDOM_REGISTERS.codeAlias] = start;
  cpu.gpr[RANDOM_REGISTERS.link] = start;
  cpu.hi = seed;
  cpu.lo = ~seed;
  cpu.setInterruptLine(2, false);
  m.setCp0("Compare", m.cp0("Count") + period);
  m.setCp0("Cause", 0);
  m.setCp0("Status", STATUS.IE | 0x8400 | (user ? STATUS.UM : 0) | run.fpuStatus);
  const { fpu } = cpu;
  if (fpu !== null) {
    fpu.writeControl(FCR.FCSR, run.fcsr);
    for (let n = 0; n < 32; n++) {
      fpu.setWord(n, Math.imul(seed + n, 0x27d4_eb2f));
      // Doubles of common size.
      if (n % 2 !== 0) fpu.setWord(n, (fpu.word(n) & 0x800f_ffff) | ((0x3f8 + (n & 15)) << 20));
    }
  }
  cpu.setPc(start);
}

/** What random programs did when they were run. */
export interface Compared {
  readonly runs: number;
  readonly exceptions: number;
  readonly translations: number;
}

/**
 * Runs `count` random programs by both engines in pieces, and compares the engines after each piece. Throws with
 * the smallest program that fast-check finds if they differ.
 */
export function compareEngines(endian: Endian, seed: number, count: number): Compared {
  const pairs = new Map(MODELS.map((model) => [model, newPair(model, endian)]));
  let runs = 0;
  let exceptions = 0;
  let translations = 0;
  fc.assert(
    fc.property(RUNS, (run) => {
      const pair = pairs.get(run.model)!;
      try {
        const before = pair.translations;
        pair.both((m) => prepare(m, run));
        for (let left = TICKS, n = 0; left > 0; n++) {
          const piece = Math.min(left, run.pieces[n % run.pieces.length]!);
          pair.run(piece);
          left -= piece;
        }
        runs++;
        translations += pair.translations - before;
        exceptions += pair.interpreted.machine.memory.read32(VARIABLES + VARIABLE.count);
      } catch (error) {
        // What the two do next would differ whatever it is.
        pairs.set(run.model, newPair(run.model, endian));
        throw error;
      }
    }),
    { numRuns: count, seed },
  );
  return { runs, exceptions, translations };
}

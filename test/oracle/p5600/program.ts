import type { Piece } from "../malta.ts";
import { CP0, cp0Operands, STATUS } from "../../../src/isa/cp0.ts";
import { GPR } from "../../../src/isa/registers.ts";
import { Assembler } from "../../../src/uasm/assembler.ts";
import type { Target } from "../../../src/uasm/emitters.ts";

/** Where things lie in RAM. */
export const PLACE = {
  code: 0x10_0000,
  /** A page of code that all modes may execute, mapped at USER_VA. */
  userCode: 0x2e_0000,
  data: 0x30_0000,
  /** Page tables for the hardware walker. */
  tables: 0x38_0000,
  /** What RESET_REGISTERS hold when the program starts. */
  reset: 0x3d_0000,
  /** A word that becomes 1 when the program is through. */
  done: 0x3e_0000,
  results: 0x40_0000,
} as const;

export const RAM_BYTES = 64 << 20;
export const KSEG0 = 0x8000_0000;
/** Useg address of the code that all modes may execute. */
export const USER_VA = 0x0001_0000;
/** Words that a case leaves: what it records, then what the handler keeps of up to two exceptions. */
export const RESULT_WORDS = 32;
/** Code words and data words are told apart by their values. */
const DATA_WORDS = 64;

/** Registers whose contents after reset are recorded. */
export const RESET_REGISTERS = ["SegCtl0", "SegCtl1", "SegCtl2", "PWCtl", "PageGrain", "EBase"] as const;

/** A piece of the program with a name; it leaves its findings through `Case`. */
export interface OracleCase {
  readonly name: string;
  readonly emit: (on: CaseBuilder) => void;
}

const { zero, t0, t1, t2, a0, a1, k0, k1, s6, s7 } = GPR;

/** SegCtl0 to SegCtl2 of the legacy segments, kseg0 cached. */
export const LEGACY = [0x0020_0010, 0x0003_0002, 0x0038_0438] as const;

/** What a case is written with: an assembler for a P5600, and a few phrases. */
export class CaseBuilder {
  readonly asm: Assembler;
  constructor(asm: Assembler) {
    this.asm = asm;
  }

  mtc0(value: number, index: number): void {
    this.asm.loadConstant(t0, value);
    this.asm.mtc0(t0, ...cp0Operands(index));
    this.asm.ehb();
  }

  /** Writes the upper half of a register. */
  mthc0(value: number, index: number): void {
    this.asm.loadConstant(t0, value);
    this.asm.mthc0(t0, ...cp0Operands(index));
    this.asm.ehb();
  }

  /** Records a register. */
  record(register: number): void {
    this.asm.sw(register, 0, s7);
    this.asm.addiu(s7, s7, 4);
  }

  recordCp0(index: number): void {
    this.asm.mfc0(t0, ...cp0Operands(index));
    this.record(t0);
  }

  recordHigh(index: number): void {
    this.asm.mfhc0(t0, ...cp0Operands(index));
    this.record(t0);
  }

  /** Records the word at physical address `pa`. */
  recordMemory(pa: number): void {
    this.asm.loadConstant(t0, KSEG0 + pa);
    this.asm.lw(t0, 0, t0);
    this.record(t0);
  }

  /**
   * Emits code that may raise: after an exception, which the handler records, control goes on behind it in
   * kernel mode. t2 holds 5A5A0000 before, for what the code may load.
   */
  trying(code: (asm: Assembler) => void): void {
    const after = this.asm.label();
    this.asm.loadConstant(t2, 0x5a5a_0000);
    this.asm.loadAddress(s6, after);
    code(this.asm);
    this.asm.bind(after);
  }

  /** Goes to `address` in a mode: Status `status` takes effect there. EXL is added and ERET takes it away. */
  enter(address: Target, status: number): void {
    this.asm.loadConstant(k0, status | STATUS.EXL);
    this.asm.mtc0(k0, ...cp0Operands(CP0.Status));
    this.asm.loadAddress(k0, address);
    this.asm.mtc0(k0, ...cp0Operands(CP0.EPC));
    this.asm.ehb();
    this.asm.eret();
  }

  /** Writes TLB entry `index`. */
  tlbwi(index: number, entryHi: number, entryLo0: number, entryLo1: number, pageMask = 0): void {
    this.mtc0(index, CP0.Index);
    this.mtc0(entryHi, CP0.EntryHi);
    this.mtc0(entryLo0, CP0.EntryLo0);
    this.mtc0(entryLo1, CP0.EntryLo1);
    this.mtc0(pageMask, CP0.PageMask);
    this.asm.tlbwi();
    this.asm.ehb();
  }
}

/** Code that runs at USER_VA: offset of each piece. a0 is an address, t2 takes what is loaded. */
export const USER_CODE = {
  load: 0x00,
  store: 0x10,
  evaLoad: 0x20,
  evaStore: 0x30,
  prefe: 0x40,
  cachee: 0x50,
} as const;

function userCode(): Uint32Array {
  const asm = new Assembler({ level: "mips32r5", baseAddress: USER_VA });
  const piece = (emit: () => void): void => {
    emit();
    asm.syscall();
    asm.nop();
    asm.nop();
  };
  piece(() => asm.lw(t2, 0, a0));
  piece(() => asm.sw(a1, 0, a0));
  piece(() => asm.lwe(t2, 0, a0));
  piece(() => asm.swe(a1, 0, a0));
  piece(() => asm.prefe(0, 0, a0));
  piece(() => asm.cachee(0x15, 0, a0));
  return asm.words();
}

/** EntryLo of the page at `pa`: cached, with V and D, and what `more` adds. */
export const entryLo = (pa: number, more = 0x6): number => ((pa >>> 12) << 6) | (3 << 3) | more;

/** The handler of every exception: records it and goes to s6 in kernel mode. */
function emitHandler(asm: Assembler): void {
  const kept = [CP0.Cause, CP0.EPC, CP0.BadVAddr, CP0.BadInstr, CP0.EntryHi, CP0.Status];
  for (const index of kept) {
    asm.mfc0(k0, ...cp0Operands(index));
    if (index === CP0.Cause) {
      asm.loadConstant(k1, 0xb000_007c | 0);
      asm.and(k0, k0, k1);
    }
    if (index === CP0.EntryHi) {
      // Address errors may leave anything in VPN2 (QEMU leaves the address): zero for ExcCode 4 and 5.
      asm.mfc0(k1, ...cp0Operands(CP0.Cause));
      asm.ext(k1, k1, 3, 4);
      asm.addiu(k1, k1, -2);
      asm.movz(k0, zero, k1);
    }
    asm.sw(k0, 0, s7);
    asm.addiu(s7, s7, 4);
  }
  asm.mtc0(zero, ...cp0Operands(CP0.Status));
  asm.ehb();
  asm.jr(s6);
  asm.nop();
}

/** Where each case begins: what a difference in EPC means. */
export interface Image {
  readonly pieces: readonly Piece[];
  readonly entry: number;
}

/** Puts cases together to a program that runs them in turn. */
export function buildProgram(cases: readonly OracleCase[]): Image {
  const asm = new Assembler({
    level: "mips32r5",
    baseAddress: KSEG0 + PLACE.code,
    limitWords: (PLACE.userCode - PLACE.code) / 4,
  });
  const handler = asm.label("handler");
  const start = asm.label("start");
  asm.b(start);
  asm.nop();
  asm.bind(handler);
  emitHandler(asm);
  asm.bind(start);
  const on = new CaseBuilder(asm);
  on.mtc0(0, CP0.Status);
  on.mtc0(0, CP0.Cause);
  // The vectors jump to the handler.
  asm.loadAddress(t0, handler);
  asm.lui(t1, 0x8000);
  asm.srl(t0, t0, 2);
  asm.sll(t0, t0, 6);
  asm.srl(t0, t0, 6);
  asm.lui(t2, 0x0800);
  asm.or(t0, t0, t2);
  for (const vector of [0x000, 0x180]) {
    asm.sw(t0, vector, t1);
    asm.sw(zero, vector + 4, t1);
  }
  asm.loadAddress(s7, KSEG0 + PLACE.reset);
  for (const name of RESET_REGISTERS) on.recordCp0(CP0[name]);
  cases.forEach(({ emit }, n) => {
    asm.loadAddress(s7, KSEG0 + PLACE.results + n * RESULT_WORDS * 4);
    emitReset(on);
    emit(on);
  });
  asm.loadConstant(t0, 1);
  asm.loadConstant(t1, KSEG0 + PLACE.done);
  asm.sw(t0, 0, t1);
  // Malta's soft reset.
  asm.loadConstant(t1, 0xbf00_0500);
  asm.loadConstant(t0, 0x42);
  asm.sw(t0, 0, t1);
  const forever = asm.bind("forever");
  asm.b(forever);
  asm.nop();
  const data = Uint32Array.from({ length: DATA_WORDS }, (_, n) => 0x8182_8384 + n * 0x0404_0404);
  return {
    pieces: [
      { pa: PLACE.code, words: asm.words() },
      { pa: PLACE.userCode, words: userCode() },
      { pa: PLACE.data, words: data },
    ],
    entry: KSEG0 + PLACE.code,
  };
}

/** The state that each case starts from: kernel mode, legacy segments, USER_VA mapped, nothing else in the TLB. */
function emitReset(on: CaseBuilder): void {
  on.mtc0(0, CP0.Status);
  [CP0.SegCtl0, CP0.SegCtl1, CP0.SegCtl2].forEach((index, n) => on.mtc0(LEGACY[n]!, index));
  for (const index of [CP0.PageGrain, CP0.PWCtl, CP0.EntryHi, CP0.EPC, CP0.Context]) on.mtc0(0, index);
  on.asm.tlbinvf();
  on.tlbwi(0, USER_VA, entryLo(PLACE.userCode, 7), entryLo(PLACE.userCode, 7));
  on.mtc0(0, CP0.EntryHi);
  on.asm.loadConstant(t0, KSEG0 + PLACE.data);
  on.asm.loadConstant(t1, 0x8182_8384);
  on.asm.sw(t1, 0, t0);
}

import { BIOS_BASE, BIOS_BYTES, SOFT_RESET, type Piece } from "../malta.ts";
import { CAUSE, CP0, cp0Operands, ENTRY_HI, STATUS, type Cp0Name } from "../../../src/isa/cp0.ts";
import { EXC_CODE } from "../../../src/isa/exceptions.ts";
import { GPR } from "../../../src/isa/registers.ts";
import { Assembler } from "../../../src/uasm/assembler.ts";
import type { Label } from "../../../src/uasm/label.ts";
import {
  CODE,
  DATA,
  DATA_PAGES,
  DATA_PARTS,
  DUMPED_CP0,
  FLAG_RESUME_BY_ERROR_EPC,
  GIANT_REGION,
  HARNESS,
  MAX_EXCEPTIONS,
  RECORD,
  RECORDS,
  REGION_BYTES,
  RESET_STATE,
  RESULT,
  RESULTS,
  SETUP_CP0,
  TLB_ENTRIES,
  TRACE,
  VARIABLE,
  VARIABLES,
  VECTOR_BASES,
  VECTOR_BEV,
  VECTOR_SECOND_BASE,
} from "./layout.ts";

const KSEG0 = 0x8000_0000;
const KSEG1 = 0xa000_0000;
/** Interrupt masks of the two interrupt controllers, in PCI I/O space as it is mapped after reset. */
const PIC_MASKS = [0x1000_0021, 0x1000_00a1] as const;
const REVISION_WORD = 0x10;

const { zero, v0, v1, a0, a1, a2, a3, t0, t1, t2, t3, t4, t5, t6, k0, k1 } = GPR;

const move = (a: Assembler, op: "mfc0" | "mtc0", register: number, name: Cp0Name): void => {
  a[op](register, ...cp0Operands(CP0[name]));
};

/** Offsets of vectors that get a stub: refill, general, interrupt (with each legal vector spacing). */
const VECTOR_OFFSETS = [0, 0x180, 0x200, 0x220, 0x240, 0x280, 0x300, 0x400] as const;

function stubs(base: number, offsets: readonly number[], tag: number, handler: number): Piece[] {
  return offsets.map((offset) => {
    const a = new Assembler({ level: "mips32r2", baseAddress: base + offset, limitWords: 8 });
    a.lui(k0, handler >>> 16);
    a.ori(k0, k0, handler & 0xffff);
    a.jr(k0);
    a.addiu(k1, zero, tag | offset);
    return { pa: (base + offset) & 0x1fff_ffff, words: a.words() };
  });
}

/** Copies `words` words from a0 to a1 (both advance); uses t0 and t1. */
function copy(a: Assembler, words: number): void {
  a.loadConstant(t0, words);
  const loop = a.bind();
  a.lw(t1, 0, a0);
  a.addiu(a0, a0, 4);
  a.sw(t1, 0, a1);
  a.addiu(t0, t0, -1);
  a.bnez(t0, loop);
  a.addiu(a1, a1, 4);
}

/** Reset: reports the CP0 registers, silences the board and starts the harness. */
function buildReset(entry: number): Piece {
  const base = KSEG1 + BIOS_BASE;
  const a = new Assembler({ level: "mips32r2", baseAddress: base + 0x600 });
  a.loadConstant(a1, KSEG1 + RESET_STATE);
  DUMPED_CP0.forEach((name, index) => {
    move(a, "mfc0", t0, name);
    a.sw(t0, index * 4, a1);
  });
  a.addiu(t0, zero, -1);
  for (const pa of PIC_MASKS) {
    a.loadConstant(t1, KSEG1 + pa);
    a.sb(t0, 0, t1);
  }
  a.loadConstant(t0, CAUSE.DC);
  move(a, "mtc0", t0, "Cause");
  // kseg0 cached, as any system has it.
  a.addiu(t0, zero, 3);
  move(a, "mtc0", t0, "Config");
  a.loadConstant(t0, entry);
  a.jr(t0);
  a.nop();
  return { pa: BIOS_BASE + 0x600, words: a.words() };
}

/** The image without records: vectors, reset code and harness. */
export function buildHarness(): readonly Piece[] {
  const a = new Assembler({ level: "mips32r2", baseAddress: KSEG0 + HARNESS });
  const handler = a.label("handler");
  buildMain(a);
  const handlerAddress = a.address;
  a.bind(handler);
  buildHandler(a);
  const words = a.words();
  const jump = new Assembler({
    level: "mips32r2",
    baseAddress: KSEG1 + BIOS_BASE,
    limitWords: REVISION_WORD / 4,
  });
  jump.b(KSEG1 + BIOS_BASE + 0x600);
  jump.nop();
  return [
    { pa: HARNESS, words },
    ...VECTOR_BASES.flatMap((base, n) =>
      stubs(KSEG0 + base, VECTOR_OFFSETS, n * VECTOR_SECOND_BASE, handlerAddress),
    ),
    { pa: BIOS_BASE, words: jump.words() },
    ...stubs(KSEG1 + BIOS_BASE + 0x200, [0, 0x180, 0x200], VECTOR_BEV, handlerAddress),
    buildReset(KSEG0 + HARNESS),
  ];
}

/** Bytes of the BIOS that pieces may fill. */
export const isBios = (pa: number): boolean => pa >= BIOS_BASE && pa < BIOS_BASE + BIOS_BYTES;

let finishLabel: Label;
let nextLabel: Label;
let preparedLabel: Label;

/** Takes the next program, sets everything up as its record says, and enters it. */
function buildMain(a: Assembler): void {
  finishLabel = a.label("finish");
  preparedLabel = a.label("prepared");
  const done = a.label("done");
  nextLabel = a.bind("next");
  move(a, "mtc0", zero, "Status");
  a.loadConstant(t0, CAUSE.DC);
  move(a, "mtc0", t0, "Cause");
  a.ehb();
  a.loadConstant(k0, KSEG0 + VARIABLES);
  a.lw(t0, VARIABLE.index, k0);
  a.lw(t1, VARIABLE.count, k0);
  a.beq(t0, t1, done);
  a.nop();
  a.sll(t0, t0, 12);
  a.loadConstant(a2, KSEG0 + RECORDS);
  a.addu(a2, a2, t0);
  a.sw(a2, VARIABLE.record, k0);
  a.loadConstant(a3, KSEG0 + RESULTS);
  a.addu(a3, a3, t0);
  a.sw(a3, VARIABLE.result, k0);
  a.sw(zero, VARIABLE.exceptions, k0);

  // The code, and SYSCALLs behind it.
  a.addiu(a0, a2, RECORD.code * 4);
  a.lw(t2, RECORD.codeWords * 4, a2);
  a.lw(t3, RECORD.codeOffset * 4, a2);
  a.loadConstant(a1, KSEG0 + CODE);
  a.addu(a1, a1, t3);
  const copying = a.bind();
  a.lw(t1, 0, a0);
  a.addiu(a0, a0, 4);
  a.sw(t1, 0, a1);
  a.addiu(t2, t2, -1);
  a.bnez(t2, copying);
  a.addiu(a1, a1, 4);

  // The data pages, from a congruential generator.
  a.lw(t2, RECORD.dataSeed * 4, a2);
  a.loadConstant(t3, 1664525);
  a.loadConstant(t4, 1013904223);
  a.loadConstant(t5, DATA_PAGES);
  a.loadConstant(a1, KSEG0 + DATA);
  const page = a.bind();
  for (const part of DATA_PARTS) {
    a.addiu(a0, a1, part.offset);
    a.addiu(t0, a0, part.words * 4);
    const filling = a.bind();
    a.mul(t2, t2, t3);
    a.addu(t2, t2, t4);
    a.addiu(a0, a0, 4);
    a.bne(a0, t0, filling);
    a.sw(t2, -4, a0);
  }
  a.addiu(t5, t5, -1);
  a.bnez(t5, page);
  a.addiu(a1, a1, 0x1000);

  // First entries that match nothing, so that no new entry ever meets an old one.
  move(a, "mtc0", zero, "PageMask");
  move(a, "mtc0", zero, "EntryLo0");
  move(a, "mtc0", zero, "EntryLo1");
  a.loadConstant(t0, TLB_ENTRIES - 1);
  a.lui(t1, KSEG0 >>> 16);
  const clearing = a.bind();
  move(a, "mtc0", t0, "Index");
  move(a, "mtc0", t1, "EntryHi");
  a.ehb();
  a.tlbwi();
  a.addiu(t1, t1, 0x2000);
  a.bnez(t0, clearing);
  a.addiu(t0, t0, -1);
  // A miss, so that BadVAddr and Context are those of no earlier program.
  a.addiu(t0, zero, 1);
  a.sw(t0, VARIABLE.preparing, k0);
  a.loadConstant(t0, 0x7fff_fff0);
  a.lw(t0, 0, t0);
  a.bind(preparedLabel);
  a.sw(zero, VARIABLE.preparing, k0);
  a.lw(a2, VARIABLE.record, k0);
  a.addiu(a0, a2, RECORD.tlb * 4);
  a.move(t0, zero);
  a.loadConstant(t2, TLB_ENTRIES);
  const writing = a.bind();
  (["EntryHi", "PageMask", "EntryLo0", "EntryLo1"] as const).forEach((name, index) => {
    a.lw(t1, index * 4, a0);
    move(a, "mtc0", t1, name);
  });
  move(a, "mtc0", t0, "Index");
  a.ehb();
  a.tlbwi();
  a.addiu(t0, t0, 1);
  a.bne(t0, t2, writing);
  a.addiu(a0, a0, 16);

  // CP0. BEV must be set while EBase changes; the program's Status comes last, with EXL set.
  a.loadConstant(t0, STATUS.BEV);
  move(a, "mtc0", t0, "Status");
  SETUP_CP0.forEach((name, index) => {
    a.lw(t1, (RECORD.cp0 + index) * 4, a2);
    move(a, "mtc0", t1, name);
  });
  for (const [word, name] of [
    [RECORD.entryHi, "EntryHi"],
    [RECORD.entry, "EPC"],
    [RECORD.end, "ErrorEPC"],
    [RECORD.status, "Status"],
    [RECORD.cause, "Cause"],
  ] as const) {
    a.lw(t1, word * 4, a2);
    move(a, "mtc0", t1, name);
  }
  for (const name of ["PageMask", "IDataLo", "ITagHi", "IDataHi"] as const) move(a, "mtc0", zero, name);
  a.lw(t1, RECORD.hi * 4, a2);
  a.mthi(t1);
  a.lw(t1, RECORD.lo * 4, a2);
  a.mtlo(t1);
  a.move(k0, a2);
  for (let register = 1; register < 32; register++)
    if (register !== k0) a.lw(register, (RECORD.gpr + register) * 4, k0);
  a.lw(k0, (RECORD.gpr + k0) * 4, k0);
  a.ehb();
  a.eret();

  a.bind(done);
  a.loadConstant(t1, KSEG1 + SOFT_RESET.pa);
  a.loadConstant(t0, SOFT_RESET.value);
  a.sw(t0, 0, t1);
  const forever = a.bind();
  a.b(forever);
  a.nop();
}

/** Every exception comes here with its vector in k1: report it, then skip, repair or redirect, or finish. */
function buildHandler(a: Assembler): void {
  const next = nextLabel;
  a.loadConstant(k0, KSEG0 + VARIABLES);
  for (let register = 1; register < 32; register++)
    if (register !== k0) a.sw(register, VARIABLE.gpr + register * 4, k0);
  a.lw(t0, VARIABLE.preparing, k0);
  a.bnez(t0, preparedLabel);
  a.lw(a2, VARIABLE.record, k0);
  a.lw(a3, VARIABLE.result, k0);
  a.lw(t0, VARIABLE.exceptions, k0);
  const finish = finishLabel;
  a.loadConstant(t1, MAX_EXCEPTIONS);
  a.beq(t0, t1, finish);
  a.nop();
  a.sll(t1, t0, 5);
  a.addu(a0, a3, t1);
  a.addiu(a0, a0, RESULT.trace * 4);
  const report = (word: number, name: Cp0Name, register: number): void => {
    move(a, "mfc0", register, name);
    a.sw(register, word * 4, a0);
  };
  report(TRACE.context, "Context", t1);
  report(TRACE.entryHi, "EntryHi", t1);
  report(TRACE.errorEpc, "ErrorEPC", t1);
  a.sw(k1, TRACE.vector * 4, a0);
  report(TRACE.cause, "Cause", v0);
  report(TRACE.epc, "EPC", v1);
  report(TRACE.badVAddr, "BadVAddr", a1);
  report(TRACE.status, "Status", t6);
  a.addiu(t0, t0, 1);
  a.sw(t0, VARIABLE.exceptions, k0);

  // v0 Cause, v1 EPC, a1 BadVAddr, a2 record, a3 result, t6 Status, t5 where to go on.
  const skip = a.label("skip");
  const resume = a.label("resume");
  const landing = a.label("landing");
  const checked = a.label("checked");
  a.ext(t0, v0, 2, 5);
  const syscall = a.label("syscall");
  const interrupt = a.label("interrupt");
  const repair = a.label("repair");
  const tlb = a.label("tlb");
  const fetchAddress = a.label("fetchAddress");
  const storeAddress = a.label("storeAddress");
  const cases: readonly (readonly [number, Label])[] = [
    [EXC_CODE.Sys, syscall],
    [EXC_CODE.Int, interrupt],
    [EXC_CODE.Mod, repair],
    [EXC_CODE.TLBL, tlb],
    [EXC_CODE.TLBS, tlb],
    [EXC_CODE.AdEL, fetchAddress],
    [EXC_CODE.AdES, storeAddress],
  ];
  for (const [code, label] of cases) {
    a.addiu(t1, zero, code);
    a.beq(t0, t1, label);
    a.nop();
  }
  a.bind(skip);
  a.bltz(v0, a.address + 12);
  a.addiu(t5, v1, 8);
  a.addiu(t5, v1, 4);
  a.b(resume);
  a.nop();

  a.bind(syscall);
  a.lw(t1, RECORD.end * 4, a2);
  a.beq(v1, t1, finish);
  a.nop();
  a.b(skip);
  a.nop();

  a.bind(interrupt);
  a.ins(v0, zero, 8, 2);
  move(a, "mtc0", v0, "Cause");
  a.b(resume);
  a.move(t5, v1);

  // EntryHi.VPN2 is unpredictable after an address error: make it zero.
  const forgetPage = (): void => {
    move(a, "mfc0", t0, "EntryHi");
    a.andi(t0, t0, ENTRY_HI.ASID);
    move(a, "mtc0", t0, "EntryHi");
  };
  a.bind(storeAddress);
  forgetPage();
  a.b(skip);
  a.nop();
  // A fetch that the mode may not do: back to kernel mode, elsewhere.
  // QEMU leaves BadVAddr as it was if it has met the unaligned target before.
  a.bind(fetchAddress);
  forgetPage();
  const fetched = a.label("fetched");
  a.andi(t0, v1, 3);
  a.bnez(t0, fetched);
  a.nop();
  a.bne(a1, v1, skip);
  a.nop();
  a.bind(fetched);
  a.ins(t6, zero, 4, 1);
  move(a, "mtc0", t6, "Status");
  a.b(landing);
  a.nop();

  // No entry matches: write the one that the record names, if it names one. t1 region, t2 its record.
  a.bind(tlb);
  a.tlbp();
  a.ehb();
  move(a, "mfc0", t0, "Index");
  a.bgez(t0, repair);
  a.nop();
  regionOf(a, skip);
  a.lw(t0, RECORD.refillRegions * 4, a2);
  a.srlv(t0, t0, t1);
  a.andi(t0, t0, 1);
  a.beqz(t0, skip);
  a.nop();
  (["PageMask", "EntryLo0", "EntryLo1"] as const).forEach((name, index) => {
    a.lw(t0, 4 + index * 4, t2);
    move(a, "mtc0", t0, name);
  });
  move(a, "mtc0", t1, "Index");
  a.ehb();
  a.tlbwi();
  a.b(resume);
  a.move(t5, v1);

  // Invalid or not dirty: make both halves valid and dirty, if the record allows it.
  a.bind(repair);
  regionOf(a, skip);
  a.lw(t0, RECORD.fixRegions * 4, a2);
  a.srlv(t0, t0, t1);
  a.andi(t0, t0, 1);
  a.beqz(t0, skip);
  a.nop();
  move(a, "mfc0", t3, "EntryHi");
  a.tlbp();
  a.ehb();
  move(a, "mfc0", t0, "Index");
  a.bltz(t0, skip);
  a.nop();
  a.tlbr();
  a.ehb();
  for (const name of ["EntryLo0", "EntryLo1"] as const) {
    move(a, "mfc0", t0, name);
    a.ori(t0, t0, 6);
    move(a, "mtc0", t0, name);
  }
  a.ehb();
  a.tlbwi();
  move(a, "mtc0", t3, "EntryHi");
  a.b(resume);
  a.move(t5, v1);

  // Go on at t5 if that is a word of the program, else at one of the landings.
  a.bind(resume);
  a.lw(t0, RECORD.entry * 4, a2);
  a.subu(t0, t5, t0);
  a.lw(t1, RECORD.codeWords * 4, a2);
  a.sll(t1, t1, 2);
  a.sltu(t1, t0, t1);
  a.andi(t0, t0, 3);
  a.sltiu(t0, t0, 1);
  a.and(t0, t0, t1);
  a.bnez(t0, checked);
  a.nop();
  a.bind(landing);
  a.lw(t0, VARIABLE.exceptions, k0);
  a.andi(t0, t0, 7);
  a.sll(t0, t0, 2);
  a.addu(t0, a2, t0);
  a.lw(t5, RECORD.landings * 4, t0);
  a.bind(checked);
  move(a, "mfc0", t6, "Status");
  a.lw(t0, RECORD.flags * 4, a2);
  a.andi(t0, t0, FLAG_RESUME_BY_ERROR_EPC);
  const byErrorEpc = a.label("byErrorEpc");
  const leave = a.label("leave");
  a.bnez(t0, byErrorEpc);
  a.nop();
  move(a, "mtc0", t5, "EPC");
  a.andi(t0, t6, STATUS.ERL);
  a.beqz(t0, leave);
  a.nop();
  a.b(leave);
  move(a, "mtc0", t5, "ErrorEPC");
  a.bind(byErrorEpc);
  move(a, "mtc0", t5, "ErrorEPC");
  a.lw(t0, RECORD.end * 4, a2);
  move(a, "mtc0", t0, "EPC");
  a.ori(t6, t6, STATUS.ERL | STATUS.EXL);
  a.xori(t6, t6, STATUS.EXL);
  move(a, "mtc0", t6, "Status");
  a.bind(leave);
  for (let register = 1; register < 32; register++)
    if (register !== k0) a.lw(register, VARIABLE.gpr + register * 4, k0);
  // A value that does no harm where a nested exception resumes in front of an MTC0 of k0.
  a.lui(k0, CAUSE.DC >>> 16);
  a.eret();

  buildFinish(a, next);
}

/** t1 <- region of the address in a1, t2 <- its words in the record; goes to `none` if it is in no region. */
function regionOf(a: Assembler, none: Label): void {
  const giant = a.label("giant");
  const known = a.label("known");
  a.srl(t0, a1, 29);
  a.addiu(t0, t0, -(0x4000_0000 >>> 29));
  a.beqz(t0, giant);
  a.addiu(t1, zero, GIANT_REGION);
  a.ext(t1, a1, 17, 4);
  a.sll(t2, t1, 4);
  a.addu(t2, t2, a2);
  a.lw(t0, RECORD.regions * 4, t2);
  a.xor(t0, t0, a1);
  a.srl(t0, t0, Math.log2(REGION_BYTES));
  a.bnez(t0, none);
  a.nop();
  a.b(known);
  a.nop();
  a.bind(giant);
  a.addiu(t2, a2, GIANT_REGION * 16);
  a.bind(known);
  a.addiu(t2, t2, RECORD.regions * 4);
}

/** Reports the state in which the program ended and goes on with the next program. */
function buildFinish(a: Assembler, next: Label): void {
  a.bind(finishLabel);
  a.lw(t0, VARIABLE.exceptions, k0);
  a.sw(t0, RESULT.exceptions * 4, a3);
  a.mfhi(t0);
  a.sw(t0, RESULT.hi * 4, a3);
  a.mflo(t0);
  a.sw(t0, RESULT.lo * 4, a3);
  DUMPED_CP0.forEach((name, index) => {
    move(a, "mfc0", t0, name);
    a.sw(t0, (RESULT.cp0 + index) * 4, a3);
  });
  a.addiu(a0, k0, VARIABLE.gpr);
  a.addiu(a1, a3, RESULT.gpr * 4);
  copy(a, 32);
  a.addiu(a1, a3, RESULT.data * 4);
  a.loadConstant(t5, DATA_PAGES);
  a.loadConstant(t6, KSEG0 + DATA);
  const page = a.bind();
  for (const part of DATA_PARTS) {
    a.addiu(a0, t6, part.offset);
    copy(a, part.words);
  }
  a.addiu(t5, t5, -1);
  a.bnez(t5, page);
  a.addiu(t6, t6, 0x1000);
  a.move(t0, zero);
  a.loadConstant(t2, TLB_ENTRIES);
  a.addiu(a1, a3, RESULT.tlb * 4);
  const entry = a.bind();
  move(a, "mtc0", t0, "Index");
  a.ehb();
  a.tlbr();
  a.ehb();
  (["EntryHi", "PageMask", "EntryLo0", "EntryLo1"] as const).forEach((name, index) => {
    move(a, "mfc0", t1, name);
    a.sw(t1, index * 4, a1);
  });
  a.addiu(t0, t0, 1);
  a.bne(t0, t2, entry);
  a.addiu(a1, a1, 16);
  a.lw(t0, VARIABLE.index, k0);
  a.addiu(t0, t0, 1);
  a.b(next);
  a.sw(t0, VARIABLE.index, k0);
}

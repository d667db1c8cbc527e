import { BIOS_BASE, BIOS_BYTES, SOFT_RESET } from "../malta.ts";
import { CP0, cp0Operands, PAGE_GRAIN, STATUS, type Cp0Name } from "../../../src/isa/cp0.ts";
import { GPR } from "../../../src/isa/registers.ts";
import { toKseg0 } from "../../../src/kvm/addresses.ts";
import { exitResult, RESUME_GUEST } from "../../../src/kvm/entry/enter-exit.ts";
import { HOST_CALL } from "../../../src/kvm/entry/host-code.ts";
import { cp0Slot, VCPU, vcpuBytes } from "../../../src/kvm/layout.ts";
import { Assembler } from "../../../src/uasm/assembler.ts";
import {
  BEV_EXCEPTION,
  FINISHED,
  RECORD,
  RECORDS,
  REPORT,
  REPORTED_CP0,
  REPORTS,
  VARIABLE,
  VARIABLES,
} from "./layout.ts";
import type { World } from "./world.ts";

const { zero, v0, a0, a1, a2, t0, t1, t2, t3, t4, s0, s8, sp, k0, k1, ra } = GPR;

const KSEG1 = 0xa000_0000;
const ROM = KSEG1 + BIOS_BASE;
/** Where a CPU with EJTAG goes for SDBBP, when no probe is there (MIPS EJTAG specification, "Debug Exceptions"). */
const DEBUG_VECTOR = 0x480;
const PROGRAM = 0x1000;

/** ISA ports of a Malta whose system controller nobody has programmed. */
const ISA_PORTS = 0x1000_0000;

/** The driver's words and where they are entered. */
export interface Driver {
  readonly rom: Uint32Array;
  /** Address to go to after an SDBBP, with `callPc`, `k0` and `k1` in the variables. */
  readonly reportEntry: number;
}

type Transfer = "mfc0" | "mtc0";
function move(asm: Assembler, transfer: Transfer, register: number, name: Cp0Name): void {
  asm[transfer](register, ...cp0Operands(CP0[name]));
}
function moveIndexed(asm: Assembler, transfer: Transfer, register: number, cp0: number): void {
  asm[transfer](register, cp0 >>> 3, cp0 & 7);
}

/**
 * Builds the driver: it is the host's process and the exit handler in one. For each record it empties the TLB,
 * fills the vcpu structure, and calls vcpu_run; for each SDBBP of the generated code it writes a report and
 * then gives the exit handler's answer, or goes on with the next record. It runs from the boot ROM, so that
 * the captured RAM stays as it was.
 */
export function buildDriver(world: World, records: number): Driver {
  const rom = new Uint32Array(BIOS_BYTES / 4);
  const piece = (offset: number, limit: number, emit: (asm: Assembler) => void): void => {
    const asm = new Assembler({ level: "mips32r2", baseAddress: ROM + offset, limitWords: limit / 4 });
    emit(asm);
    rom.set(asm.words(), offset / 4);
  };
  let reportEntry = 0;
  piece(PROGRAM, BIOS_BYTES - PROGRAM, (asm) => {
    emitStart(asm, world);
    const next = asm.bind("next");
    emitNext(asm, world, records);
    reportEntry = asm.address;
    emitReport(asm, world, next);
  });
  piece(0, 0x200, (asm) => {
    asm.loadAddress(t0, ROM + PROGRAM);
    asm.jr(t0);
    asm.nop();
  });
  for (const vector of [0x200, 0x300, 0x380, 0x400]) piece(vector, 0x80, (asm) => asm.sdbbp(BEV_EXCEPTION));
  // Leaves Debug mode at once: what follows is to run as an ordinary kernel does.
  piece(DEBUG_VECTOR, 0x80, (asm) => {
    move(asm, "mtc0", k0, "DESAVE");
    asm.loadConstant(k0, toKseg0(VARIABLES));
    asm.sw(k1, VARIABLE.k1, k0);
    move(asm, "mfc0", k1, "DESAVE");
    asm.sw(k1, VARIABLE.k0, k0);
    move(asm, "mfc0", k1, "DEPC");
    asm.sw(k1, VARIABLE.callPc, k0);
    asm.loadAddress(k1, reportEntry);
    move(asm, "mtc0", k1, "DEPC");
    asm.ehb();
    asm.deret();
  });
  return { rom, reportEntry };
}

/** Boots as the host kernel did that made the tables. */
function emitStart(asm: Assembler, world: World): void {
  const { host } = world;
  const set = (name: Cp0Name, value: number): void => {
    asm.loadConstant(t0, value);
    move(asm, "mtc0", t0, name);
  };
  set("Status", STATUS.BEV | STATUS.CU0);
  set("Cause", 0);
  asm.ehb();
  set("EBase", host.code.ebase);
  set("PageMask", host.target.geometry.pageMask);
  if (host.target.format.rixi) set("PageGrain", PAGE_GRAIN.RIE | PAGE_GRAIN.XIE | PAGE_GRAIN.IEC);
  // Malta's interrupt controllers as reset leaves them let its timer through: mask everything.
  asm.loadConstant(t1, KSEG1 + ISA_PORTS);
  asm.loadConstant(t0, 0xff);
  for (const port of [0x21, 0xa1]) asm.sb(t0, port, t1);
  set("HWREna", host.target.hwrena);
  set("Context", 0);
  asm.loadConstant(k0, toKseg0(VARIABLES));
  asm.loadConstant(t0, toKseg0(REPORTS));
  asm.sw(t0, VARIABLE.report, k0);
  asm.sw(zero, VARIABLE.record, k0);
}

/** Takes the next record and enters the generated code, or finishes. */
function emitNext(asm: Assembler, world: World, records: number): void {
  const { host, vcpu } = world;
  const { target } = host;
  const done = asm.label("done");
  const run = asm.label("run");
  asm.loadConstant(k0, toKseg0(VARIABLES));
  asm.lw(t0, VARIABLE.record, k0);
  asm.loadConstant(t1, records);
  asm.bne(t0, t1, run);
  asm.nop();
  asm.bind(done);
  asm.loadConstant(t0, FINISHED);
  asm.sw(t0, VARIABLE.finished, k0);
  asm.loadConstant(t1, KSEG1 + SOFT_RESET.pa);
  asm.loadConstant(t0, SOFT_RESET.value);
  asm.sw(t0, 0, t1);
  const forever = asm.bind();
  asm.b(forever);
  asm.nop();

  asm.bind(run);
  asm.loadConstant(s0, toKseg0(RECORDS));
  asm.loadConstant(t1, RECORD.words * 4);
  const found = asm.label();
  const seeking = asm.bind();
  asm.beqz(t0, found);
  asm.addiu(t0, t0, -1);
  asm.b(seeking);
  asm.addu(s0, s0, t1);
  asm.bind(found);
  asm.lw(t0, VARIABLE.record, k0);
  asm.addiu(t0, t0, 1);
  asm.sw(t0, VARIABLE.record, k0);
  asm.lw(t0, RECORD.resumes * 4, s0);
  asm.sw(t0, VARIABLE.resumes, k0);

  // Entries that no access matches, each of its own.
  move(asm, "mtc0", zero, "EntryLo0");
  move(asm, "mtc0", zero, "EntryLo1");
  asm.loadConstant(t0, world.machine.cpu.tlb.entries - 1);
  asm.lui(t1, 0x8000);
  asm.loadConstant(t2, 2 * target.geometry.pageSize);
  const clearing = asm.bind();
  move(asm, "mtc0", t0, "Index");
  move(asm, "mtc0", t1, "EntryHi");
  asm.ehb();
  asm.tlbwi();
  asm.addu(t1, t1, t2);
  asm.bnez(t0, clearing);
  asm.addiu(t0, t0, -1);

  asm.lw(t0, RECORD.wired * 4, s0);
  move(asm, "mtc0", t0, "Wired");

  // The vcpu structure, and the mode in the virtual Status.
  asm.loadConstant(a0, vcpu.regs.pointer);
  for (let register = 0; register < 32; register++) {
    asm.lw(t0, (RECORD.gpr + register) * 4, s0);
    asm.sw(t0, VCPU.gprs + 4 * register, a0);
  }
  for (const [word, slot] of [
    [RECORD.pc, VCPU.pc],
    [RECORD.hi, VCPU.hi],
    [RECORD.lo, VCPU.lo],
  ] as const) {
    asm.lw(t0, word * 4, s0);
    asm.sw(t0, slot, a0);
  }
  for (const slot of [VCPU.badVAddr, VCPU.cause, VCPU.badInstr, VCPU.badInstrP]) asm.sw(zero, slot, a0);
  asm.lw(t1, VCPU.cop0, a0);
  asm.lw(t0, RECORD.guestStatus * 4, s0);
  asm.sw(t0, cp0Slot(CP0.Status), t1);

  // The host: its address space, its values in the scratch registers, its registers.
  asm.loadConstant(t0, host.asids.asid(host.vmmMm));
  move(asm, "mtc0", t0, "EntryHi");
  const { scratch } = target;
  asm.loadConstant(t0, 0x0057_4d00);
  for (const register of [scratch.hostHandler, scratch.vcpu, scratch.temp])
    if (register !== null) {
      asm.addiu(t0, t0, 1);
      moveIndexed(asm, "mtc0", t0, register);
    }
  asm.loadConstant(t0, toKseg0(host.vmmMm.pgd));
  asm.loadConstant(t1, host.pgdCurrent);
  asm.sw(t0, 0, t1);
  if (scratch.pgd !== null) moveIndexed(asm, "mtc0", t0, scratch.pgd);
  asm.lw(t0, RECORD.cause * 4, s0);
  move(asm, "mtc0", t0, "Cause");
  asm.lw(t0, RECORD.status * 4, s0);
  move(asm, "mtc0", t0, "Status");
  asm.ehb();
  asm.loadConstant(k0, world.vcpu.code.vcpuRun);
  for (let register = 1; register < 32; register++)
    if (register !== k0 && register !== a0) asm.loadConstant(register, hostRegister(world, register));
  asm.jr(k0);
  asm.nop();
}

/** Reports, then answers an exit or goes on with the next record. */
function emitReport(asm: Assembler, world: World, next: ReturnType<Assembler["bind"]>): void {
  const { vcpu, machine } = world;
  asm.loadConstant(k0, toKseg0(VARIABLES));
  asm.lw(k1, VARIABLE.report, k0);
  for (let register = 1; register < 32; register++)
    if (register !== k0 && register !== k1) asm.sw(register, (REPORT.gpr + register) * 4, k1);
  asm.move(s0, k1);
  for (const [variable, word] of [
    [VARIABLE.k0, REPORT.gpr + k0],
    [VARIABLE.k1, REPORT.gpr + k1],
    [VARIABLE.record, REPORT.record],
    [VARIABLE.callPc, REPORT.callPc],
  ] as const) {
    asm.lw(t0, variable, k0);
    asm.sw(t0, word * 4, s0);
  }
  asm.lw(t0, 0, t0);
  asm.ext(s8, t0, 6, 20);
  asm.sw(s8, REPORT.code * 4, s0);
  REPORTED_CP0.forEach((name, index) => {
    if (!machine.cpu.cp0Specs.has(CP0[name])) return;
    move(asm, "mfc0", t0, name);
    asm.sw(t0, (REPORT.cp0 + index) * 4, s0);
  });
  asm.loadConstant(a1, vcpu.regs.pointer);
  for (let offset = 0; offset < vcpuBytes(1); offset += 4) {
    asm.lw(t0, offset, a1);
    asm.sw(t0, REPORT.vcpu * 4 + offset, s0);
  }
  move(asm, "mfc0", t3, "EntryHi");
  move(asm, "mfc0", t4, "PageMask");
  asm.move(t0, zero);
  asm.loadConstant(t2, machine.cpu.tlb.entries);
  asm.addiu(a2, s0, REPORT.tlb * 4);
  const entry = asm.bind();
  move(asm, "mtc0", t0, "Index");
  asm.ehb();
  asm.tlbr();
  asm.ehb();
  (["EntryHi", "PageMask", "EntryLo0", "EntryLo1"] as const).forEach((name, index) => {
    move(asm, "mfc0", t1, name);
    asm.sw(t1, 4 * index, a2);
  });
  asm.addiu(t0, t0, 1);
  asm.bne(t0, t2, entry);
  asm.addiu(a2, a2, 16);
  move(asm, "mtc0", t3, "EntryHi");
  move(asm, "mtc0", t4, "PageMask");
  asm.ehb();
  asm.addiu(t0, s0, REPORT.words * 4);
  asm.sw(t0, VARIABLE.report, k0);
  asm.loadConstant(t0, HOST_CALL.exit);
  asm.bne(s8, t0, next);
  asm.nop();

  const answer = asm.label("answer");
  asm.lw(t0, VARIABLE.resumes, k0);
  asm.loadConstant(v0, exitResult(-4));
  asm.beqz(t0, answer);
  asm.addiu(t0, t0, -1);
  asm.sw(t0, VARIABLE.resumes, k0);
  asm.lw(t1, VCPU.pc, a1);
  asm.addiu(t1, t1, 4);
  asm.sw(t1, VCPU.pc, a1);
  asm.loadConstant(v0, RESUME_GUEST);
  asm.bind(answer);
  asm.sw(v0, VARIABLE.answer, k0);
  // Back behind the SDBBP, where k0 and k1 are free: the generated code loads both anew.
  asm.move(k1, s0);
  for (let register = 1; register < 32; register++)
    if (register !== k0 && register !== k1 && register !== v0)
      asm.lw(register, (REPORT.gpr + register) * 4, k1);
  asm.lw(v0, VARIABLE.answer, k0);
  asm.lw(k0, VARIABLE.callPc, k0);
  asm.addiu(k0, k0, 4);
  asm.jr(k0);
  asm.nop();
}

/** What the host's registers hold when it calls vcpu_run. */
export function hostRegister({ host }: World, register: number): number {
  if (register === sp) return host.stackTop;
  if (register === ra) return host.code.vcpuReturned;
  return 0x5000_0000 + register;
}

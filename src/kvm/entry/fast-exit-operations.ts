import { CAUSE, CONFIG, CP0, ENTRY_HI, HWR, HWRENA, INDEX, STATUS } from "../../isa/cp0.ts";
import { encode } from "../../isa/encode.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { Label } from "../../uasm/label.ts";
import type { HostVa } from "../addresses.ts";
import { ASID_MASK } from "../asid.ts";
import { GUEST_MODE_MASK, GUEST_USER_MODE } from "../guest-mode.ts";
import { MM } from "../host-mm.ts";
import { CP0_MASKS, cp0Slot, HARDWARE_LINES, userMm, VCPU } from "../layout.ts";
import { emitCpuOffset } from "./cpu-number.ts";
import type { CodeAddresses } from "./enter-exit.ts";
import { emitCache } from "./fast-exit-cache.ts";
import { VECTOR } from "./exception-vectors.ts";
import { FIELD, type RegisterTables } from "./fast-exit-registers.ts";
import { fieldOf, mfc0, mtc0, type CodeTarget } from "./target.ts";

/** What the code of fast exits has to know of the guest. */
export interface FastExitOptions {
  /** Bits of Status that the guest can write, and that are just bits. */
  readonly statusWritable: number;
  /** Other bits of Status that it can write: who changes one of these is not settled here. */
  readonly statusSpecial?: number;
  /** The guest's kernel finds its CP0 registers in memory, and can have changed them there. */
  readonly commpage: boolean;
  /** Where they are. */
  readonly cop0: HostVa;
  /** What MFC0 and MTC0 do to the one with a flat index, if they do no more than that. */
  readonly masksOf: (cp0: number) => Cp0Masks;
}

/** Bits of a CP0 register's word in the guest's array that MFC0 shows and that MTC0 changes; 0 if they do anything else. */
export interface Cp0Masks {
  readonly read: number;
  readonly write: number;
}

/** How code comes to the guest register that field rt of the instruction names. */
export interface Operand {
  /** Emits: t1 = the register. Clobbers at and k0. */
  readonly read: () => void;
  /** Emits: the register = t1, and the instruction is done. Clobbers at and k0. */
  readonly write: () => void;
}

/**
 * What settles an instruction by itself, be it in the code for all instructions or in a routine for this one. k1 = VCPU
 * pointer, v1 = guest CP0 array, v0 = its Status.
 */
export interface EffectContext {
  readonly target: CodeTarget;
  readonly addresses: CodeAddresses;
  readonly options: FastExitOptions;
  readonly operand: Operand;
  /** To the way for whatever is not settled here; nothing may have changed. */
  readonly bail: Label;
  /** The same, with Status as it was. */
  readonly undo: Label;
  /** Emits the way on for the guest, behind the instruction `slot`. */
  readonly done: (slot?: () => void) => void;
}

/** What the parts of a fast exit share. The registers are those that `emitFastExit` names. */
export interface FastExitContext extends EffectContext {
  readonly tables: RegisterTables;
  /** The guest goes on at a2. */
  readonly finish: Label;
}

const { at, zero, v0, v1, a0, a1, a2, a3, t0, t1, t2, k1 } = GPR;

function loadGuest(asm: Assembler, reg: number, cp0: number): void {
  asm.lw(reg, cp0Slot(cp0), v1);
}
function storeGuest(asm: Assembler, reg: number, cp0: number): void {
  asm.sw(reg, cp0Slot(cp0), v1);
}

/**
 * Emits: to `bail` if the guest has stored to the registers on its commpage, which the hypervisor follows at each exit.
 * Its Status and its ASID must be those of the address space that is live, and its Cause must show its lines and no
 * enabled interrupt. On entry t2 is the live mode's offset. The delay slot is left open.
 */
export function emitCheckCommpage(asm: Assembler, { bail }: FastExitContext): void {
  asm.comment("guest ASID").lw(a3, cp0Slot(CP0.EntryHi), v1);
  asm.andi(a3, a3, ASID_MASK);
  asm.andi(at, v0, GUEST_MODE_MASK);
  asm.xori(at, at, GUEST_USER_MODE);
  asm.sltiu(at, at, 1);
  asm.sll(at, at, 2);
  asm.comment("is not the mode's: the guest has written Status").bne(at, t2, bail);
  asm.addu(at, k1, t2);
  asm.lw(at, VCPU.ready, at);
  asm.comment("or EntryHi").bne(at, a3, bail);
  loadGuest(asm, a1, CP0.Cause);
  asm.lw(a3, VCPU.lines, k1);
  asm.comment("Cause shows the lines").loadConstant(at, HARDWARE_LINES);
  asm.and(at, at, a1);
  asm.bne(at, a3, bail);
  asm.and(at, a1, v0);
  asm.comment("enabled and pending").andi(at, at, CAUSE.IP);
  asm.bnez(at, bail);
}

/**
 * Emits: Status = t2, unless the guest can take an interrupt then, which the hypervisor must see to. The check comes
 * after the store: a line that rises in between makes the CPU leave the guest.
 */
function emitChangeStatus(asm: Assembler, context: EffectContext): void {
  storeGuest(asm, t2, CP0.Status);
  loadGuest(asm, a1, CP0.Cause);
  asm.and(at, a1, t2);
  asm.comment("enabled and pending").andi(at, at, CAUSE.IP);
  asm.bnez(at, context.undo);
  asm.nop();
}

/** Emits: the address space of one mode is live from now on. */
function emitSwitch(asm: Assembler, { target, addresses }: EffectContext, user: boolean): void {
  const mm = user ? userMm(target.cpus) : VCPU.kernelMm;
  if (target.cpus > 1) {
    emitCpuOffset(asm, a3);
    asm.comment("root").lw(t1, mm + MM.pgd, k1);
    const low = asm.loadAddressMostly(at, addresses.pgdCurrent);
    asm.addu(at, at, a3);
    asm.sw(t1, low, at);
    asm.addu(a3, a3, k1);
    asm.comment("version | ASID").lw(at, mm + MM.context, a3);
    asm.andi(at, at, ASID_MASK);
  } else {
    asm.comment("version | ASID").lw(at, mm + MM.context, k1);
    asm.comment("root").lw(t1, mm + MM.pgd, k1);
    asm.andi(at, at, ASID_MASK);
    const low = asm.loadAddressMostly(a3, addresses.pgdCurrent);
    asm.sw(t1, low, a3);
  }
  if (target.scratch.pgd !== null) mtc0(asm, t1, target.scratch.pgd);
  mtc0(asm.comment("root and ASID change together"), at, CP0.EntryHi);
  asm.loadConstant(at, user ? 4 : 0);
  asm.sw(at, VCPU.liveMode, k1);
}

/** Emits: to `otherwise` unless the address space of a mode is good for the guest's ASID. */
function emitCheckReady(asm: Assembler, user: boolean, otherwise: Label): void {
  asm.lw(at, VCPU.ready + (user ? 4 : 0), k1);
  loadGuest(asm, a3, CP0.EntryHi);
  asm.andi(a3, a3, ASID_MASK);
  asm.bne(at, a3, otherwise);
  asm.nop();
}

/** DI. */
export function emitDisable(asm: Assembler, context: EffectContext): void {
  asm.move(t2, v0);
  asm.ins(t2, zero, ...fieldOf(STATUS.IE));
  storeGuest(asm, t2, CP0.Status);
  emitOldStatus(asm, context);
}

/** EI. */
export function emitEnable(asm: Assembler, context: EffectContext): void {
  asm.ori(t2, v0, STATUS.IE);
  emitChangeStatus(asm, context);
  emitOldStatus(asm, context);
}

function emitOldStatus(asm: Assembler, context: EffectContext): void {
  asm.comment("Status as it was").move(t1, v0);
  context.operand.write();
}

export function emitMtc0Status(asm: Assembler, context: EffectContext): void {
  context.operand.read();
  const { statusWritable, statusSpecial = 0 } = context.options;
  asm.xor(t2, t1, v0);
  asm.loadConstant(at, STATUS.ERL | statusSpecial);
  asm.and(at, at, t2);
  asm.comment("useg changes, or the FPU comes or goes").bnez(at, context.bail);
  asm.nop();
  asm.loadConstant(at, statusWritable);
  asm.and(t2, t1, at);
  asm.nor(at, at, zero);
  asm.and(at, at, v0);
  asm.or(t2, t2, at);
  asm.andi(at, t2, GUEST_MODE_MASK);
  asm.xori(at, at, GUEST_USER_MODE);
  asm.comment("to user mode").beqz(at, context.bail);
  asm.nop();
  emitChangeStatus(asm, context);
  context.done();
}

export function emitMtc0EntryHi(asm: Assembler, context: EffectContext): void {
  context.operand.read();
  loadGuest(asm, a1, CP0.EntryHi);
  asm.xor(at, a1, t1);
  asm.comment("another ASID").andi(at, at, ASID_MASK);
  asm.bnez(at, context.bail);
  asm.comment("more than VPN2 and ASID").ext(at, t1, ...fieldOf(~(ENTRY_HI.VPN2 | ENTRY_HI.ASID)));
  asm.bnez(at, context.bail);
  asm.nop();
  context.done(() => storeGuest(asm, t1, CP0.EntryHi));
}

/** TLBP of an address that the hypervisor has looked up last: that of the TLB exception, as a rule. */
export function emitTlbp(asm: Assembler, context: EffectContext): void {
  const found = asm.label("tlbp_found");
  loadGuest(asm, at, CP0.EntryHi);
  asm.lw(t1, VCPU.probeHi, k1);
  asm.bne(t1, at, context.bail);
  asm.lw(t1, VCPU.probeIndex, k1);
  asm.bgez(t1, found);
  asm.comment("P").lui(at, INDEX.P >>> 16);
  loadGuest(asm, t1, CP0.Index);
  asm.or(t1, t1, at);
  asm.bind(found);
  context.done(() => storeGuest(asm, t1, CP0.Index));
}

export function emitCount(asm: Assembler, context: EffectContext): void {
  asm.lw(at, VCPU.countRuns, k1);
  asm.beqz(at, context.bail);
  asm.lw(at, VCPU.countBias, k1);
  mfc0(asm, t1, CP0.Count);
  asm.addu(t1, t1, at);
  context.operand.write();
}

export function emitEret(asm: Assembler, context: EffectContext): void {
  const done = asm.label("eret_done");
  asm.andi(at, v0, STATUS.ERL);
  asm.bnez(at, context.bail);
  loadGuest(asm, a2, CP0.EPC);
  asm.move(t2, v0);
  asm.ins(t2, zero, ...fieldOf(STATUS.EXL));
  emitChangeStatus(asm, context);
  asm.andi(at, t2, GUEST_MODE_MASK);
  asm.xori(at, at, GUEST_USER_MODE);
  asm.comment("stays in kernel mode").bnez(at, done);
  asm.nop();
  emitCheckReady(asm, true, context.undo);
  emitSwitch(asm, context, true);
  asm.bind(done);
  mtc0(asm.comment("no LL survives ERET"), zero, CP0.LLAddr);
  context.done();
}

/** On entry t0 is the host's Cause. */
function emitEretUnlessInSlot(asm: Assembler, context: FastExitContext): void {
  asm.comment("in a delay slot").bltz(t0, context.bail);
  emitEret(asm, context);
}

/** Emits the choice by the instruction in a0, without its field rt in t1: falls through if it is none of them. */
function emitMatch(
  asm: Assembler,
  cases: readonly (readonly [word: number, label: Label, ...rest: unknown[]])[],
): void {
  asm.move(t1, a0);
  asm.ins(t1, zero, FIELD.rt, 5);
  for (const [word, label] of cases) {
    asm.loadConstant(at, word);
    asm.beq(t1, at, label);
    asm.nop();
  }
}

/** The bits between rd and sel in MFC0 and MTC0, which are 0. */
const ZEROS = { position: 3, width: 8 } as const;
/** The bits of MFC0 and MTC0 above rt. */
const [MFC0, MTC0] = (["mfc0", "mtc0"] as const).map(
  (mnemonic) => encode(mnemonic, { rt: 0, rdNumber: 0, sel: 0 }) >>> FIELD.rs,
) as [number, number];

/**
 * Emits MFC0 and MTC0 of the registers that are words with a mask, as the tables in the vcpu structure say. Falls
 * through for everything else.
 */
function emitPlainMoves(asm: Assembler, context: FastExitContext): void {
  const [read, write, others] = [asm.label("fast_mfc0"), asm.label("fast_mtc0"), asm.label("fast_others")];
  /** t2 = the mask in a table, a3 = address of the register in the guest's array. */
  const emitLookUp = (masks: number): void => {
    asm.comment("8 rd, as the bits below it are 0").ext(a3, a0, FIELD.rd - 3, 8);
    asm.andi(t1, a0, 7);
    asm.or(a3, a3, t1);
    asm.sll(a3, a3, 2);
    asm.addu(t2, k1, a3);
    asm.lw(t2, masks, t2);
    asm.beqz(t2, others);
    asm.addu(a3, v1, a3);
  };
  asm.srl(t1, a0, FIELD.rs);
  asm.ext(at, a0, ZEROS.position, ZEROS.width);
  asm.sll(at, at, 3);
  asm.addiu(t1, t1, -MFC0);
  asm.or(t1, t1, at);
  asm.beqz(t1, read);
  asm.addiu(t1, t1, MFC0 - MTC0);
  asm.bnez(t1, others);
  asm.nop();
  asm.bind(write);
  emitLookUp(CP0_MASKS.write);
  context.operand.read();
  asm.lw(at, 0, a3);
  asm.xor(t1, t1, at);
  asm.and(t1, t1, t2);
  asm.xor(t1, t1, at);
  context.done(() => asm.sw(t1, 0, a3));
  asm.bind(read);
  emitLookUp(CP0_MASKS.read);
  asm.lw(t1, 0, a3);
  asm.and(t1, t1, t2);
  context.operand.write();
  asm.bind(others);
}

/** Emits what settles CP0 instructions of guest kernel mode. */
export function emitPrivileged(asm: Assembler, context: FastExitContext): void {
  const rt = 0;
  const move = (mnemonic: "mfc0" | "mtc0", cp0: number): number =>
    encode(mnemonic, { rt, rdNumber: cp0 >>> 3, sel: cp0 & 7 });
  const cases = [
    [encode("di", { rt }), asm.label("fast_di"), () => emitDisable(asm, context)],
    [encode("ei", { rt }), asm.label("fast_ei"), () => emitEnable(asm, context)],
    [move("mtc0", CP0.Status), asm.label("fast_mtc0_status"), () => emitMtc0Status(asm, context)],
    [move("mfc0", CP0.Count), asm.label("fast_mfc0_count"), () => emitCount(asm, context)],
    [encode("eret", {}), asm.label("fast_eret"), () => emitEretUnlessInSlot(asm, context)],
    [move("mtc0", CP0.EntryHi), asm.label("fast_mtc0_entryhi"), () => emitMtc0EntryHi(asm, context)],
  ] as const;
  const { commpage } = context.options;
  const tlbp = [encode("tlbp", {}), asm.label("fast_tlbp"), () => emitTlbp(asm, context)] as const;
  // What dynamic translation replaces has to reach the hypervisor once, and so has an EntryHi that was stored.
  const settled = commpage ? cases : [...cases, tlbp];
  if (!commpage) emitPlainMoves(asm, context);
  emitMatch(asm, settled);
  if (!commpage) emitCache(asm, context);
  asm.b(context.bail);
  asm.nop();
  for (const [, label, emit] of settled) {
    asm.bind(label);
    emit();
  }
}

/** Emits: to `bail` in user mode, unless the guest's HWREna gives it the registers of `mask`. */
function emitCheckEnabled(asm: Assembler, context: FastExitContext, mask: number): void {
  const allowed = asm.label("rdhwr_allowed");
  asm.lw(at, VCPU.liveMode, k1);
  asm.comment("kernel mode").beqz(at, allowed);
  loadGuest(asm, at, CP0.HWREna);
  asm.ext(at, at, ...fieldOf(mask));
  asm.beqz(at, context.bail);
  asm.nop();
  asm.bind(allowed);
}

/** Emits what settles RDHWR, which raises Reserved Instruction because the host's HWREna is 0. */
export function emitReserved(asm: Assembler, context: FastExitContext): void {
  const userLocal = asm.label("fast_rdhwr_userlocal");
  const count = asm.label("fast_rdhwr_count");
  emitMatch(asm, [
    [encode("rdhwr", { rt: 0, rdNumber: HWR.UserLocal }), userLocal],
    [encode("rdhwr", { rt: 0, rdNumber: HWR.CC }), count],
  ]);
  asm.b(context.bail);
  asm.nop();
  asm.bind(userLocal);
  emitCheckEnabled(asm, context, HWRENA.ULR);
  loadGuest(asm, at, CP0.Config3);
  asm.ext(at, at, ...fieldOf(CONFIG.C3_ULRI));
  asm.beqz(at, context.bail);
  loadGuest(asm, t1, CP0.UserLocal);
  context.operand.write();
  asm.bind(count);
  emitCheckEnabled(asm, context, HWRENA.CC);
  emitCount(asm, context);
}

/**
 * Emits what gives the guest's kernel a system call of its user mode (PRA, "System Call Exception"). On entry t2 is
 * the live mode's offset.
 */
export function emitSystemCall(asm: Assembler, context: FastExitContext): void {
  asm.comment("kernel mode").beqz(t2, context.bail);
  asm.ext(at, v0, ...fieldOf(STATUS.BEV));
  asm.bnez(at, context.bail);
  asm.nop();
  emitCheckReady(asm, false, context.bail);
  loadGuest(asm, a1, CP0.Cause);
  asm.comment("ExcCode").loadConstant(at, EXC_CODE.Sys);
  asm.ins(a1, at, ...fieldOf(CAUSE.ExcCode));
  asm.ins(a1, zero, ...fieldOf(CAUSE.CE));
  asm.comment("BD").srl(at, t0, 31);
  asm.ins(a1, at, ...fieldOf(CAUSE.BD));
  storeGuest(asm, a1, CP0.Cause);
  mfc0(asm, at, CP0.EPC);
  storeGuest(asm, at, CP0.EPC);
  asm.ori(at, v0, STATUS.EXL);
  storeGuest(asm, at, CP0.Status);
  loadGuest(asm, a2, CP0.EBase);
  asm.comment("vector base").ins(a2, zero, 0, 12);
  asm.addiu(a2, a2, VECTOR.general);
  emitSwitch(asm, context, false);
  context.done();
}

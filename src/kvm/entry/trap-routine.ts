import { CAUSE, CP0 } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { Label } from "../../uasm/label.ts";
import type { HostVa } from "../addresses.ts";
import { cp0Slot, FAST_EXIT_CODES, VCPU } from "../layout.ts";
import type { CodeAddresses } from "./enter-exit.ts";
import type { Cp0Masks, EffectContext, FastExitOptions } from "./fast-exit-operations.ts";
import {
  emitBorrow,
  emitGiveBack,
  emitReadGuest,
  emitWriteGuest,
  FIELD,
  slot,
} from "./fast-exit-registers.ts";
import { fieldOf, mfc0, mtc0, type CodeTarget } from "./target.ts";

/**
 * Where the instruction of a trap has its entry in the table of routines: the bits that tell privileged instructions
 * apart, which are rd, rt and three of the coprocessor's operation.
 */
const INDEX = { position: FIELD.rd, width: 13 } as const;
/** Bytes of the table, which lies at a multiple of 64 KiB. */
export const TABLE_BYTES = 4 << INDEX.width;

/** The entry of `word` in the table. */
export function tableIndex(word: number): number {
  return (word >>> INDEX.position) & ((1 << INDEX.width) - 1);
}

/** The bits of `word` that its entry in the table leaves open, as the vector hands them to the routine. */
function restOf(word: number): number {
  return (word >>> 24) | ((word & ((1 << INDEX.position) - 1)) << (32 - INDEX.position - INDEX.width));
}

/** Cause, turned right by so much, has what must be looked at in its low half: BD, CE and ExcCode. */
const CAUSE_TURN = 28;
const turned = (bits: number): number => ((bits >>> CAUSE_TURN) | (bits << (32 - CAUSE_TURN))) >>> 0;
const COP0_UNUSABLE = EXC_CODE.CpU << fieldOf(CAUSE.ExcCode)[0];

const { zero, k0, k1, v0, v1, a2 } = GPR;

/**
 * Emits, from k1 = VCPU pointer with guest k0 in its slot: if the exception is Coprocessor Unusable of CP0 and not in a
 * delay slot, goes to the routine that the table at `table` has for the instruction, with what the entry leaves open of
 * the word in k0. Falls through otherwise.
 */
export function emitFindRoutine(asm: Assembler, { scratch }: CodeTarget, table: HostVa): void {
  const otherwise = asm.label("no_routine");
  mfc0(asm, k0, CP0.Cause);
  asm.comment("BD, CE and ExcCode").rotr(k0, k0, CAUSE_TURN);
  asm.andi(k0, k0, turned(CAUSE.BD | CAUSE.CE | CAUSE.ExcCode));
  asm.comment("CP0 unusable?").xori(k0, k0, turned(COP0_UNUSABLE));
  asm.bnez(k0, otherwise);
  mfc0(asm.comment("the instruction"), k0, CP0.BadInstr);
  asm.rotr(k0, k0, INDEX.position);
  asm.comment("its entry in the table").lui(k1, table >>> 16);
  asm.ins(k1, k0, 2, INDEX.width);
  asm.lw(k1, 0, k1);
  asm.comment("the rest of the word").srl(k0, k0, INDEX.width);
  asm.jr(k1);
  mfc0(asm, k1, scratch.vcpu);
  asm.bind(otherwise);
}

/** What all routines of a guest share. */
export interface RoutineSetting {
  readonly target: CodeTarget;
  readonly addresses: CodeAddresses;
  readonly options: FastExitOptions;
  /** The code for all instructions: `emitFastExit`. */
  readonly fastExit: HostVa;
}

/** Instructions that have routines: one word, or one for each rt. */
export interface TrapKind {
  readonly name: string;
  /** The instruction, with rt 0. */
  readonly word: number;
  /** Registers that there are routines for, null if the instruction names none. */
  readonly operands: readonly number[] | null;
  /** Registers that the routine uses for itself: rt is another one, or reached through its slot. */
  readonly borrowed: readonly number[];
  /** Emits what it does, from k1 = VCPU pointer and k0 = EPC to the way back. */
  readonly emit: (asm: Assembler, routine: Routine) => void;
}

/** A routine that is being made: for rt = `rt`. */
export interface Routine {
  readonly setting: RoutineSetting;
  readonly rt: number;
  /** To the code for all instructions, from k1 = VCPU pointer. */
  readonly otherwise: Label;
}

/**
 * Emits the routine for the instructions of `kinds`, which have the same entry in the table, with rt = `rt`. It is the
 * same wherever it lies.
 */
export function emitRoutine(
  asm: Assembler,
  kinds: readonly TrapKind[],
  setting: RoutineSetting,
  rt: number,
): void {
  const otherwise = asm.label("otherwise");
  let passed = 0;
  for (const [n, { name, word, emit }] of kinds.entries()) {
    const isLast = n === kinds.length - 1;
    const next = isLast ? otherwise : asm.label();
    asm.bind(`routine_${name}`);
    asm.comment("another word?").xori(k0, k0, restOf(word) ^ passed);
    asm.bnez(k0, next);
    if (!isLast) asm.nop();
    asm.lw(k0, VCPU.liveMode, k1);
    asm.comment("in user mode").bnez(k0, otherwise);
    mfc0(asm, k0, CP0.EPC);
    emit(asm, { setting, rt, otherwise });
    if (!isLast) asm.bind(next);
    passed = restOf(word);
  }
  asm.bind(otherwise);
  emitOtherwise(asm, setting);
}

/** Emits the way to the code for all instructions. */
export function emitOtherwise(asm: Assembler, { fastExit }: RoutineSetting): void {
  asm.loadAddress(k0, fastExit);
  asm.jr(k0);
  asm.nop();
}

/** Emits: the guest goes on at the address in `reg`, and the fast exit counts. Clobbers k0. */
function emitSettled(asm: Assembler, reg: number): void {
  const counter = VCPU.fastExits + 4 * (EXC_CODE.CpU - FAST_EXIT_CODES[0]!);
  mtc0(asm, reg, CP0.EPC);
  asm.comment("count it").lw(k0, counter, k1);
  asm.addiu(k0, k0, 1);
  asm.sw(k0, counter, k1);
}

/** Emits: the guest goes on behind the instruction, whose address is in k0. */
function emitNext(asm: Assembler): void {
  asm.comment("its successor").addiu(k0, k0, 4);
  emitSettled(asm, k0);
}

/** Emits the way back to the guest, from k1 = VCPU pointer. */
function emitReturn(asm: Assembler, { target }: RoutineSetting): void {
  asm.lw(k0, slot(k0), k1);
  asm.clearHazard();
  mfc0(asm.comment("the guest's k1"), k1, target.scratch.temp);
  asm.eret();
}

const ALL = -1;
/** True if a routine can be made for MFC0 or MTC0 under `mask`: all bits, or the lowest ones. */
const isSimple = (mask: number): boolean => mask !== 0 && ((mask + 1) & mask) === 0;

/** Emits: `to` = `from` under a mask. */
function emitMasked(asm: Assembler, to: number, from: number, mask: number): void {
  if (mask === ALL) asm.move(to, from);
  else asm.ext(to, from, ...fieldOf(mask));
}

/** MFC0 of a register that is a word, or null if it is not that simple. */
export function emitPlainRead(cp0: number, { read: mask }: Cp0Masks): TrapKind["emit"] | null {
  if (!isSimple(mask)) return null;
  return (asm, { setting, rt }) => {
    const { target, options } = setting;
    emitNext(asm);
    if (rt !== k0) asm.lw(k0, slot(k0), k1);
    const low = asm.loadAddressMostly(rt, options.cop0 + cp0Slot(cp0));
    asm.lw(rt, low, rt);
    if (mask !== ALL) emitMasked(asm, rt, rt, mask);
    asm.clearHazard();
    if (rt !== k1) mfc0(asm, k1, target.scratch.temp);
    asm.eret();
  };
}

/**
 * MTC0 of a register that is a word, or null if it is not that simple. Where a mask leaves bits out, these are always 0
 * or never seen: MFC0 has the same mask.
 */
export function emitPlainWrite(cp0: number, { read, write }: Cp0Masks): TrapKind["emit"] | null {
  if (!isSimple(write) || (write !== ALL && write !== read)) return null;
  return (asm, { setting, rt }) => {
    const { target, options } = setting;
    const at = options.cop0 + cp0Slot(cp0);
    emitNext(asm);
    if (write === ALL && rt !== k0 && rt !== k1) {
      asm.sw(rt, asm.loadAddressMostly(k0, at), k0);
      return emitReturn(asm, setting);
    }
    if (rt === k0) asm.lw(k0, slot(k0), k1);
    else if (rt === k1) mfc0(asm, k0, target.scratch.temp);
    if (rt !== k0 && rt !== k1) emitMasked(asm, k0, rt, write);
    else if (write !== ALL) emitMasked(asm, k0, k0, write);
    asm.sw(k0, asm.loadAddressMostly(k1, at), k1);
    mfc0(asm, k1, target.scratch.vcpu);
    emitReturn(asm, setting);
  };
}

/** What the code for all instructions does for one of them, and what a routine has to do around it. */
export interface Effect extends Omit<TrapKind, "emit"> {
  readonly effect: (asm: Assembler, context: EffectContext) => void;
  /** It wants the guest's CP0 array in v1, or also its Status in v0. */
  readonly needs?: "array" | "status";
  /** It leaves in a2 where the guest goes on. */
  readonly jumps?: boolean;
}

/** The effect as a routine: with borrowed registers, and rt where it is. */
export function emitEffect({ effect, borrowed, needs, jumps = false }: Effect): TrapKind["emit"] {
  return (asm, { setting, rt, otherwise }) => {
    const { target, addresses, options } = setting;
    const [bail, undo] = [asm.label(), asm.label()];
    const done: EffectContext["done"] = (last) => {
      last?.();
      if (jumps) emitSettled(asm, a2);
      else emitNext(asm);
      emitGiveBack(asm, borrowed);
      emitReturn(asm, setting);
    };
    const operand: EffectContext["operand"] = {
      read: () => emitReadGuest(asm, target, rt, borrowed),
      write: () => {
        if (rt !== zero) emitWriteGuest(asm, target, rt, borrowed);
        done();
      },
    };
    emitBorrow(asm, borrowed);
    if (needs !== undefined) asm.comment("guest CP0 array").lw(v1, VCPU.cop0, k1);
    if (needs === "status") asm.comment("virtual Status").lw(v0, cp0Slot(CP0.Status), v1);
    effect(asm, { target, addresses, options, operand, bail, undo, done });
    asm.bind(undo);
    if (needs === "status") asm.sw(v0, cp0Slot(CP0.Status), v1);
    asm.bind(bail);
    emitGiveBack(asm, borrowed);
    asm.b(otherwise);
    asm.nop();
  };
}

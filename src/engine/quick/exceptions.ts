import { CAUSE, CP0, EBASE, ENTRY_HI, ENTRY_LO, STATUS } from "../../isa/cp0.ts";
import { EXC_CODE, VECTOR_OFFSET } from "../../isa/exceptions.ts";
import type { Cpu } from "../../machine/cpu.ts";
import { endsInstruction, recordsInstruction } from "../../machine/exception-kinds.ts";
import { MODE, type Mode } from "../../machine/modes.ts";
import {
  CODE_BANK_OFFSET,
  CODE_PAGE,
  EMPTY_BANK,
  PAGE_SIZE,
  REFILL_LOG,
  SOFT_TLB,
  STATE,
} from "../../machine/state-layout.ts";
import type { ImportName } from "../imports.ts";
import { I64, MEMORY, PLAIN, type Code } from "../wasm/code.ts";
import { Routine, type Value, type Variable } from "./routine.ts";
import type { QuickTarget } from "./target.ts";

/** What `enterException` is told of the exception's vector: the general one, or that for refills. */
export const VECTOR = { general: 0, refill: 1, refillOfFetch: 2 } as const;

/** Entry of the current code bank for `va`. */
export function codeEntry(r: Routine, va: Value): Value {
  const number = r.and(r.shr(va, 12), SOFT_TLB.codeEntries - 1);
  return r.add(r.state(STATE.codeBank), r.shl(number, SOFT_TLB.codeEntryShift));
}

/** As bits by exception code. */
const maskOf = (has: (code: number) => boolean): number =>
  Array.from({ length: 32 }, (_, code) => code).reduce((mask, n) => (has(n) ? mask | (1 << n) : mask), 0);
const ENDS_INSTRUCTION = maskOf(endsInstruction);
const RECORDED = maskOf(recordsInstruction);

const has = (r: Routine, value: Value, bits: number): Value => r.ne(r.and(value, bits), 0);

/** Makes `mode` the current one, with its banks. */
function emitSwitch(
  r: Routine,
  { machine, complete }: QuickTarget,
  mode: Value,
  bank: Value,
  userBank: Value,
): void {
  const guestTimeStops = machine.config.guestTime === "user";
  const isKernel = (of: Value): Value => r.eq(of, MODE.kernel);
  const wasKernel = r.variable(guestTimeStops ? isKernel(r.state(STATE.mode)) : 0);
  r.setState(STATE.mode, mode);
  r.setState(STATE.cp0Usable, r.eq(mode, MODE.kernel));
  r.setState(STATE.dataBank, bank);
  r.setState(STATE.codeBank, r.add(bank, CODE_BANK_OFFSET));
  r.setState(STATE.userBank, userBank);
  if (!guestTimeStops) return;
  r.when(r.ne(wasKernel, isKernel(mode)), () =>
    // A slice that was ended stays so: what ended it wants to be looked at.
    r.when(
      r.state(STATE.remaining),
      () => emitTimeChange(r, wasKernel),
      () => r.drop(r.call(complete("modeChanged"))),
    ),
  );
}

/** Guest time starts (`starts`: not 0) or stops: `Cpu.retireElsewhere`, and the slice of the other kind. */
function emitTimeChange(r: Routine, starts: Value): void {
  const { code } = r;
  const retired = code.local(I64);
  const load64 = (offset: number): void => {
    code.const32(0);
    code.memory(MEMORY.i64Load, offset);
  };
  load64(STATE.sliceEnd);
  r.push(r.state(STATE.remaining));
  code.op(PLAIN.i64ExtendI32S);
  code.op(PLAIN.i64Sub);
  code.setLocal(retired);
  code.const32(0);
  code.get(retired);
  load64(STATE.retiredElsewhere);
  code.op(PLAIN.i64Sub);
  code.memory(MEMORY.i64Store, STATE.retiredElsewhere);
  r.when(
    starts,
    () => r.setState(STATE.remaining, r.state(STATE.guestRemaining)),
    () => {
      r.setState(STATE.guestRemaining, r.state(STATE.remaining));
      r.setState(STATE.remaining, r.state(STATE.hostSlice));
    },
  );
  code.const32(0);
  code.get(retired);
  r.push(r.state(STATE.remaining));
  code.op(PLAIN.i64ExtendI32S);
  code.op(PLAIN.i64Add);
  code.memory(MEMORY.i64Store, STATE.sliceEnd);
}

/** (va) → memory offset of the instruction there, if the soft TLB knows it for code, else 0. */
export function buildInstructionAt(): Code {
  const r = new Routine(1);
  const va = r.parameter(0);
  const entry = r.variable(codeEntry(r, va));
  r.answerWhen(r.ne(r.load(entry, SOFT_TLB.codeTag), r.and(va, -PAGE_SIZE)), 0);
  const page = r.load(r.load(entry, SOFT_TLB.codeRecords), CODE_PAGE.ram);
  return r.finish(r.add(page, r.and(va, PAGE_SIZE - 4)));
}

/** `RefillLog.note`. */
function emitNoteRefill(r: Routine): void {
  const place = r.shl(r.and(r.state(STATE.refills), REFILL_LOG.entries - 1), 2);
  const page = r.and(r.cp0(CP0.BadVAddr), -PAGE_SIZE);
  r.store(place, REFILL_LOG.base, r.or(r.or(page, REFILL_LOG.isOne), r.asid));
}

/**
 * (exception code, `VECTOR`) → 1 if the current instruction has raised the exception, 0 if nothing has
 * happened because it takes more than this form knows. No interrupts; see `Cpu.raise`.
 */
export function buildEnterException(target: QuickTarget, instructionAt: number): Code {
  const { cpu } = target.machine;
  const r = new Routine(2);
  const [code, vector] = [r.parameter(0), r.parameter(1)];
  const status = r.variable(r.cp0(CP0.Status));
  r.answerWhen(has(r, status, STATUS.ERL | STATUS.BEV), 0);
  const bank = r.variable(r.bankOf(MODE.kernel));
  r.answerWhen(r.not(bank), 0);
  const userBank = r.variable(cpu.hasUserAccess ? r.bankOf(MODE.user) : EMPTY_BANK);
  r.answerWhen(r.not(userBank), 0);
  const pc = r.variable(r.state(STATE.pc));
  const inDelaySlot = r.variable(r.state(STATE.inDelaySlot));
  if (cpu.model.badInstr) {
    r.answerWhen(has(r, status, STATUS.EXL), 0);
    r.answerWhen(r.not(r.and(r.shr(RECORDED, code), 1)), 0);
    const instruction = r.variable(r.call(instructionAt, pc));
    // What could not be fetched is recorded as 0, as which the word at offset 0 of the memory reads.
    const isUnknown = r.and(r.not(instruction), r.ne(vector, VECTOR.refillOfFetch));
    r.answerWhen(isUnknown, 0);
    const branch = r.variable();
    r.when(inDelaySlot, () => {
      r.set(branch, r.call(instructionAt, r.sub(pc, 4)));
      r.answerWhen(r.not(branch), 0);
      r.setCp0(CP0.BadInstrP, r.load(branch));
    });
    r.setCp0(CP0.BadInstr, r.load(instruction));
  }
  // The instruction is not retired, nor is the branch in front of it, unless the exception ends them.
  const again = r.add(inDelaySlot, cpu.exceptionsTakeTime ? 0 : 1);
  r.when(r.not(r.and(r.shr(ENDS_INSTRUCTION, code), 1)), () =>
    r.setState(STATE.remaining, r.add(r.state(STATE.remaining), again)),
  );
  const kept = r.and(r.cp0(CP0.Cause), ~(CAUSE.ExcCode | CAUSE.CE));
  const cause = r.variable(r.or(kept, r.shl(code, 2)));
  const offset = r.variable(VECTOR_OFFSET.general);
  r.when(r.not(has(r, status, STATUS.EXL)), () => {
    r.setCp0(CP0.EPC, r.sub(pc, r.shl(inDelaySlot, 2)));
    r.set(cause, r.or(r.and(cause, ~CAUSE.BD), r.select(inDelaySlot, CAUSE.BD, 0)));
    r.when(vector, () => {
      r.set(offset, VECTOR_OFFSET.refill);
      if (target.machine.config.refillLog === true) emitNoteRefill(r);
      r.count(STATE.refills);
    });
  });
  r.setCp0(CP0.Cause, cause);
  r.setCp0(CP0.Status, r.or(status, STATUS.EXL));
  r.setState(STATE.pc, r.add(r.and(r.cp0(CP0.EBase), EBASE.BASE), offset));
  r.setState(STATE.inDelaySlot, 0);
  emitSwitch(r, target, MODE.kernel, bank, userBank);
  return r.finish(1);
}

/** `raise`. */
export function buildRaise({ complete }: QuickTarget, enterException: number): Code {
  const r = new Routine(1);
  const code = r.parameter(0);
  r.answerWhen(r.call(enterException, code, VECTOR.general), 0);
  return r.finish(r.call(complete("raise"), code));
}

/** Has the routine raise Coprocessor Unusable if coprocessor 0 is that, and answer that the state block says more. */
export function emitDenied(r: Routine, raise: number): void {
  r.when(r.not(r.state(STATE.cp0Usable)), () => {
    r.drop(r.call(raise, EXC_CODE.CpU));
    r.answer(1);
  });
}

/** The privileged operation `name`: raises if it may not be executed. */
export function buildPrivileged(
  { complete }: QuickTarget,
  name: ImportName,
  parameters: number,
  raise: number,
): Code {
  const r = new Routine(parameters);
  emitDenied(r, raise);
  const passed = Array.from({ length: parameters }, (_, index) => r.parameter(index));
  return r.finish(r.call(complete(name), ...passed));
}

/** Goes on behind the current instruction, which is fetched anew. */
export function emitAdvance(r: Routine): void {
  const next = r.add(r.state(STATE.pc), 4);
  r.setState(STATE.pc, r.select(r.state(STATE.inDelaySlot), r.state(STATE.branchTarget), next));
  r.setState(STATE.inDelaySlot, 0);
}

/** Pushes whether an interrupt would be delivered with Status being `status`, EXL and ERL apart. */
function isDeliverable(r: Routine, status: Value): Value {
  const pending = has(r, r.and(status, r.cp0(CP0.Cause)), CAUSE.IP);
  return r.and(pending, r.and(status, STATUS.IE));
}

/** `eret`, to kernel or user mode. */
export function buildEret(target: QuickTarget, raise: number): Code {
  const { cpu } = target.machine;
  const r = new Routine(0);
  emitDenied(r, raise);
  const status = r.variable(r.and(r.cp0(CP0.Status), ~STATUS.EXL));
  const user = r.variable(has(r, status, STATUS.UM));
  const bank = r.variable(r.select(user, r.bankOf(MODE.user), r.bankOf(MODE.kernel)));
  const userBank = r.variable(EMPTY_BANK);
  if (cpu.hasUserAccess) r.when(r.not(user), () => r.set(userBank, r.bankOf(MODE.user)));
  const isRare = r.or(
    has(r, status, STATUS.ERL | STATUS.SM),
    r.or(r.and(user, has(r, status, STATUS.CU0)), isDeliverable(r, status)),
  );
  r.when(r.or(isRare, r.or(r.not(bank), r.not(userBank))), () => r.answer(r.call(target.complete("eret"))));
  r.setCp0(CP0.Status, status);
  r.setState(STATE.pc, r.cp0(CP0.EPC));
  r.setState(STATE.inDelaySlot, 0);
  r.when(r.not(r.state(STATE.eretKeepsLink)), () => r.setState(STATE.llBit, 0));
  emitSwitch(r, target, r.select(user, MODE.user, MODE.kernel), bank, userBank);
  return r.finish(1);
}

/** Writes an EntryHi with another ASID and goes on behind, if kernel mode has a bank for that. */
function emitChangeAsid(r: Routine, cpu: Cpu, written: Variable): void {
  const bankOf = (mode: Mode): Value => r.bankOf(mode, r.and(written, ENTRY_HI.ASID));
  const bank = r.variable(r.select(r.eq(r.state(STATE.mode), MODE.kernel), bankOf(MODE.kernel), 0));
  const userBank = r.variable(cpu.hasUserAccess ? bankOf(MODE.user) : EMPTY_BANK);
  r.when(r.and(r.ne(bank, 0), r.ne(userBank, 0)), () => {
    r.setCp0(CP0.EntryHi, written);
    r.setState(STATE.dataBank, bank);
    r.setState(STATE.codeBank, r.add(bank, CODE_BANK_OFFSET));
    r.setState(STATE.userBank, userBank);
    emitAdvance(r);
    r.answer(1);
  });
}

/** `mtc0`, of what Linux and the hypervisor's handlers write often. */
export function buildMtc0(target: QuickTarget, raise: number): Code {
  const { cpu } = target.machine;
  const r = new Routine(3);
  const [number, select, value] = [r.parameter(0), r.parameter(1), r.parameter(2)];
  emitDenied(r, raise);
  const index = r.variable(r.add(r.shl(number, 3), select));
  const merged = (register: number): Value =>
    r.merge(r.cp0(register), value, cpu.cp0Specs.get(register)!.writable);
  const written = r.variable();
  r.when(r.eq(index, CP0.Status), () => {
    r.set(written, merged(CP0.Status));
    // In kernel mode before and after, and no interrupt becomes deliverable.
    const nested = has(r, written, STATUS.EXL);
    const plain = r.or(r.and(written, STATUS.KSU), isDeliverable(r, written));
    const quick = r.and(r.or(nested, r.not(plain)), r.not(has(r, written, STATUS.ERL)));
    r.when(r.and(quick, r.eq(r.state(STATE.mode), MODE.kernel)), () => {
      r.setCp0(CP0.Status, written);
      if (cpu.fpu !== null) r.setState(STATE.fpuUsable, has(r, written, STATUS.CU1));
      r.answer(0);
    });
  });
  r.when(r.eq(index, CP0.EntryHi), () => {
    r.set(written, merged(CP0.EntryHi));
    r.when(r.eq(r.and(written, ENTRY_HI.ASID), r.asid), () => {
      r.setCp0(CP0.EntryHi, written);
      r.answer(0);
    });
    emitChangeAsid(r, cpu, written);
  });
  if (!cpu.cp0Specs.get(CP0.EntryLo0)!.writesPlainly) {
    const isEntryLo = (register: number): Value => r.eq(index, register);
    for (const register of [CP0.EntryLo0, CP0.EntryLo1])
      r.when(isEntryLo(register), () => {
        const absent = r.and(r.xor(r.cp0(CP0.PageGrain), -1), ENTRY_LO.RI | ENTRY_LO.XI);
        r.setCp0(register, r.and(merged(register), r.xor(absent, -1)));
        r.setState(STATE.cp0High + register * 4, 0);
        r.answer(0);
      });
  }
  r.when(r.eq(index, CP0.EBase), () => {
    // With the write gate there are more bits to write.
    const gate = cpu.cp0Specs.get(CP0.EBase)!.writable & EBASE.WG;
    r.when(r.not(r.and(value, gate)), () => {
      r.setCp0(CP0.EBase, merged(CP0.EBase));
      r.answer(0);
    });
  });
  // The hypervisor's way back to the guest ends links by it. Elsewhere it does nothing.
  r.when(r.eq(index, CP0.LLAddr), () => {
    const endsLink = r.not(r.and(value, 1));
    const hasEffect = cpu.model.llb ? 1 : r.ne(r.state(STATE.eretKeepsLink), 0);
    r.when(r.and(endsLink, hasEffect), () => r.setState(STATE.llBit, 0));
    r.answer(0);
  });
  return r.finish(r.call(target.complete("mtc0"), number, select, value));
}

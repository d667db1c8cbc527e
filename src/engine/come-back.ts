import { STATE } from "../machine/state-layout.ts";
import { emitCallTranslation, pushHasCode, pushTranslation } from "./chain.ts";
import { loadState, storeState } from "./compile-ir.ts";
import { Code, I32, PLAIN } from "./wasm/code.ts";

/** Functions that a handler may take to come back: others do more than that on their way. */
const MOST_FUNCTIONS = 8;
/** How deep they may call: what waits for them may itself be as deep as can be. */
const HANDLER_CALLS = 16;

/**
 * (PC, data bank) → 1 if control is at PC, in the mode and the ASID of that bank, and translated code can go on there;
 * if it is elsewhere because of an exception, translated code of the handler is run first, for a short while. After 0
 * the state block says where to go on.
 *
 * So an instruction of a guest's kernel that traps does not end the translated code that it is in: that waits for the
 * handler to come back, instead of leaving and being looked up again. What registers hold may be different then, and
 * so may the budget and the map of data. One waits at a time: handlers that are interrupted themselves leave.
 */
export function buildComeBack(regionType: number): Code {
  const code = new Code(2);
  const [wanted, bank] = [0, 1] as const;
  const [pc, remaining] = [code.local(I32), code.local(I32)];
  const [entry, index, functions] = [code.local(I32), code.local(I32), code.local(I32)];
  const whenBack = (then: () => void): void => {
    pushIsThere(code, wanted, bank);
    code.if();
    pushHasCode(code, wanted, entry);
    code.if();
    then();
    code.const32(1);
    code.return();
    code.end();
    code.end();
  };
  whenBack(() => {});
  loadState(code, STATE.awaited);
  code.if();
  code.const32(0);
  code.return();
  code.end();
  storeState(code, STATE.awaited, () => code.const32(1));
  const gone = code.block();
  const reload = code.loop();
  pushMustLeave(code);
  code.brIf(gone);
  loadState(code, STATE.pc);
  code.setLocal(pc);
  loadState(code, STATE.remaining);
  code.setLocal(remaining);
  const none = code.block();
  const next = code.loop();
  code.get(remaining);
  code.op(PLAIN.i32Eqz);
  code.brIf(none);
  code.get(functions);
  code.const32(MOST_FUNCTIONS);
  code.op(PLAIN.i32Eq);
  code.brIf(none);
  code.get(functions);
  code.const32(1);
  code.op(PLAIN.i32Add);
  code.setLocal(functions);
  pushTranslation(code, pc, entry);
  code.tee(index);
  code.op(PLAIN.i32Eqz);
  code.brIf(none);
  emitCallTranslation(code, regionType, { pc, remaining, index }, HANDLER_CALLS, next);
  code.if();
  whenBack(() => storeState(code, STATE.awaited, () => code.const32(0)));
  code.br(reload);
  code.end();
  storeState(code, STATE.carefulNext, () => code.const32(1));
  code.end();
  code.end();
  storeState(code, STATE.pc, () => code.get(pc));
  storeState(code, STATE.remaining, () => code.get(remaining));
  code.end();
  code.end();
  storeState(code, STATE.awaited, () => code.const32(0));
  code.const32(0);
  return code;
}

/** Pushes whether the state block says `pc` in the mode and the ASID of `bank`, and nothing else is to happen first. */
function pushIsThere(code: Code, pc: number, bank: number): void {
  const differs = (offset: number, local: number): void => {
    loadState(code, offset);
    code.get(local);
    code.op(PLAIN.i32Xor);
  };
  differs(STATE.pc, pc);
  differs(STATE.dataBank, bank);
  code.op(PLAIN.i32Or);
  pushMustLeave(code);
  code.op(PLAIN.i32Or);
  code.op(PLAIN.i32Eqz);
}

/** Pushes a number that is not 0 if something is to happen, or was changed, that translated code does not deal with. */
function pushMustLeave(code: Code): void {
  loadState(code, STATE.carefulNext);
  for (const flag of [STATE.inDelaySlot, STATE.exitReason, STATE.stale]) {
    loadState(code, flag);
    code.op(PLAIN.i32Or);
  }
}

import { CP0 } from "../isa/cp0.ts";
import { CODE_PAGE, PAGE_SIZE, SOFT_TLB, STATE } from "../machine/state-layout.ts";
import { loadState, storeState } from "./compile-ir.ts";
import { STATE_LEFT } from "./translator/calling.ts";
import { Code, I32, MEMORY, PLAIN, type Label } from "./wasm/code.ts";

/** What is to go on after a part of the engine has left; reasons for the machine (`EXIT`) are not negative. */
export const STEP = {
  /** The careful interpreter: the instruction at PC calls something, raises, or reaches a device. */
  careful: -1,
  /** Translated code, if there is any at PC. */
  chain: -2,
  /** The fast interpreter. */
  fast: -3,
  /** The embedder notes where PC is, then runs again. */
  sample: -4,
} as const;

/** Instructions that the careful interpreter executes before the others have another try. */
const CAREFUL_INSTRUCTIONS = 12;
/** What this counts for, in instructions of the fast one, until the next sample. */
const CAREFUL_WEIGHT = 8;
/** Calls of translated code inside each other: few enough for every WebAssembly engine's stack. */
const MOST_CALLS = 200;

/** Runs translated code, the careful and the fast interpreter by turns until one has a reason to return. */
export function buildDriver(fast: number, careful: number, chain: number): Code {
  const code = new Code(0);
  const step = code.local(I32);
  const isStep = (which: number): void => {
    code.get(step);
    code.const32(which);
    code.op(PLAIN.i32Eq);
  };
  code.const32(STEP.chain);
  code.setLocal(step);
  const again = code.loop();
  isStep(STEP.chain);
  code.if();
  code.call(chain);
  code.setLocal(step);
  code.end();
  isStep(STEP.careful);
  code.if();
  code.const32(CAREFUL_INSTRUCTIONS);
  code.call(careful);
  code.setLocal(step);
  isStep(STEP.chain);
  code.if();
  storeState(code, STATE.untilSample, () => {
    loadState(code, STATE.untilSample);
    code.const32(CAREFUL_WEIGHT);
    code.op(PLAIN.i32Sub);
  });
  loadState(code, STATE.untilSample);
  code.const32(0);
  code.op(PLAIN.i32LeS);
  code.if();
  code.const32(STEP.sample);
  code.return();
  code.end();
  code.end();
  code.else();
  code.call(fast);
  code.setLocal(step);
  code.end();
  code.get(step);
  code.const32(STEP.sample);
  code.op(PLAIN.i32Eq);
  code.get(step);
  code.const32(0);
  code.op(PLAIN.i32GeS);
  code.op(PLAIN.i32Or);
  code.op(PLAIN.i32Eqz);
  code.brIf(again);
  code.end();
  code.get(step);
  return code;
}

/** Pushes whether the code bank has the page of the address in `pc`; `entry` is where from then on. */
export function pushHasCode(code: Code, pc: number, entry: number): void {
  loadState(code, STATE.codeBank);
  code.get(pc);
  code.const32(12 - SOFT_TLB.codeEntryShift);
  code.op(PLAIN.i32ShrU);
  code.const32((SOFT_TLB.codeEntries - 1) << SOFT_TLB.codeEntryShift);
  code.op(PLAIN.i32And);
  code.op(PLAIN.i32Add);
  code.tee(entry);
  code.memory(MEMORY.i32Load, SOFT_TLB.codeTag);
  code.get(pc);
  code.const32(-PAGE_SIZE | 3);
  code.op(PLAIN.i32And);
  code.op(PLAIN.i32Eq);
}

/** Pushes the table index of the translation that starts at the address in `pc`, or 0; `entry` is for its own use. */
export function pushTranslation(code: Code, pc: number, entry: number): void {
  pushHasCode(code, pc, entry);
  code.if(I32);
  code.get(entry);
  code.memory(MEMORY.i32Load, SOFT_TLB.codeRecords);
  code.get(pc);
  code.const32(PAGE_SIZE - 4);
  code.op(PLAIN.i32And);
  code.const32(1);
  code.op(PLAIN.i32ShrU);
  code.op(PLAIN.i32Add);
  code.memory(MEMORY.i32Load16U, CODE_PAGE.functions);
  code.else();
  code.const32(0);
  code.end();
}

/** Local variables: where to go on, the budget, and the table index of the translation there. */
interface Run {
  readonly pc: number;
  readonly remaining: number;
  readonly index: number;
}

/**
 * Calls a translation, which may call `depth` deep. Goes to `next` if that leads on to another address; otherwise pushes
 * whether the state block says where to go on: if not, the careful interpreter is to, from `pc` with `remaining`.
 */
export function emitCallTranslation(
  code: Code,
  regionType: number,
  { pc, remaining, index }: Run,
  depth: number,
  next: Label,
): void {
  code.get(pc);
  code.get(remaining);
  code.const32(depth);
  code.get(index);
  code.callIndirect(regionType);
  code.setLocal(remaining);
  code.setLocal(pc);
  code.get(remaining);
  code.const32(0);
  code.op(PLAIN.i32GeS);
  code.brIf(next);
  code.get(remaining);
  code.const32(-1);
  code.op(PLAIN.i32Xor);
  code.setLocal(remaining);
  code.get(remaining);
  code.const32(~STATE_LEFT);
  code.op(PLAIN.i32Eq);
}

/**
 * Goes on in the translation at an address, for translated code that leaves its page or calls: returns at once
 * if there is none. Of the type of a region.
 */
export function buildEnter(regionType: number): Code {
  const code = new Code(3);
  const [pc, remaining, depth] = [0, 1, 2] as const;
  const entry = code.local(I32);
  code.get(pc);
  code.get(remaining);
  code.get(depth);
  pushTranslation(code, pc, entry);
  code.returnCallIndirect(regionType);
  return code;
}

/** Stands at index 0 of the table, where there is no translation. Of the type of a region. */
export function buildNotTranslated(): Code {
  const code = new Code(3);
  code.get(0);
  code.get(1);
  return code;
}

/** Runs translated code from PC on for as long as there is any. `fetch` is that operation. Returns the next step. */
export function buildChain(regionType: number, fetch: number): Code {
  const code = new Code(0);
  const [pc, remaining, entry, index] = [code.local(I32), code.local(I32), code.local(I32), code.local(I32)];
  const reload = code.loop();
  // Whoever waited for an exception to come back has left, be it because something outside has thrown.
  storeState(code, STATE.awaited, () => code.const32(0));
  loadState(code, STATE.carefulNext);
  code.if();
  storeState(code, STATE.carefulNext, () => code.const32(0));
  code.const32(STEP.careful);
  code.return();
  code.end();
  loadState(code, STATE.inDelaySlot);
  loadState(code, STATE.exitReason);
  code.op(PLAIN.i32Or);
  code.if();
  code.const32(STEP.fast);
  code.return();
  code.end();
  loadState(code, STATE.pc);
  code.setLocal(pc);
  loadState(code, STATE.remaining);
  code.setLocal(remaining);
  const next = code.loop();
  const none = code.block();
  code.get(remaining);
  code.op(PLAIN.i32Eqz);
  code.brIf(none);
  pushTranslation(code, pc, entry);
  code.tee(index);
  code.op(PLAIN.i32Eqz);
  code.brIf(none);
  // What was dropped before concerns nothing that runs now.
  storeState(code, STATE.stale, () => code.const32(0));
  emitCallTranslation(code, regionType, { pc, remaining, index }, MOST_CALLS, next);
  code.brIf(reload);
  storeState(code, STATE.pc, () => code.get(pc));
  storeState(code, STATE.remaining, () => code.get(remaining));
  code.const32(STEP.careful);
  code.return();
  code.end();
  emitFetch(code, pc, remaining, entry, fetch, reload);
  storeState(code, STATE.pc, () => code.get(pc));
  storeState(code, STATE.interpretedFrom, () => code.get(pc));
  storeState(code, STATE.interpretedMode, () => loadState(code, STATE.mode));
  storeState(code, STATE.interpretedEntryHi, () => loadState(code, STATE.cp0 + CP0.EntryHi * 4));
  storeState(code, STATE.remaining, () => code.get(remaining));
  code.const32(STEP.fast);
  code.return();
  code.end();
  code.end();
  code.op(PLAIN.unreachable);
  return code;
}

/** Unless the code bank has the page of `pc`, or no instruction may be executed, fetches there and goes to `again`. */
function emitFetch(
  code: Code,
  pc: number,
  remaining: number,
  entry: number,
  fetch: number,
  again: Label,
): void {
  code.get(remaining);
  code.if();
  pushHasCode(code, pc, entry);
  code.op(PLAIN.i32Eqz);
  code.if();
  storeState(code, STATE.pc, () => code.get(pc));
  // A fetch belongs to its instruction: if that raises, it was not executed.
  storeState(code, STATE.remaining, () => {
    code.get(remaining);
    code.const32(1);
    code.op(PLAIN.i32Sub);
  });
  code.get(pc);
  code.call(fetch);
  code.if();
  storeState(code, STATE.remaining, () => {
    loadState(code, STATE.remaining);
    code.const32(1);
    code.op(PLAIN.i32Add);
  });
  code.end();
  code.br(again);
  code.end();
  code.end();
}

import { STATE } from "../machine/state-layout.ts";
import { loadState, storeState } from "./compile-ir.ts";
import { SLOW_SIZE_BITS } from "./translator/calling.ts";
import { Code, I32, PLAIN } from "./wasm/code.ts";

/**
 * The slow path of accesses in translated code: (va, `slowAccess`, value, PC, instructions that remain after the
 * block) puts PC and budget into the state block and makes the access with `access`. Returns 0 if translated code has
 * to leave with what the state block says: after an exception, or when the budget, code or the map changed. A store is
 * over then. A load is made again by the careful interpreter; `served` sees to it that a device does not notice.
 */
export function buildSlowAccess(access: number, served: number | null): Code {
  const code = new Code(5);
  const [va, what, value, pc, remaining] = [0, 1, 2, 3, 4] as const;
  const result = code.local(I32);
  const budget = code.local(I32);
  code.get(remaining);
  code.get(what);
  code.const32(SLOW_SIZE_BITS);
  code.op(PLAIN.i32ShrU);
  code.op(PLAIN.i32Add);
  code.setLocal(budget);
  storeState(code, STATE.pc, () => code.get(pc));
  storeState(code, STATE.remaining, () => code.get(budget));
  code.get(va);
  code.get(what);
  code.const32((1 << SLOW_SIZE_BITS) - 1);
  code.op(PLAIN.i32And);
  if (served === null) code.get(value);
  code.call(access);
  code.setLocal(result);
  loadState(code, STATE.remaining);
  code.get(budget);
  code.op(PLAIN.i32Eq);
  loadState(code, STATE.stale);
  code.op(PLAIN.i32Eqz);
  code.op(PLAIN.i32And);
  code.get(result);
  code.op(PLAIN.i32Eqz);
  code.op(PLAIN.i32Or);
  code.if();
  code.get(result);
  code.return();
  code.end();
  storeState(code, STATE.stale, () => code.const32(0));
  if (served === null) emitFinishStore(code, pc);
  else {
    code.get(result);
    code.call(served);
    code.drop();
  }
  code.const32(0);
  return code;
}

/** Moves the state block behind the current instruction. */
function emitFinishStore(code: Code, pc: number): void {
  storeState(code, STATE.pc, () => {
    loadState(code, STATE.branchTarget);
    code.get(pc);
    code.const32(4);
    code.op(PLAIN.i32Add);
    loadState(code, STATE.inDelaySlot);
    code.select();
  });
  storeState(code, STATE.inDelaySlot, () => code.const32(0));
}

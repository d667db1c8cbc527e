import { CAUSE, CP0, STATUS } from "../../isa/cp0.ts";
import type { HelperName } from "../../isa/ir.ts";
import type { Cp0Spec } from "../../machine/cp0-table.ts";
import { STATE } from "../../machine/state-layout.ts";
import { loadState, storeState } from "../compile-ir.ts";
import { PLAIN, type Code } from "../wasm/code.ts";

/** The CP0 registers of the CPU that is translated for, by flat index. */
export type Cp0Specs = ReadonlyMap<number, Cp0Spec>;

/** A privileged operation that translated code carries out itself. */
export interface InlineOperation {
  /** Pushes whether it may: if not, the operation is called as others are, or raises. Null: it always may. */
  readonly condition: (() => void) | null;
  /** Carries it out; pushes the value if it has one. */
  readonly emit: () => void;
  /** If not, it raises Coprocessor Unusable in any case. */
  readonly elseRaises: boolean;
}

const cp0At = (index: number): number => STATE.cp0 + index * 4;

/**
 * The operation `name` on CP0 register `index` as translated code for it, or null if it has to be called. `value`
 * pushes what MTC0 writes. Code that is `inKernel` is executed in kernel mode only.
 */
export function inlineOperation(
  code: Code,
  specs: Cp0Specs,
  name: HelperName,
  index: number,
  value: () => void,
  inKernel: boolean,
): InlineOperation | null {
  const spec = specs.get(index);
  const condition = inKernel ? null : (): void => loadState(code, STATE.cp0Usable);
  switch (name) {
    case "mfc0":
      if (spec !== undefined && !spec.readsPlainly) return null;
      return {
        condition,
        emit: () => (spec === undefined ? code.const32(0) : loadState(code, cp0At(index))),
        elseRaises: true,
      };
    case "mtc0":
      if (spec !== undefined && !spec.writesPlainly) return null;
      return { condition, emit: () => emitWrite(code, index, spec?.writable ?? 0, value), elseRaises: true };
    case "di":
      return { condition, emit: () => emitInterruptEnable(code, false), elseRaises: true };
    case "ei":
      return {
        condition: () => pushNoneWaits(code, inKernel),
        emit: () => emitInterruptEnable(code, true),
        elseRaises: false,
      };
    default:
      return null;
  }
}

/** cp0[index] <- its old bits where they cannot be written, and those of `value`. */
function emitWrite(code: Code, index: number, writable: number, value: () => void): void {
  if (writable === 0) return;
  storeState(code, cp0At(index), () => {
    value();
    if (writable === 0xffff_ffff) return;
    code.const32(writable);
    code.op(PLAIN.i32And);
    loadState(code, cp0At(index));
    code.const32(~writable);
    code.op(PLAIN.i32And);
    code.op(PLAIN.i32Or);
  });
}

/** Changes Status.IE and pushes the old Status. */
function emitInterruptEnable(code: Code, enable: boolean): void {
  const status = cp0At(CP0.Status);
  loadState(code, status);
  storeState(code, status, () => {
    loadState(code, status);
    code.const32(enable ? STATUS.IE : ~STATUS.IE);
    code.op(enable ? PLAIN.i32Or : PLAIN.i32And);
  });
}

/** Pushes whether CP0 may be used, as it may `inKernel`, and no interrupt waits to be enabled. */
function pushNoneWaits(code: Code, inKernel: boolean): void {
  if (!inKernel) loadState(code, STATE.cp0Usable);
  loadState(code, cp0At(CP0.Cause));
  loadState(code, cp0At(CP0.Status));
  code.op(PLAIN.i32And);
  code.const32(CAUSE.IP);
  code.op(PLAIN.i32And);
  code.op(PLAIN.i32Eqz);
  if (!inKernel) code.op(PLAIN.i32And);
}

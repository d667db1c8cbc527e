import type { BinaryOp, Binary64Op, Expr, Expr64, FprField, GprField, ImmField } from "../isa/ir.ts";
import { STATE } from "../machine/state-layout.ts";
import { MEMORY, PLAIN, type Code } from "./wasm/code.ts";

/** Where an expression's leaves come from: a pre-decoded record, or constants. */
export interface OperandSource {
  gpr(field: GprField): void;
  fpr(field: FprField): void;
  field(field: ImmField): void;
  pc(): void;
  hi(): void;
  lo(): void;
  /** Local variable that holds temporary `id`. */
  temp(id: number): number;
  temp64(id: number): number;
}

const BINARY: Readonly<Record<BinaryOp, number>> = {
  add: PLAIN.i32Add,
  sub: PLAIN.i32Sub,
  mul: PLAIN.i32Mul,
  and: PLAIN.i32And,
  or: PLAIN.i32Or,
  xor: PLAIN.i32Xor,
  shl: PLAIN.i32Shl,
  shrS: PLAIN.i32ShrS,
  shrU: PLAIN.i32ShrU,
  rotr: PLAIN.i32Rotr,
  eq: PLAIN.i32Eq,
  ne: PLAIN.i32Ne,
  ltS: PLAIN.i32LtS,
  ltU: PLAIN.i32LtU,
  geS: PLAIN.i32GeS,
  geU: PLAIN.i32GeU,
  gtS: PLAIN.i32GtS,
  leS: PLAIN.i32LeS,
  divS: PLAIN.i32DivS,
  divU: PLAIN.i32DivU,
  remS: PLAIN.i32RemS,
  remU: PLAIN.i32RemU,
};

const BINARY64: Readonly<Record<Binary64Op, number>> = {
  add64: PLAIN.i64Add,
  sub64: PLAIN.i64Sub,
  mul64: PLAIN.i64Mul,
  or64: PLAIN.i64Or,
  shl64: PLAIN.i64Shl,
  shrU64: PLAIN.i64ShrU,
};

/** Pushes word `offset` of the state block. */
export function loadState(code: Code, offset: number): void {
  code.const32(0);
  code.memory(MEMORY.i32Load, offset);
}

/** Stores what `value` pushes into word `offset` of the state block. */
export function storeState(code: Code, offset: number, value: () => void): void {
  code.const32(0);
  value();
  code.memory(MEMORY.i32Store, offset);
}

/** Emits code that pushes the 32-bit value of `e`. */
export function pushExpr(code: Code, from: OperandSource, e: Expr): void {
  switch (e.kind) {
    case "gpr":
      return from.gpr(e.field);
    case "field":
      return from.field(e.field);
    case "temp":
      return code.get(from.temp(e.id));
    case "binary":
      pushExpr(code, from, e.left);
      pushExpr(code, from, e.right);
      return code.op(BINARY[e.op]);
    case "const":
      return code.const32(e.value);
    case "hi":
      return from.hi();
    case "lo":
      return from.lo();
    case "fpr":
      return from.fpr(e.field);
    case "fcsr":
      return loadState(code, STATE.fcsr);
    case "pc":
      return from.pc();
    case "clz":
      pushExpr(code, from, e.value);
      return code.op(PLAIN.i32Clz);
    case "extend8":
      pushExpr(code, from, e.value);
      return code.op(PLAIN.i32Extend8S);
    case "extend16":
      pushExpr(code, from, e.value);
      return code.op(PLAIN.i32Extend16S);
    case "select":
      pushExpr(code, from, e.then);
      pushExpr(code, from, e.otherwise);
      pushExpr(code, from, e.condition);
      return code.select();
    case "low":
    case "high":
      pushExpr64(code, from, e.value);
      if (e.kind === "high") {
        code.const64(32);
        code.op(PLAIN.i64ShrU);
      }
      return code.op(PLAIN.i32WrapI64);
    default:
      e satisfies never;
  }
}

/** Emits code that pushes the 64-bit value of `e`. */
export function pushExpr64(code: Code, from: OperandSource, e: Expr64): void {
  switch (e.kind) {
    case "temp64":
      return code.get(from.temp64(e.id));
    case "signed":
      pushExpr(code, from, e.value);
      return code.op(PLAIN.i64ExtendI32S);
    case "unsigned":
      pushExpr(code, from, e.value);
      return code.op(PLAIN.i64ExtendI32U);
    case "hilo":
      from.hi();
      code.op(PLAIN.i64ExtendI32U);
      code.const64(32);
      code.op(PLAIN.i64Shl);
      from.lo();
      code.op(PLAIN.i64ExtendI32U);
      return code.op(PLAIN.i64Or);
    case "binary64":
      pushExpr64(code, from, e.left);
      pushExpr64(code, from, e.right);
      return code.op(BINARY64[e.op]);
    default:
      e satisfies never;
  }
}

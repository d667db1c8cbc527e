import { CP0, ENTRY_HI } from "../../isa/cp0.ts";
import type { Mode } from "../../machine/modes.ts";
import { BANK_TABLE, STATE } from "../../machine/state-layout.ts";
import { loadState, storeState } from "../compile-ir.ts";
import { Code, I32, MEMORY, PLAIN } from "../wasm/code.ts";

/** Pushes a 32-bit value; a number stands for itself. */
export type Value = (() => void) | number;

/** A local variable of a routine; called, it pushes its value. */
export interface Variable {
  (): void;
  readonly index: number;
}

/** A WebAssembly function that is written down in expressions and statements. */
export class Routine {
  readonly code: Code;

  constructor(parameters: number) {
    this.code = new Code(parameters);
  }

  // --- values ---

  parameter(index: number): Variable {
    return Object.assign(() => this.code.get(index), { index });
  }

  push(value: Value): void {
    if (typeof value === "number") this.code.const32(value);
    else value();
  }

  private binary(opcode: number, left: Value, right: Value): Value {
    return () => {
      this.push(left);
      this.push(right);
      this.code.op(opcode);
    };
  }
  add(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Add, left, right);
  }
  sub(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Sub, left, right);
  }
  mul(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Mul, left, right);
  }
  quotient(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32DivU, left, right);
  }
  remainder(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32RemU, left, right);
  }
  and(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32And, left, right);
  }
  or(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Or, left, right);
  }
  xor(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Xor, left, right);
  }
  shl(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Shl, left, right);
  }
  shr(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32ShrU, left, right);
  }
  eq(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Eq, left, right);
  }
  ne(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32Ne, left, right);
  }
  ltU(left: Value, right: Value): Value {
    return this.binary(PLAIN.i32LtU, left, right);
  }
  not(value: Value): Value {
    return () => {
      this.push(value);
      this.code.op(PLAIN.i32Eqz);
    };
  }
  select(condition: Value, then: Value, otherwise: Value): Value {
    return () => {
      this.push(then);
      this.push(otherwise);
      this.push(condition);
      this.code.select();
    };
  }
  /** The word at `address`, a constant `offset` further. */
  load(address: Value, offset = 0): Value {
    return () => {
      this.push(address);
      this.code.memory(MEMORY.i32Load, offset);
    };
  }
  /** A word of the state block. */
  state(offset: number): Value {
    return () => loadState(this.code, offset);
  }
  /** A CP0 register, by flat index. */
  cp0(index: number): Value {
    return this.state(STATE.cp0 + index * 4);
  }
  call(callee: number, ...parameters: Value[]): Value {
    return () => {
      for (const parameter of parameters) this.push(parameter);
      this.code.call(callee);
    };
  }
  /** `old` with the bits of `mask` replaced by those of `value`. */
  merge(old: Value, value: Value, mask: number): Value {
    return this.or(this.and(value, mask), this.and(old, ~mask));
  }

  // --- statements ---

  /** A new variable with the value `value` has now. */
  variable(value: Value = 0): Variable {
    const index = this.code.local(I32);
    const variable = Object.assign(() => this.code.get(index), { index });
    this.set(variable, value);
    return variable;
  }
  set(variable: Variable, value: Value): void {
    this.push(value);
    this.code.setLocal(variable.index);
  }
  setState(offset: number, value: Value): void {
    storeState(this.code, offset, () => this.push(value));
  }
  setCp0(index: number, value: Value): void {
    this.setState(STATE.cp0 + index * 4, value);
  }
  store(address: Value, offset: number, value: Value): void {
    this.storeAs(MEMORY.i32Store, address, offset, value);
  }
  storeAs(width: readonly [number, number], address: Value, offset: number, value: Value): void {
    this.push(address);
    this.push(value);
    this.code.memory(width, offset);
  }
  /** Adds one to the 64-bit counter at `offset` of the state block. */
  count(offset: number): void {
    const { code } = this;
    code.const32(0);
    code.const32(0);
    code.memory(MEMORY.i64Load, offset);
    code.const64(1);
    code.op(PLAIN.i64Add);
    code.memory(MEMORY.i64Store, offset);
  }
  when(condition: Value, then: () => void, otherwise?: () => void): void {
    this.push(condition);
    this.code.if();
    then();
    if (otherwise !== undefined) {
      this.code.else();
      otherwise();
    }
    this.code.end();
  }
  /** Repeats `body` for as long as `condition` holds in front of it. */
  while(condition: Value, body: () => void): void {
    const again = this.code.loop();
    this.when(condition, () => {
      body();
      this.code.br(again);
    });
    this.code.end();
  }
  /** Evaluates `value`, and does nothing with it. */
  drop(value: Value): void {
    this.push(value);
    this.code.drop();
  }
  answer(value: Value): void {
    this.push(value);
    this.code.return();
  }
  answerWhen(condition: Value, value: Value): void {
    this.when(condition, () => this.answer(value));
  }
  /** Ends the routine: what it answers unless it did before. */
  finish(value: Value): Code {
    this.push(value);
    return this.code;
  }

  // --- what several routines ask ---

  get asid(): Value {
    return this.and(this.cp0(CP0.EntryHi), ENTRY_HI.ASID);
  }
  /** The soft TLB bank of a mode in an ASID, 0 if it has none. */
  bankOf(mode: Mode, asid = this.asid): Value {
    return this.load(this.shl(asid, 2), BANK_TABLE.base + (mode << 10));
  }
}

import { STATE } from "../../machine/state-layout.ts";
import { loadState, storeState } from "../compile-ir.ts";
import { I32, type Code } from "../wasm/code.ts";
import { HI_LO } from "./region.ts";
import type { RegisterState } from "./register-plan.ts";

const HI = 32;
const LO = 33;

/** A register as generated code keeps it: a place in the state block and a local variable. */
interface Home {
  readonly local: number;
  readonly state: number;
}

const NONE: readonly number[] = [];

/** The numbers of the registers that the bits of `mask` stand for. */
function numbersIn(mask: number): readonly number[] {
  if (mask === 0) return NONE;
  const numbers: number[] = (mask & HI_LO) === 0 ? [] : [HI, LO];
  for (let rest = mask & ~HI_LO; rest !== 0; rest &= rest - 1) numbers.push(31 - Math.clz32(rest & -rest));
  return numbers;
}

/** Emits what moves registers between the state block and local variables. */
export class Registers {
  private readonly code: Code;
  /** By register number; HI and LO come behind the general ones. Only what is used gets a local variable. */
  private readonly homesByNumber: (Home | undefined)[] = [];
  private valid = 0;
  private dirty = 0;
  /** Writes stay in local variables until something leaves; otherwise they go to memory at once. */
  private deferred = false;

  constructor(code: Code) {
    this.code = code;
  }

  private home(number: number): Home {
    const state = number === HI ? STATE.hi : number === LO ? STATE.lo : STATE.gpr + number * 4;
    return (this.homesByNumber[number] ??= { local: this.code.local(I32), state });
  }

  /** The state in which the code that is emitted next finds things. */
  begin({ valid, dirty }: RegisterState, deferred: boolean): void {
    this.valid = valid;
    this.dirty = dirty;
    this.deferred = deferred;
  }

  get state(): RegisterState {
    return { valid: this.valid, dirty: this.dirty };
  }

  /** Loads those of `mask` that are not in their local variables. */
  load(mask: number): void {
    this.loadAll(mask & ~this.valid);
    this.valid |= mask;
  }

  private loadAll(mask: number): void {
    for (const number of numbersIn(mask)) {
      const { local, state } = this.home(number);
      loadState(this.code, state);
      this.code.setLocal(local);
    }
  }

  /** Stores those of `mask` that memory does not know yet. They count as dirty still: this may be one of two ways. */
  spill(mask: number): void {
    for (const number of numbersIn(mask & this.dirty)) {
      const { local, state } = this.home(number);
      storeState(this.code, state, () => this.code.get(local));
    }
  }

  /** Everything is in memory now, whatever way led here. */
  clean(): void {
    this.spill(-1);
    this.dirty = 0;
  }

  /** Loads again what is in local variables, after code that may have changed any register in memory. */
  reload(): void {
    this.loadAll(this.valid);
  }

  /** After code that may have changed any register. */
  forget(): void {
    this.valid = 0;
  }

  push(register: number): void {
    if (register === 0) this.code.const32(0);
    else this.code.get(this.home(register).local);
  }
  pushHi(): void {
    this.code.get(this.home(HI).local);
  }
  pushLo(): void {
    this.code.get(this.home(LO).local);
  }

  /** register <- what `value` pushes. A write to $zero is none. */
  write(register: number, value: () => void): void {
    if (register !== 0) this.writeHome(this.home(register), 1 << register, value);
  }
  writeHi(value: () => void): void {
    this.writeHome(this.home(HI), HI_LO, value);
  }
  writeLo(value: () => void): void {
    this.writeHome(this.home(LO), HI_LO, value);
  }

  private writeHome({ local, state }: Home, bit: number, value: () => void): void {
    const { code } = this;
    value();
    code.setLocal(local);
    this.valid |= bit;
    if (this.deferred) this.dirty |= bit;
    else storeState(code, state, () => code.get(local));
  }
}

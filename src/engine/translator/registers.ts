import { STATE } from "../../machine/state-layout.ts";
import { loadState } from "../compile-ir.ts";
import { I32, MEMORY, type Code } from "../wasm/code.ts";
import { HI_LO } from "./operation-traits.ts";
import type { RegisterState } from "./register-plan.ts";

const HI = 32;
const LO = 33;

/** A register as generated code keeps it: a place in the state block and a local variable. */
interface Home {
  readonly local: number;
  readonly state: number;
}

/** Which way registers are moved: to their local variables or to memory. */
const LOAD = 0;
const STORE = 1;
type Direction = typeof LOAD | typeof STORE;

const stateOf = (number: number): number =>
  number === HI ? STATE.hi : number === LO ? STATE.lo : STATE.gpr + number * 4;

/** The number of the register that the lowest bit of `mask` stands for; 0 for HI and LO. */
const lowestIn = (mask: number): number => 31 - Math.clz32(mask & -mask);

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
    return (this.homesByNumber[number] ??= { local: this.code.local(I32), state: stateOf(number) });
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
    this.moveAll(mask & ~this.valid, LOAD);
    this.valid |= mask;
  }

  /** Loads or stores those of `mask`, in order of their bits. */
  private moveAll(mask: number, direction: Direction): void {
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const number = lowestIn(rest);
      if (number === 0) {
        this.move(HI, direction);
        this.move(LO, direction);
      } else this.move(number, direction);
    }
  }

  private move(number: number, direction: Direction): void {
    const home = this.home(number);
    if (direction === LOAD) this.loadHome(home);
    else this.storeHome(home);
  }

  private loadHome({ local, state }: Home): void {
    loadState(this.code, state);
    this.code.setLocal(local);
  }

  /** Stores those of `mask` that memory does not know yet. They count as dirty still: this may be one of two ways. */
  spill(mask: number): void {
    this.moveAll(mask & this.dirty, STORE);
  }

  private storeHome({ local, state }: Home): void {
    const { code } = this;
    code.const32(0);
    code.get(local);
    code.memory(MEMORY.i32Store, state);
  }

  /** Everything is in memory now, whatever way led here. */
  clean(): void {
    this.spill(-1);
    this.dirty = 0;
  }

  /** Loads again what is in local variables, after code that may have changed any register in memory. */
  reload(): void {
    this.moveAll(this.valid, LOAD);
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

  /** register <- what is on the stack. It is not $zero, which takes nothing. */
  take(register: number): void {
    this.takeHome(this.home(register), 1 << register);
  }
  takeHi(): void {
    this.takeHome(this.home(HI), HI_LO);
  }
  takeLo(): void {
    this.takeHome(this.home(LO), HI_LO);
  }

  private takeHome(home: Home, bit: number): void {
    this.code.setLocal(home.local);
    this.valid |= bit;
    if (this.deferred) this.dirty |= bit;
    else this.storeHome(home);
  }
}

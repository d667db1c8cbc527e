import type { Breakpoint, DebugRegister, DebugView, PointOptions, Watchpoint } from "../debug.ts";
import type { RunResult } from "../guest.ts";

/** A view for a debugger of a guest that can be turned back, whose keeper makes the steps and has to know of changes. */
export class TravellingDebug implements DebugView {
  private readonly view: DebugView;
  private readonly makeStep: () => RunResult;
  private readonly onChange: () => void;

  /** `makeStep` makes a step, `onChange` is called when registers or memory were written. */
  constructor(view: DebugView, makeStep: () => RunResult, onChange: () => void) {
    this.view = view;
    this.makeStep = makeStep;
    this.onChange = onChange;
  }

  get name(): DebugView["name"] {
    return this.view.name;
  }
  get endian(): DebugView["endian"] {
    return this.view.endian;
  }
  get registers(): readonly DebugRegister[] {
    return this.view.registers;
  }
  setBreakpoint(address: number, options?: PointOptions): Breakpoint {
    return this.view.setBreakpoint(address, options);
  }
  setWatchpoint(
    address: number,
    length: number,
    access: Watchpoint["access"],
    options?: PointOptions,
  ): Watchpoint {
    return this.view.setWatchpoint(address, length, access, options);
  }
  remove(point: Breakpoint): void {
    this.view.remove(point);
  }
  step(): RunResult {
    return this.makeStep();
  }
  readRegister(name: string): number | null {
    return this.view.readRegister(name);
  }
  writeRegister(name: string, value: number): boolean {
    const isWritten = this.view.writeRegister(name, value);
    if (isWritten) this.onChange();
    return isWritten;
  }
  readMemory(address: number, length: number): Uint8Array {
    return this.view.readMemory(address, length);
  }
  writeMemory(address: number, bytes: Uint8Array): void {
    try {
      this.view.writeMemory(address, bytes);
    } finally {
      this.onChange();
    }
  }
}

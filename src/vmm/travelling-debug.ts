import type { Breakpoint, DebugRegister, DebugView, PointOptions, Watchpoint } from "../debug.ts";
import type { RunResult } from "../guest.ts";

/** A view for a debugger of a guest that can be turned back, whose keeper has to know of steps and changes. */
export class TravellingDebug implements DebugView {
  private readonly view: DebugView;
  private readonly beforeStep: () => void;
  private readonly onChange: () => void;

  /** `beforeStep` is called before each step, `onChange` when registers or memory were written. */
  constructor(view: DebugView, beforeStep: () => void, onChange: () => void) {
    this.view = view;
    this.beforeStep = beforeStep;
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
    this.beforeStep();
    return this.view.step();
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

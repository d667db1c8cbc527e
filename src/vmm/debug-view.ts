import {
  DebugMemoryError,
  type Breakpoint,
  type DebugRegister,
  type DebugView,
  type PointOptions,
  type Watchpoint,
} from "../debug.ts";
import type { RunResult } from "../guest.ts";
import type { Machine } from "../machine/machine.ts";
import type { Endian } from "../machine/memory.ts";
import { PAGE_SIZE } from "../machine/state-layout.ts";
import { accessorsOf, type DebugTarget } from "./debug-target.ts";

/** What tells one view of a machine from another. */
export interface ViewOf {
  readonly name: "guest" | "host";
  readonly machine: Machine;
  readonly target: DebugTarget;
  /** Whether the CPU executes code of the program in view; null if there is no other. */
  readonly isExecuting: (() => boolean) | null;
  readonly asid: () => number;
  readonly step: () => RunResult;
}

const ACCESSES: readonly Watchpoint["access"][] = ["read", "write", "access"];

/** `value` as 32 bits, unsigned: callers without types may give anything. Throws RangeError. */
function wordOf(value: number, what: string): number {
  if (Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32) return value >>> 0;
  throw new RangeError(`${what} is a whole number of 32 bits, not ${String(value)}`);
}

/** A view of the guest, or of its host, for a debugger. */
export class MachineDebugView implements DebugView {
  readonly name: "guest" | "host";
  readonly endian: Endian;
  readonly step: () => RunResult;
  private readonly of: ViewOf;
  private readonly accessors: ReadonlyMap<string, ReturnType<typeof accessorsOf>[number]>;

  constructor(of: ViewOf) {
    this.of = of;
    this.name = of.name;
    this.endian = of.machine.memory.endian;
    this.step = of.step;
    this.accessors = new Map(accessorsOf(of.target).map((accessor) => [accessor.name, accessor]));
  }

  // --- points ---

  setBreakpoint(address: number, options: PointOptions = {}): Breakpoint {
    const at = wordOf(address, "an address");
    if (at % 4 !== 0) throw new RangeError(`no instruction can be at ${at.toString(16)}`);
    const breakpoint = { address: at, applies: () => this.applies(options) };
    this.of.machine.debug.addBreakpoint(breakpoint);
    return breakpoint;
  }

  setWatchpoint(
    address: number,
    length: number,
    access: Watchpoint["access"],
    options: PointOptions = {},
  ): Watchpoint {
    const at = wordOf(address, "an address");
    if (!Number.isInteger(length) || length < 1)
      throw new RangeError(`cannot watch ${String(length)} bytes from ${at.toString(16)}`);
    if (!ACCESSES.includes(access))
      throw new RangeError(`cannot watch for ${String(access)}: choose from ${ACCESSES.join(", ")}`);
    const watchpoint = { address: at, length, access, applies: () => this.applies(options) };
    this.of.machine.debug.addWatchpoint(watchpoint);
    return watchpoint;
  }

  private applies({ asid }: PointOptions): boolean {
    return (this.of.isExecuting?.() ?? true) && (asid === undefined || asid === this.of.asid());
  }

  remove(point: Breakpoint): void {
    this.of.machine.debug.remove(point);
  }

  // --- registers ---

  get registers(): readonly DebugRegister[] {
    return Array.from(this.accessors.values(), ({ name, group }) => ({ name, group }));
  }

  private accessor(name: string): ReturnType<typeof accessorsOf>[number] {
    const accessor = this.accessors.get(name);
    if (accessor === undefined) throw new RangeError(`the ${this.name} has no register ${name}`);
    return accessor;
  }

  readRegister(name: string): number | null {
    const { read } = this.accessor(name);
    return this.of.target.isComplete || name === "pc" ? read() >>> 0 : null;
  }

  writeRegister(name: string, value: number): boolean {
    const { write } = this.accessor(name);
    const word = wordOf(value, "a register's value");
    if (write === null || !this.of.target.isComplete) return false;
    write(word | 0);
    return true;
  }

  // --- memory ---

  /** The longest stretch of memory from `address` on that is in one page, and where it is. */
  private stretch(address: number, length: number): { readonly offset: number; readonly bytes: number } {
    const offset = this.of.target.memoryAt(address >>> 0);
    if (offset === null) throw new DebugMemoryError(address);
    return { offset, bytes: Math.min(length, PAGE_SIZE - (address & (PAGE_SIZE - 1))) };
  }

  readMemory(address: number, length: number): Uint8Array {
    wordOf(address, "an address");
    if (!Number.isInteger(length) || length < 0)
      throw new RangeError(`cannot read ${String(length)} bytes: give a whole number`);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      try {
        const found = this.stretch(address + done, length - done);
        bytes.set(this.of.machine.memory.readBytes(found.offset, found.bytes), done);
        done += found.bytes;
      } catch (error) {
        if (!(error instanceof DebugMemoryError) || done === 0) throw error;
        return bytes.subarray(0, done);
      }
    }
    return bytes;
  }

  writeMemory(address: number, bytes: Uint8Array): void {
    wordOf(address, "an address");
    if (!(bytes instanceof Uint8Array)) throw new TypeError("what is written to memory is no Uint8Array");
    for (let done = 0; done < bytes.length;) {
      const found = this.stretch(address + done, bytes.length - done);
      this.of.machine.writeBytes(found.offset, bytes.subarray(done, done + found.bytes));
      done += found.bytes;
    }
  }
}

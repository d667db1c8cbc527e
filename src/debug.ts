/** What a debugger asks of a guest: the same for a guest under the hypervisor, its host machine, and a bare machine. */
import type { RunResult } from "./guest.ts";
import type { Breakpoint, DebugStop, Watchpoint } from "./machine/debug.ts";
import type { Endian } from "./machine/memory.ts";

export type { Breakpoint, DebugStop, Watchpoint } from "./machine/debug.ts";

/** Groups of registers; "cp0" are those that Status, Cause and BadVAddr are among. */
export type RegisterGroup = "general" | "cp0" | "fpu";

/** A register of 32 bits. */
export interface DebugRegister {
  /** o32 names, `lo`, `hi` and `pc`; CP0 registers as the manual spells them; `f0` to `f31`, `fcsr` and `fir`. */
  readonly name: string;
  readonly group: RegisterGroup;
}

/** Narrows a breakpoint or watchpoint. */
export interface PointOptions {
  /** Stops in this address space only, by ASID as the program in view knows it. Default: in any. */
  readonly asid?: number;
}

/** No memory is known at that virtual address: nothing maps it at the moment, or there is a device. */
export class DebugMemoryError extends Error {
  /** The first byte that cannot be reached. */
  readonly address: number;

  constructor(address: number) {
    super(`no memory is mapped at ${(address >>> 0).toString(16).padStart(8, "0")}`);
    this.name = "DebugMemoryError";
    this.address = address >>> 0;
  }
}

/**
 * A program on the machine as a debugger sees it: the guest, with its own virtual addresses and registers in kernel and
 * user mode; or on the machine below it the hypervisor's host, with the handlers that are generated for the guest.
 *
 * All of it may be called while the guest is not running, in its console callback too, {@link step} only outside.
 * Addresses and values are whole numbers of 32 bits, signed or not: others throw RangeError.
 * Looking changes nothing, and a guest that was stopped and runs on does what it would have done at the same times.
 */
export interface DebugView {
  readonly name: "guest" | "host";
  readonly endian: Endian;
  readonly registers: readonly DebugRegister[];
  /**
   * Stops in front of the instruction at `address`, each time that it is about to be executed. Throws RangeError unless
   * `address` is that of a word.
   */
  setBreakpoint(address: number, options?: PointOptions): Breakpoint;
  /**
   * Stops in front of instructions that load from, store to, or access `length` bytes from `address`. By virtual
   * address: what goes to the same memory by another one is not seen, nor is what the hypervisor does for the guest,
   * such as accesses to a guest's devices. Throws RangeError unless `length` is at least 1.
   */
  setWatchpoint(
    address: number,
    length: number,
    access: Watchpoint["access"],
    options?: PointOptions,
  ): Watchpoint;
  remove(point: Breakpoint): void;
  /**
   * Executes one instruction: "debug" with a stop "step", unless something else ends the run before. A branch is executed
   * with its delay slot; an instruction that raises takes to the vector, and so does an interrupt, with nothing executed
   * of the handler. A guest that waits is run until something wakes it, or is "idle". What the program in view does not
   * see is no step of its own. Throws {@link GuestBusyError} during `run`.
   */
  step(): RunResult;
  /**
   * The value, unsigned; null while it is not known: the guest's in the middle of the hypervisor's generated code, but
   * for `pc`. Throws RangeError if there is no such register.
   */
  readRegister(name: string): number | null;
  /**
   * Sets a register; CP0 registers as MTC0 does, $zero and the FPU's not at all. False if it was not. Throws RangeError
   * if there is no such register.
   */
  writeRegister(name: string, value: number): boolean;
  /**
   * Memory from virtual address `address` on, as the current mode, else the kernel sees it: `length` bytes, or fewer, at
   * least one, if not all of it can be read. Throws {@link DebugMemoryError}.
   */
  readMemory(address: number, length: number): Uint8Array;
  /** Writes memory, read-only pages too. Throws {@link DebugMemoryError}, and has then written what comes before. */
  writeMemory(address: number, bytes: Uint8Array): void;
}

/** What going back has led to. */
export type ReverseResult =
  /** The guest is where it stopped, or began a step, before. */
  | { readonly kind: "debug"; readonly view: DebugView["name"]; readonly stop: DebugStop }
  /** There was no such moment: it is at the earliest one that it can be brought back to. */
  | { readonly kind: "begin" }
  /** It is not there yet. */
  | { readonly kind: "running" };

/** A guest on its way back. Left alone, it is somewhere on it, and can be run, stepped and turned back from there. */
export interface ReverseRun {
  /** Goes on, with `ticks` of guest time at once; "running" as long as there is more to be done. */
  run(ticks: number): ReverseResult;
}

/** A guest that can be run backwards. */
export interface ReversibleGuest {
  /** Back to where it was before its last step. */
  reverseStep(view: DebugView["name"]): ReverseRun;
  /** Back to the last moment before now at which it would have stopped with the breakpoints and watchpoints that there are. */
  reverseContinue(): ReverseRun;
}

import type { DebugView } from "../debug.ts";
import { checkHostCpu, checkTicks, GuestBusyError, type Guest, type RunResult } from "../guest.ts";
import type { Inspection } from "../inspect/index.ts";
import type { Machine } from "../machine/machine.ts";
import type { Stats } from "../stats.ts";
import { Console } from "./console.ts";

/**
 * What guests of every kind have in common: a console, an end, and the rules of what the embedder may call when.
 * The embedder's console callback is called while the machine stands still, between two instructions, so that
 * it may do anything. Only its clock is read in the middle of a run.
 */
export abstract class MachineGuest implements Guest {
  protected abstract readonly machine: Machine;
  protected readonly console: Console;
  private end: RunResult | null = null;
  private running = false;
  private stopRequested = false;
  private destroyed = false;
  /** The machine threw: nothing may run on it any more. */
  private broken = false;

  constructor(onConsole: (bytes: Uint8Array) => void) {
    this.console = new Console(onConsole, () => this.pause());
  }

  /**
   * Runs the machine up to tick `limit`, or until something happens. "running" if it was paused as well. The guest is
   * on `hostCpu`, or if that is undefined where it was.
   */
  protected abstract runMachine(limit: number, hostCpu: number | undefined): RunResult;
  /** Makes `runMachine` come back. */
  protected abstract pause(): void;
  /** Gives back what the guest has. */
  protected abstract release(): void;
  abstract stats(): Stats;
  abstract inspect(): Inspection;
  abstract readonly debug: DebugView;
  abstract readonly hostDebug: DebugView | null;

  /** The guest turns the machine off, or asks for a reset. */
  protected turnOff(how: "power-off" | "reset"): void {
    this.end = { kind: "off", how };
    this.pause();
  }

  run(ticks: number, hostCpu?: number): RunResult {
    checkTicks(ticks);
    checkHostCpu(hostCpu, this.machine.cpus.length);
    if (this.running) throw new GuestBusyError();
    this.running = true;
    this.stopRequested = false;
    try {
      return (
        this.end ??
        this.runOn(
          this.onMachine(({ timeline }) => timeline.now() + ticks),
          hostCpu,
        )
      );
    } finally {
      this.running = false;
      if (this.destroyed) this.giveBack();
    }
  }

  /** Runs up to tick `limit`, in stretches between which the console is flushed. */
  private runOn(limit: number, hostCpu: number | undefined): RunResult {
    for (;;) {
      const result = this.onMachine(() => this.runMachine(limit, hostCpu));
      const paused = this.onMachine(({ timeline }) => result.kind === "running" && timeline.now() < limit);
      if (result.kind === "failed") this.end = result;
      this.console.flush();
      if (this.end !== null) return this.end;
      if (!paused || this.stopRequested) return result;
    }
  }

  /** What throws in the middle of the machine, a defect or the embedder's clock, ends the guest for good. */
  private onMachine<Result>(action: (machine: Machine) => Result): Result {
    try {
      return action(this.machine);
    } catch (error) {
      this.broken = true;
      this.end = { kind: "failed", report: `the guest cannot go on: ${String(error)}` };
      throw error;
    }
  }

  /** Runs to the end of a step of a debugger, between `begin` and `end`. */
  protected step(begin: () => void, end: () => void): RunResult {
    if (this.running) throw new GuestBusyError();
    begin();
    try {
      return this.run(Infinity);
    } finally {
      end();
    }
  }

  stop(): void {
    if (!this.running) return;
    this.stopRequested = true;
    this.pause();
  }

  sendInput(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("console input is no Uint8Array");
    if (!this.destroyed) this.console.send(bytes);
  }
  get time(): number {
    return this.machine.timeline.now();
  }
  get inputPending(): number {
    return this.console.pending;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.end ??= { kind: "off", how: "power-off" };
    if (this.running) this.pause();
    else this.giveBack();
  }

  private giveBack(): void {
    if (!this.broken) this.release();
  }
}

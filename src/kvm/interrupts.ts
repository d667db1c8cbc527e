import { CAUSE, CP0, STATUS } from "../isa/cp0.ts";
import { flag, record, u8 } from "../state/fields.ts";
import { InterruptNumberError } from "./errors.ts";
import { TIMER_LINE } from "./guest-cp0.ts";
import { HARDWARE_LINES, type VcpuMemory } from "./layout.ts";

/** Interrupts that KVM_INTERRUPT knows: 2 is I/O, 3 and 4 are for other vcpus. */
const EXTERNAL_INTERRUPTS = [2, 3, 4];

/** The levels of the lines as plain data. */
export interface InterruptsSnapshot {
  readonly lines: number;
  readonly timer: boolean;
}

/** How they are kept. */
export const INTERRUPTS_SNAPSHOT = record<InterruptsSnapshot>({ lines: u8, timer: flag });

/**
 * The guest's interrupt lines. They are levels: a line that stays asserted is delivered again as soon as the
 * guest enables it, as hardware does. The lines are kept here; Cause in the guest's register array shows
 * them, but the guest can overwrite that array.
 */
export class GuestInterrupts {
  private readonly cp0: Int32Array;
  private readonly regs: VcpuMemory;
  /** Lines IP2 to IP7, bit n for IPn, without the timer's. */
  private lines = 0;
  private timer = false;

  constructor(regs: VcpuMemory) {
    this.cp0 = regs.cp0;
    this.regs = regs;
    this.sync();
  }

  /**
   * KVM_INTERRUPT: asserts line `irq`, or deasserts line `-irq`. Throws {@link InterruptNumberError} for
   * anything but 2, 3 and 4.
   */
  set(irq: number): void {
    const line = Math.abs(irq);
    if (!EXTERNAL_INTERRUPTS.includes(line)) throw new InterruptNumberError(irq);
    this.lines = irq > 0 ? this.lines | (1 << line) : this.lines & ~(1 << line);
    this.sync();
  }

  /** The timer interrupt: Cause.TI and the line that the guest's IntCtl.IPTI names. */
  setTimer(level: boolean): void {
    this.timer = level;
    this.sync();
  }

  snapshot(): InterruptsSnapshot {
    return { lines: this.lines, timer: this.timer };
  }

  /** Takes over a snapshot; what shows the lines is in memory. */
  resume({ lines, timer }: InterruptsSnapshot): void {
    this.lines = lines;
    this.timer = timer;
  }

  /** Makes the guest's Cause show the lines. */
  sync(): void {
    const { cp0 } = this;
    const timer = this.timer ? CAUSE.TI | (1 << (8 + TIMER_LINE)) : 0;
    const shown = (this.lines << 8) | timer;
    this.regs.lines = shown;
    cp0[CP0.Cause] = (cp0[CP0.Cause]! & ~HARDWARE_LINES) | shown;
  }

  /** Takes over the lines that a Cause value shows: for restoring a saved vcpu (ONE_REG). */
  restore(cause: number): void {
    this.timer = (cause & CAUSE.TI) !== 0;
    this.lines = 0;
    for (const line of EXTERNAL_INTERRUPTS)
      this.lines |= cause & (CAUSE.IP & (1 << (line + 8))) ? 1 << line : 0;
    this.sync();
  }

  /** True if an enabled line is asserted, whatever IE, EXL and ERL say: what ends WAIT. */
  get pending(): boolean {
    return (this.cp0[CP0.Cause]! & this.cp0[CP0.Status]! & CAUSE.IP) !== 0;
  }

  /** True if the guest would take an interrupt now. */
  get deliverable(): boolean {
    const gate = STATUS.IE | STATUS.EXL | STATUS.ERL;
    return (this.cp0[CP0.Status]! & gate) === STATUS.IE && this.pending;
  }
}

import { counter, flag, i32, integer, orNull, record, u32, words } from "../state/fields.ts";
import { CP0_BYTES, STATE } from "./state-layout.ts";

/** The registers of a CPU between two instructions, and its counts, as plain data. */
export interface RegistersSnapshot {
  readonly gpr: Int32Array;
  readonly hi: number;
  readonly lo: number;
  readonly pc: number;
  /** Where control goes after the delay slot that PC is in; null if it is in none. */
  readonly branchTarget: number | null;
  readonly cp0: Int32Array;
  readonly cp0High: Int32Array;
  /** FPU registers, their upper halves, and FCSR. */
  readonly fpu: Int32Array;
  /** Physical address that LL has linked; null if there is no link. */
  readonly link: number | null;
  readonly instructions: number;
  readonly randomStart: number;
  readonly refills: number;
  readonly tlbWrites: number;
}

/** A CPU between two instructions, without TLB and Count, as plain data. */
export interface CpuSnapshot {
  readonly registers: RegistersSnapshot;
  /** Of the instructions, those of user mode, where only that takes guest time. */
  readonly userInstructions: number;
  readonly lines: number;
  readonly waiting: boolean;
}

/** Physical addresses have up to 40 bits. */
const PHYSICAL = integer(0, 2 ** 40 - 1);

const REGISTERS = record<RegistersSnapshot>({
  gpr: words(32),
  ...{ hi: i32, lo: i32, pc: u32, branchTarget: orNull(u32) },
  ...{
    cp0: words(CP0_BYTES / 4),
    cp0High: words(CP0_BYTES / 4),
    fpu: words((STATE.fcsr - STATE.fpr) / 4 + 1),
  },
  link: orNull(PHYSICAL),
  ...{ instructions: counter, randomStart: counter, refills: counter, tlbWrites: counter },
});

/** How it is kept. */
export const CPU_SNAPSHOT = record<CpuSnapshot>({
  registers: REGISTERS,
  userInstructions: counter,
  lines: integer(0, 0xff),
  waiting: flag,
});

import { CONFIG } from "../../../src/isa/cp0.ts";
import type { CONTROLS } from "./layout.ts";

/** Bits of a register on which the two machines need not agree. */
export interface RegisterDifference {
  readonly register: (typeof CONTROLS)[number];
  readonly bits: number;
  readonly reason: string;
}

export const REGISTER_DIFFERENCES: readonly RegisterDifference[] = [
  {
    register: "FIR",
    bits: 0x3000_0000,
    reason:
      "UFRP and FREP: QEMU's P5600 can change Status.FR and FRE through control registers, kseg's cannot",
  },
  {
    register: "Config1",
    bits: ~CONFIG.C1_FP,
    reason: "caches, and QEMU has watch registers, EJTAG and MIPS16",
  },
];

/** A difference that no generated program meets. */
export interface AvoidedDifference {
  readonly what: string;
  readonly reason: string;
}

/** Where QEMU 7.2's FPUs differ from kseg's so that programs leave it out. */
export const AVOIDED_DIFFERENCES: readonly AvoidedDifference[] = [
  {
    what: "ABS and NEG of a NaN with FCSR.ABS2008 = 0, and the causes that they leave",
    reason: "arithmetic by the manual, so that a NaN is invalid; QEMU changes the sign and nothing else",
  },
  {
    what: "paired single while coprocessor 1 is unusable",
    reason: "QEMU raises Reserved Instruction; by the manual Coprocessor Unusable has priority",
  },
  {
    what: "conditional moves, LDC1 and SDC1 of a double in an odd register while Status.FR = 0",
    reason: "unpredictable by the manual; QEMU looks at other instructions only. kseg's moves are reserved",
  },
  {
    what: "CTC1 of other bits than FCCR and FEXR have",
    reason: "undefined by the manual; QEMU drops the write as a whole, kseg ignores the bits",
  },
  {
    what: "CFC1 of a control register that does not exist",
    reason: "unpredictable by the manual; QEMU gives FCSR, kseg 0",
  },
  {
    what: "NAN2008 and ABS2008 of the P5600 other than 1",
    reason:
      "fixed in QEMU as in a P5600; kseg's can be written, as the manual allows, so that Linux takes all programs",
  },
  {
    what: "encodings of MFC1 and its like with bits set that must be zero",
    reason: "QEMU ignores them, kseg's are reserved",
  },
];

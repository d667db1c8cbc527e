import type { Cp0Name } from "../../../src/isa/cp0.ts";
import { DUMPED_CP0 } from "./layout.ts";

const ALL = 0xffff_ffff;

/** Bits of a CP0 register on which the two machines need not agree. */
export interface RegisterDifference {
  readonly register: Cp0Name;
  readonly bits: number;
  readonly reason: string;
}

/**
 * Where QEMU 7.2's 24Kc and kseg's differ in CP0 registers. These bits are masked after reset, in what programs
 * read with MFC0, and at the end of each program.
 */
export const REGISTER_DIFFERENCES: readonly RegisterDifference[] = [
  {
    register: "Cause",
    bits: 0x3000_0000,
    reason:
      "CE is unpredictable but after Coprocessor Unusable, where the trace compares it; QEMU keeps the old one",
  },
  {
    register: "Context",
    bits: 0x007f_fff0,
    reason:
      "BadVPN2 is unpredictable after an address error, where QEMU sets it; the trace compares it otherwise",
  },
  {
    register: "BadVAddr",
    bits: ALL,
    reason:
      "QEMU reports faults of LWL and LWR at the aligned word, and a fetch from an unaligned address only the first time; the trace compares it otherwise",
  },
  {
    register: "ITagLo",
    bits: 0x309,
    reason: "QEMU cannot write these bits; which bits of a cache tag exist is up to the implementation",
  },
  {
    register: "Config1",
    bits: ALL,
    reason:
      "caches (kseg: 4 KiB a way, so that no aliases exist), and QEMU has watch registers, EJTAG and MIPS16",
  },
  {
    register: "Config3",
    bits: 0x20,
    reason: "VInt: QEMU does vectored interrupts but does not announce them; a 24Kc does",
  },
  {
    register: "LLAddr",
    bits: ALL,
    reason: "what LLAddr shows is up to the implementation",
  },
];

/** Bits of `register` that both machines must agree on. */
export function comparableBits(register: Cp0Name): number {
  let bits = ALL;
  for (const difference of REGISTER_DIFFERENCES)
    if (difference.register === register) bits &= ~difference.bits;
  return bits >>> 0;
}

/** Registers that programs read. */
export const READABLE_CP0: readonly Cp0Name[] = DUMPED_CP0.filter((name) => comparableBits(name) !== 0);

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

/** A difference that programs can meet, and how the comparison allows for it. */
export interface TraceDifference {
  readonly what: string;
  readonly reason: string;
}

/** Differences in what an exception leaves behind. `compare.ts` masks exactly these, entry by entry. */
export const TRACE_DIFFERENCES: readonly TraceDifference[] = [
  {
    what: "EntryHi.VPN2 and Context.BadVPN2 after an address error",
    reason: "unpredictable by the manual; QEMU sets them, kseg leaves them (until the next TLB exception)",
  },
  {
    what: "BadVAddr, bits 1:0, of a load in a program with LWL or LWR",
    reason:
      "QEMU aligns the address of LWL and LWR before it translates it; kseg reports the address that was used",
  },
  {
    what: "BadVAddr after a fetch from an unaligned address",
    reason: "QEMU writes it when it translates the block, not when a translated one is executed again",
  },
  {
    what: "Cause.CE after exceptions other than Coprocessor Unusable",
    reason: "unpredictable by the manual; QEMU keeps the old value, kseg writes zero",
  },
  {
    what: "a TLB write that makes two entries match",
    reason:
      "a 24Kc raises a machine check, and so does kseg; QEMU writes the entry. The program is not compared",
  },
];

/** A difference that no generated program meets. */
export interface AvoidedDifference {
  readonly what: string;
  readonly reason: string;
}

/** Where QEMU 7.2's 24Kc differs from kseg's so that programs leave it out. */
export const AVOIDED_DIFFERENCES: readonly AvoidedDifference[] = [
  {
    what: "Random, and TLBWR with more than one entry to choose from",
    reason: "QEMU draws random numbers; programs use TLBWR with Wired at the last entry",
  },
  {
    what: "TLB entries replaced by TLBWR",
    reason:
      "QEMU keeps them until something could notice, and does not notice everything; TLBR follows each TLBWR",
  },
  {
    what: "Count that runs, Compare, WAIT",
    reason: "QEMU's Count follows the wall clock; programs run with Cause.DC set",
  },
  {
    what: "changes of ASID or TLB under the running code",
    reason:
      "QEMU executes on to the next branch (the manual asks for a hazard barrier); kseg fetches anew at once",
  },
  {
    what: "CACHE and SYNCI on mapped or forbidden addresses",
    reason:
      "QEMU does not translate their addresses; the manual has hit operations and SYNCI raise TLB exceptions",
  },
  {
    what: "CACHE Index Load Tag",
    reason: "QEMU leaves TagLo alone; in kseg every line reads as invalid",
  },
  {
    what: "SC without LL, or after an exception, where it faults",
    reason: "QEMU's SC only translates its address if LLbit is set; the manual translates first",
  },
  {
    what: "branches that no register value can make be taken (BNE r,r and the like)",
    reason: "QEMU takes them for no operation: what follows is then no delay slot",
  },
  {
    what: "jumps to odd addresses, JALX",
    reason: "QEMU's 24Kc has MIPS16",
  },
  {
    what: "TagLo and TagHi of the data cache, Watch, Perf, Debug, DEPC, DESAVE, SRSMap, registers that do not exist",
    reason:
      "QEMU has one pair of tags for all caches, and more optional registers; absent ones read as all ones there",
  },
  {
    what: "illegal PageMask; Index and Wired beyond the TLB",
    reason: "undefined by the manual; QEMU ignores or replaces such values, kseg drops the excess bits",
  },
  {
    what: "RDHWR 29",
    reason: "QEMU lets kernel mode read UserLocal on a CPU that has none; kseg raises Reserved Instruction",
  },
  {
    what: "RDPGPR and WRPGPR beside other uses of the same registers",
    reason: "QEMU bypasses what it holds in host registers; programs put branches around them",
  },
  {
    what: "Status.RE, Status.KSU = 1, Status.SR, TS and NMI",
    reason: "a 24Kc has neither reverse endianness nor supervisor mode, QEMU's has bits for both",
  },
  {
    what: "SDBBP, DERET",
    reason: "QEMU has EJTAG debug mode",
  },
  {
    what: "coprocessor 2, JALX, MSA and DSP encodings, and some unassigned ones of COP0 and COP1",
    reason: "see the list of the decoder's comparison with QEMU, which executes every kind of word",
  },
  {
    what: "loads from addresses where nothing answers",
    reason: "QEMU's Malta reads zero below 512 MiB and raises DBE above; kseg's bus reads all ones",
  },
  {
    what: "ERET in a delay slot",
    reason: "unpredictable by the manual",
  },
];

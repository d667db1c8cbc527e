import { CP0, type Cp0Name } from "../../../src/isa/cp0.ts";
import { vcpuBytes } from "../../../src/kvm/layout.ts";

/**
 * Where everything lies in the bare image that runs in kseg and in QEMU. Addresses are physical. The first part
 * is the RAM of a hypervisor's machine as it was, generated code, page tables, vcpu and guest memory included;
 * the rest is the driver's, whose code is in the boot ROM.
 *
 *     0         host kernel and hypervisor
 *     200000    memory of the guest
 *     300000    variables of the driver
 *     310000    records: what to run
 *     400000    reports: what came of it
 */
export const HYPERVISOR_BYTES = 0x20_0000;
export const GUEST_BYTES = 0x10_0000;
export const CAPTURED_BYTES = HYPERVISOR_BYTES + GUEST_BYTES;
export const VARIABLES = 0x30_0000;
export const RECORDS = 0x31_0000;
export const REPORTS = 0x40_0000;
export const RAM_BYTES = 0x80_0000;

/** Variables of the driver: byte offsets from VARIABLES. */
export const VARIABLE = {
  /** Records begun. */
  record: 0,
  /** How often the guest is still to be resumed. */
  resumes: 4,
  /** kseg0 address of the next report. */
  report: 8,
  /** Address of the SDBBP by which the generated code left, and the registers that the way here needs. */
  callPc: 12,
  k0: 16,
  k1: 20,
  answer: 24,
  /** FINISHED when all records were run. */
  finished: 28,
} as const;
export const FINISHED = 0x600d_0001;

/** A record, as word offsets. */
export const RECORD = {
  /** Exits after which the guest goes on behind the instruction that caused them. */
  resumes: 0,
  /** Host Status and Cause when vcpu_run is called. */
  status: 1,
  cause: 2,
  /** Virtual Status of the guest: selects its mode. */
  guestStatus: 3,
  pc: 4,
  hi: 5,
  lo: 6,
  wired: 7,
  gpr: 8,
  words: 40,
} as const;

/** A report, as word offsets: one for each time that the generated code leaves through SDBBP. */
export const REPORT = {
  record: 0,
  /** Code of the SDBBP: HOST_CALL, or BEV_EXCEPTION. */
  code: 1,
  callPc: 2,
  gpr: 8,
  cp0: 40,
  vcpu: 80,
  tlb: 80 + 64,
  words: 512,
} as const;
if (vcpuBytes(1) > (REPORT.tlb - REPORT.vcpu) * 4)
  throw new RangeError("a report has no room for the vcpu structure");

/** Code of the SDBBP at the vectors of the boot ROM, where nothing should arrive. */
export const BEV_EXCEPTION = 3;

/** CP0 registers in a report; those that a CPU lacks read as they may. */
export const REPORTED_CP0: readonly Cp0Name[] = [
  "Context",
  "PageMask",
  "PageGrain",
  "Wired",
  "HWREna",
  "BadVAddr",
  "BadInstr",
  "BadInstrP",
  "EntryHi",
  "Status",
  "Cause",
  "EPC",
  "EBase",
  "DDataLo",
  "ErrorEPC",
  "KScratch1",
  "KScratch2",
  "KScratch3",
];

/** Place of a CP0 register in a report. */
export function reportedAt(name: Cp0Name): number {
  const index = REPORTED_CP0.indexOf(name);
  if (index < 0) throw new RangeError(`${name} is not reported (${CP0[name]})`);
  return REPORT.cp0 + index;
}

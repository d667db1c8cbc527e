import { ENTRY_HI, type Cp0Name } from "../../../src/isa/cp0.ts";
import type { Gva } from "../../../src/kvm/addresses.ts";
import { HOST_CALL } from "../../../src/kvm/entry/host-code.ts";
import type { TlbEntry } from "../../../src/machine/tlb.ts";
import type { Image } from "./image.ts";
import { FINISHED, REPORT, reportedAt, REPORTS, VARIABLE, VARIABLES } from "./layout.ts";
import type { Exit, Program } from "./scenarios.ts";
import type { World } from "./world.ts";

/** A report in words, and what it should be about. */
export interface Report {
  readonly words: Uint32Array;
  readonly program: Program;
  /** Index of the record among all. */
  readonly record: number;
  /** The exit of the guest, or null for the return of vcpu_run. */
  readonly exit: Exit | null;
  /** The exit after which vcpu_run returns, or the return. */
  readonly last: boolean;
  /** What the guest has put into the host TLB. */
  readonly tlb: readonly TlbEntry[];
}

/** A machine did not get through the image, or left the generated code where it should not. */
export class UnfinishedError extends Error {
  override readonly name = "UnfinishedError";
}

/** A CP0 register of a report, unsigned. */
export const cp0Of = (report: Report, name: Cp0Name): number => report.words[reportedAt(name)]!;
/** The word of the vcpu structure at byte `offset` (VCPU). */
export const vcpuOf = (report: Report, offset: number): number => report.words[REPORT.vcpu + offset / 4]!;
export const gprOf = (report: Report, register: number): number => report.words[REPORT.gpr + register]!;

/** Takes the reports out of a machine's RAM. Throws {@link UnfinishedError}. */
export function readReports(image: Image, machine: string, ram: Uint32Array): Report[] {
  const variables = ram.subarray(VARIABLES / 4);
  const at = variables[VARIABLE.record / 4]!;
  const name = image.records[at - 1]?.scenario.name;
  if (variables[VARIABLE.finished / 4] !== FINISHED)
    throw new UnfinishedError(`${machine} stopped at record ${at} (${name})`);
  const reports: Report[] = [];
  let next = REPORTS / 4;
  image.records.forEach((program, record) => {
    for (const exit of [...program.exits, null]) {
      const words = ram.subarray(next, next + REPORT.words);
      next += REPORT.words;
      const code = exit === null ? HOST_CALL.vcpuReturned : HOST_CALL.exit;
      if (words[REPORT.record] !== record + 1 || words[REPORT.code] !== code)
        throw new UnfinishedError(
          `${machine}: ${program.scenario.name}: host call ${words[REPORT.code]} at ` +
            `${words[REPORT.callPc]!.toString(16)} instead of ${code}`,
        );
      const last = exit === null || exit === program.exits.at(-1);
      reports.push({ words, program, record, exit, last, tlb: guestEntries(image.world, words) });
    }
  });
  return reports;
}

/** The TLB entries that are the guest's: the driver has filled the others with addresses in kseg0. */
function guestEntries(world: World, words: Uint32Array): TlbEntry[] {
  const entries: TlbEntry[] = [];
  for (let index = 0; index < world.machine.cpu.tlb.entries; index++) {
    const [entryHi, pageMask, entryLo0, entryLo1] = words.subarray(REPORT.tlb + index * 4);
    if ((entryHi! & 0x8000_0000) === 0)
      entries.push({ entryHi: entryHi!, pageMask: pageMask!, entryLo0: entryLo0!, entryLo1: entryLo1! });
  }
  return entries;
}

/** The pair of pages that an entry maps: its EntryHi without what PageMask hides. */
export const pairOf = ({ entryHi, pageMask }: TlbEntry): Gva => (entryHi & ENTRY_HI.VPN2 & ~pageMask) >>> 0;

/** Addresses, one in each pair that a program touches. */
export function touchedBy({ scenario, pc }: Program): readonly Gva[] {
  return scenario.runs === false ? scenario.touched : [pc, ...scenario.touched];
}

/** A number for messages. */
export const hex = (value: number | undefined): string =>
  value === undefined ? "-" : (value >>> 0).toString(16);

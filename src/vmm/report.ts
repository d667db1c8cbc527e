import { ENTRY_HI, ENTRY_LO } from "../isa/cp0.ts";
import type { VcpuExit } from "../kvm/index.ts";

type InternalError = Extract<VcpuExit, { reason: "internal-error" }>;

type Entry = InternalError["report"]["guestTlb"]["nearest"][number];

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

/** The report about a guest that has disabled whatever could end its WAIT. */
export const HALTED = "the guest waits with all its interrupts disabled: nothing can wake it";

/** A screenful about a guest that the hypervisor cannot run on. */
export function failureReport(exit: InternalError): string {
  const { message, report } = exit;
  const lines = [
    `the guest cannot go on: ${message}`,
    `  pc ${hex(report.pc)}${report.inDelaySlot ? " (in a delay slot)" : ""}  exception ${report.exception}` +
      `  Cause ${hex(report.cause)}  BadVAddr ${hex(report.badVAddr)}`,
    `  guest Status ${hex(report.status)}  Cause ${hex(report.guestCause)}  EPC ${hex(report.epc)}` +
      `  EntryHi ${hex(report.entryHi)}`,
  ];
  for (let first = 0; first < report.gpr.length; first += 8) {
    const row = report.gpr.slice(first, first + 8).map(hex);
    lines.push(`  $${first.toString().padEnd(2)} ${row.join(" ")}`);
  }
  for (const line of report.code) lines.push(`  ${line}`);
  const { size, valid, nearest } = report.guestTlb;
  lines.push(
    `  guest TLB: ${valid} of ${size} entries valid${valid > nearest.length ? ", the nearest are" : ""}`,
  );
  for (const entry of nearest) lines.push(`    ${tlbLine(entry)}`);
  lines.push("  last exits, after guest instructions:");
  for (const { guestInstructions, pc, exception, badVAddr } of report.lastExits)
    lines.push(
      `    ${String(guestInstructions).padStart(12)}  pc ${hex(pc)}  ${exception.padEnd(6)} BadVAddr ${hex(badVAddr)}`,
    );
  return lines.join("\n");
}

/** An entry of the guest's TLB: its number, the addresses it maps, for which ASID, and to where. */
function tlbLine({ index, entryHi, pageMask, entryLo0, entryLo1 }: Entry): string {
  const half = (lo: number): string =>
    (lo & ENTRY_LO.V) === 0
      ? "invalid"
      : `${hex((lo & ENTRY_LO.PFN) << (12 - ENTRY_LO.PFN_SHIFT))}${(lo & ENTRY_LO.D) === 0 ? " read-only" : ""}`;
  const isGlobal = (entryLo0 & entryLo1 & ENTRY_LO.G) !== 0;
  const asid = isGlobal ? "global" : `ASID ${hex(entryHi & ENTRY_HI.ASID).slice(-2)}`;
  const pages = `${(((pageMask | 0x1fff) + 1) >>> 11).toString()}K`;
  return `${String(index).padStart(4)}  ${hex(entryHi & ENTRY_HI.VPN2)} ${pages} ${asid}: ${half(entryLo0)}, ${half(entryLo1)}`;
}

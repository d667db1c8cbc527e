import type { VcpuExit } from "../kvm/index.ts";

type InternalError = Extract<VcpuExit, { reason: "internal-error" }>;

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
  return lines.join("\n");
}

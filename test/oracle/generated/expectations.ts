import { CAUSE, ENTRY_HI } from "../../../src/isa/cp0.ts";
import { EXC_CODE } from "../../../src/isa/exceptions.ts";
import { GPR } from "../../../src/isa/registers.ts";
import { CALLEE_SAVED } from "../../../src/kvm/entry/frame.ts";
import { VCPU } from "../../../src/kvm/layout.ts";
import type { TlbEntry } from "../../../src/machine/tlb.ts";
import { hostRegister } from "./driver.ts";
import type { Image } from "./image.ts";
import { cp0Of, gprOf, hex, pairOf, touchedBy, vcpuOf, type Report } from "./reports.ts";

/** A scenario that touches more pairs than this may lose some to later ones, however often it is repeated. */
const SURE_TO_FIT = 5;

/** Exceptions that set EntryHi and BadVAddr by a page that a TLB entry or none maps. */
const TLB_EXCEPTIONS: ReadonlySet<number> = new Set([
  EXC_CODE.TLBL,
  EXC_CODE.TLBS,
  EXC_CODE.Mod,
  EXC_CODE.TLBRI,
  EXC_CODE.TLBXI,
]);

/** Checks what one machine reports against what the scenarios and the tables say. Returns complaints. */
export function checkReports(image: Image, machine: string, reports: readonly Report[]): string[] {
  const complaints: string[] = [];
  const complete = new Set<string>();
  for (const report of reports) {
    const complain = (text: string): void => {
      complaints.push(`${machine}: ${report.program.scenario.name}: ${text}`);
    };
    if (report.exit === null) checkReturn(image, report, complain);
    else {
      checkExit(image, report, complain);
      if (checkTlb(image, report, complain) && report.last) complete.add(report.program.scenario.name);
    }
  }
  for (const program of image.programs) {
    const { name } = program.scenario;
    if (!complete.has(name) && touchedBy(program).length <= SURE_TO_FIT)
      complaints.push(`${machine}: ${name}: not once were all its pairs in the TLB`);
  }
  return complaints;
}

type Complain = (text: string) => void;

/** At an exit the vcpu structure holds the guest's registers and how it left. */
function checkExit(image: Image, report: Report, complain: Complain): void {
  const { program, last } = report;
  const exit = report.exit!;
  const same = (what: string, actual: number, expected: number): void => {
    if (actual >>> 0 !== expected >>> 0) complain(`${what} is ${hex(actual)}, not ${hex(expected)}`);
  };
  same("ExcCode", (vcpuOf(report, VCPU.cause) & CAUSE.ExcCode) >> 2, exit.code);
  same("Cause.BD", vcpuOf(report, VCPU.cause) & CAUSE.BD, exit.delaySlot ? CAUSE.BD : 0);
  same("EPC", vcpuOf(report, VCPU.pc), exit.epc);
  if (exit.badVAddr !== null) same("BadVAddr", vcpuOf(report, VCPU.badVAddr), exit.badVAddr);
  const asid = image.world.asid(program.scenario.user);
  same("ASID", cp0Of(report, "EntryHi") & ENTRY_HI.ASID, asid);
  if (TLB_EXCEPTIONS.has(exit.code))
    same("EntryHi.VPN2", cp0Of(report, "EntryHi") & ENTRY_HI.VPN2, exit.badVAddr! & ENTRY_HI.VPN2);
  if (!last) return;
  same("HI", vcpuOf(report, VCPU.hi), program.hi);
  same("LO", vcpuOf(report, VCPU.lo), program.lo);
  const changed = program.scenario.changed(image.world);
  program.gpr.forEach((initial, register) => {
    const expected = changed[register] === undefined ? initial : changed[register];
    if (expected !== null) same(`register ${register}`, vcpuOf(report, VCPU.gprs + 4 * register), expected);
  });
}

/** vcpu_run has returned -EINTR, and the host's registers are as they were. */
function checkReturn(image: Image, report: Report, complain: Complain): void {
  const { host } = image.world;
  const result = gprOf(report, GPR.v0) | 0;
  if (result !== -4) complain(`vcpu_run returned ${result}`);
  for (const register of CALLEE_SAVED) {
    const expected = hostRegister(image.world, register);
    if (gprOf(report, register) !== expected)
      complain(`vcpu_run left ${hex(gprOf(report, register))} in register ${register}, not ${hex(expected)}`);
  }
  if (cp0Of(report, "EBase") !== host.code.ebase) complain(`EBase is ${hex(cp0Of(report, "EBase"))}`);
}

/**
 * The guest's TLB entries are those that follow from the PTEs of the pages that it touched, and no two are
 * alike. What the guest touched last must be there; other pairs may have been replaced, even that of the code
 * where a CPU (QEMU's) goes on with a translation for a while after its entry was replaced. Returns whether all
 * are there.
 */
function checkTlb({ world }: Image, report: Report, complain: Complain): boolean {
  const { program, tlb } = report;
  const { user } = program.scenario;
  const expected = new Map<number, TlbEntry>();
  for (const gva of touchedBy(program)) {
    const entry = world.expectedEntry(gva, user);
    expected.set(pairOf(entry), entry);
  }
  const show = ({ entryHi, pageMask, entryLo0, entryLo1 }: TlbEntry): string =>
    [entryHi, pageMask, entryLo0, entryLo1].map(hex).join(" ");
  const present = new Set<number>();
  for (const entry of tlb) {
    const pair = pairOf(entry);
    const wanted = expected.get(pair);
    if (wanted === undefined) complain(`the TLB has ${show(entry)}, which nobody asked for`);
    else if (show({ ...entry, entryHi: (entry.entryHi & ~entry.pageMask) >>> 0 }) !== show(wanted))
      complain(`the TLB has ${show(entry)} instead of ${show(wanted)}`);
    if (present.has(pair)) complain(`the TLB has the pair at ${hex(pair)} twice`);
    present.add(pair);
  }
  const newest = program.scenario.goesBack === true ? undefined : program.scenario.touched.at(-1);
  if (report.last && newest !== undefined && !present.has(pairOf(world.expectedEntry(newest, user))))
    complain(`${hex(newest)} is not in the TLB`);
  return present.size === expected.size;
}

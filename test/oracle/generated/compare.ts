import { CAUSE, CONTEXT, CP0, ENTRY_HI, type Cp0Name } from "../../../src/isa/cp0.ts";
import { EXC_CODE } from "../../../src/isa/exceptions.ts";
import { VCPU } from "../../../src/kvm/layout.ts";
import { CAPTURED_BYTES, REPORT, REPORTED_CP0, reportedAt } from "./layout.ts";
import type { Image } from "./image.ts";
import { cp0Of, hex, pairOf, touchedBy, vcpuOf, type Report } from "./reports.ts";

/** Words of a report in which the two machines may differ. */
export interface KnownDifference {
  readonly what: string;
  readonly reason: string;
  /** Places in a report, and the bits that may differ there. */
  readonly places: readonly (readonly [word: number, bits: number])[];
  /** Whether it concerns this report. */
  readonly covers: (image: Image, kseg: Report, qemu: Report) => boolean;
  /** True if it need not show up: it depends on chance. */
  readonly byChance?: boolean;
}

const ALL = 0xffff_ffff;
const ADDRESS_ERRORS: ReadonlySet<number> = new Set([EXC_CODE.AdEL, EXC_CODE.AdES]);
const vcpuWord = (offset: number): number => REPORT.vcpu + offset / 4;
/** The exit that a report of either kind follows. */
const exitOf = (report: Report): NonNullable<Report["exit"]> => report.exit ?? report.program.exits.at(-1)!;
const isFetch = (report: Report): boolean => exitOf(report).epc === exitOf(report).badVAddr;

/** BadVAddr, Context and EntryHi name the same page, and that is one that the guest touched. */
function namesTouchedPage({ world }: Image, report: Report): boolean {
  const badVAddr = cp0Of(report, "BadVAddr");
  if (vcpuOf(report, VCPU.badVAddr) !== badVAddr) return false;
  if (((cp0Of(report, "Context") << 9) ^ badVAddr) & ENTRY_HI.VPN2) return false;
  if (report.exit !== null && (cp0Of(report, "EntryHi") ^ badVAddr) & ENTRY_HI.VPN2) return false;
  const pair = pairOf(world.expectedEntry(badVAddr, report.program.scenario.user));
  return touchedBy(report.program).some(
    (gva) => pairOf(world.expectedEntry(gva, report.program.scenario.user)) === pair,
  );
}

/**
 * Where QEMU 7.2 and kseg differ. Besides: TLBWR's victims are random, so that entries are compared as a set,
 * by what the PTEs say they must be.
 */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    what: "Cause.BD after an exit in a delay slot",
    reason:
      "QEMU takes SDBBP as a Debug exception, which clears BD; in kseg it is a host call. The vcpu structure has the Cause of the exit",
    places: [[reportedAt("Cause"), CAUSE.BD]],
    covers: (_, kseg) => exitOf(kseg).delaySlot,
  },
  {
    what: "Context.BadVPN2 and EntryHi.VPN2 after an address error",
    reason: "the manual leaves both unpredictable; QEMU sets them, kseg keeps what the last refill left",
    places: [
      [reportedAt("Context"), CONTEXT.BADVPN2],
      [reportedAt("EntryHi"), ENTRY_HI.VPN2],
    ],
    covers: (_, kseg) => ADDRESS_ERRORS.has(exitOf(kseg).code),
  },
  {
    what: "BadInstr after a fetch that failed",
    reason: "there is no instruction: kseg has 0, QEMU keeps the one before",
    places: [
      [reportedAt("BadInstr"), ALL],
      [vcpuWord(VCPU.badInstr), ALL],
    ],
    covers: (_, kseg) => isFetch(kseg),
  },
  {
    what: "the last refill before an exception that names no address",
    reason:
      "a random victim may have been the code's entry, which is then refilled again, on one machine only",
    places: [
      [reportedAt("BadVAddr"), ALL],
      [reportedAt("Context"), CONTEXT.BADVPN2],
      [reportedAt("EntryHi"), ENTRY_HI.VPN2],
      [vcpuWord(VCPU.badVAddr), ALL],
    ],
    covers: (image, kseg, qemu) =>
      exitOf(kseg).badVAddr === null && namesTouchedPage(image, kseg) && namesTouchedPage(image, qemu),
    byChance: true,
  },
];

/** What a comparison of both machines' reports found. */
export interface Comparison {
  readonly complaints: readonly string[];
  /** The known differences that were met. */
  readonly met: ReadonlySet<KnownDifference>;
}

/** Compares the reports of both machines word by word, TLB entries apart. */
export function compareReports(image: Image, kseg: readonly Report[], qemu: readonly Report[]): Comparison {
  const complaints: string[] = [];
  const met = new Set<KnownDifference>();
  kseg.forEach((ours, index) => {
    const theirs = qemu[index]!;
    for (let word = 0; word < REPORT.tlb; word++) {
      let different = ours.words[word]! ^ theirs.words[word]!;
      for (const known of KNOWN_DIFFERENCES) {
        if (different === 0) break;
        const bits = known.places.find(([place]) => place === word)?.[1] ?? 0;
        if ((different & bits) === 0 || !known.covers(image, ours, theirs)) continue;
        different &= ~bits;
        met.add(known);
      }
      if (different !== 0)
        complaints.push(
          `${ours.program.scenario.name}: ${wordName(word)}: ` +
            `kseg ${hex(ours.words[word])}, QEMU ${hex(theirs.words[word])}`,
        );
    }
  });
  return { complaints, met };
}

function wordName(word: number): string {
  if (word >= REPORT.vcpu) return `vcpu+${(word - REPORT.vcpu) * 4}`;
  const name: Cp0Name | undefined = REPORTED_CP0[word - REPORT.cp0];
  if (word >= REPORT.cp0) return name === undefined ? `word ${word}` : `${name} (${CP0[name]})`;
  return word >= REPORT.gpr ? `register ${word - REPORT.gpr}` : `word ${word}`;
}

/** Compares what both machines leave in the RAM of the captured machine: guest memory, tables, stack, code. */
export function compareRam(kseg: Uint32Array, qemu: Uint32Array): string[] {
  const complaints: string[] = [];
  for (let pa = 0; pa < CAPTURED_BYTES; pa += 4) {
    const [ours, theirs] = [kseg[pa / 4]!, qemu[pa / 4]!];
    if (ours !== theirs) complaints.push(`RAM at ${hex(pa)}: kseg ${hex(ours)}, QEMU ${hex(theirs)}`);
  }
  return complaints;
}

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { STATUS } from "../../src/isa/cp0.ts";
import type { VmOptions } from "../../src/kvm/index.ts";
import type { Endian } from "../../src/machine/memory.ts";
import { prepare, RUNS, type Run } from "../translator/random-run.ts";
import { BareSide, TeSide, type Outcome } from "./bare-and-te.ts";

/** Programs for each byte order; `KSEG_PROGRAMS` sets another number, `KSEG_SEED` has others made. */
const PROGRAMS = Number(process.env["KSEG_PROGRAMS"] ?? 60);
const SEED = Number(process.env["KSEG_SEED"] ?? 1);
const TICKS = 3000;

/** The hypervisor's settings: none of them shows in what a guest does. */
const SETTINGS: Readonly<Record<string, VmOptions>> = {
  "as it is": {},
  "slow refill": { refill: "slow" },
  "no fast exits": { fastExits: false },
  "one root": { gvaRoots: 1 },
};

/**
 * All entries of the TLB but one: TLBWR writes that one. Random counts down with retired instructions, and a bare
 * machine counts an exception as one that the hypervisor does not: a miss, for instance.
 */
const WIRED = 63;

/** Registers that differ, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  PRId: "a guest's CPU is a 24Kc",
  Config: "the machine starts with kseg0 uncached, a guest with it cached",
  Config3: "a guest has no BadInstr, no page walker and no segmentation control",
  Config4: "a guest has no KScratch",
  Config5: "nor what release 5 has",
  Config7: "a guest's caches have no aliases",
  SegCtl0: "a guest has no segmentation control",
  SegCtl1: "a guest has no segmentation control",
  SegCtl2: "a guest has no segmentation control",
  PWField: "a guest has no page walker",
  PWSize: "a guest has no page walker",
  BadInstr: "a guest has none",
  BadInstrP: "a guest has none",
  IntCtl: "a guest's performance counters are on the line of its timer, a P5600's have none",
  LLAddr: "LL of a guest does not leave the machine, and the host's register says where host memory is",
};

const hex = (value: number | boolean | undefined): string =>
  typeof value === "number" ? (value >>> 0).toString(16) : String(value);

/**
 * Whether exceptions lead to where no boot ROM is: a machine raises a bus error there again and again, and the VM of a
 * guest that does so has come to its end.
 */
const isLost = ({ values }: Outcome): boolean => (Number(values["Status"]) & STATUS.BEV) !== 0;

/** What differs between both ends of a program, a line each. */
function differences(bare: Outcome, te: Outcome): string[] {
  const lines = Object.keys(bare.values)
    .filter((name) => bare.values[name] !== te.values[name] && DIFFERENT[name] === undefined)
    .map((name) => `${name}: ${hex(bare.values[name])} bare, ${hex(te.values[name])} as a guest`);
  bare.tlb.forEach((entry, index) => {
    const [a, b] = [entry, te.tlb[index]].map((it) => JSON.stringify(it));
    if (a !== b) lines.push(`TLB entry ${index}: ${a} bare, ${b} as a guest`);
  });
  const word = bare.ram.findIndex((value, at) => value !== te.ram[at]);
  if (word >= 0)
    lines.push(`RAM at ${hex(4 * word)}: ${hex(bare.ram[word])} bare, ${hex(te.ram[word])} as a guest`);
  if (bare.end !== te.end && !isLost(bare)) lines.push(`${bare.end} bare, ${te.end} as a guest`);
  return lines;
}

/** Runs a program as a guest, in pieces, and bare for as long. Returns both ends. */
function runBoth(bare: BareSide, te: TeSide, run: Run): { bare: Outcome; te: Outcome } {
  for (const side of [bare, te]) {
    side.renew();
    prepare(side.subject, run, WIRED);
  }
  let end = "ran";
  for (let n = 0; end === "ran" && te.now < TICKS; n++) end = te.run(run.pieces[n % run.pieces.length]!);
  let bareEnd = bare.run(te.now);
  // Time stands at the same tick before a delay slot and after its exception, which takes the branch's tick back.
  while (end === "ran" && bareEnd === "ran" && bare.inDelaySlot) {
    end = te.run(1);
    bareEnd = bare.run(te.now - bare.now);
  }
  return { bare: bare.outcome(bareEnd), te: te.outcome(end) };
}

describe.each<Endian>(["little", "big"])("a random program, %s endian", (endian) => {
  test("does the same bare and as a guest, at the same times", { timeout: 90_000 + 500 * PROGRAMS }, () => {
    const bare = new BareSide(endian);
    const guests = Object.values(SETTINGS).map((options) => new TeSide(endian, options));
    const property = fc.property(RUNS, (run) => {
      for (const te of guests) {
        const both = runBoth(bare, te, run);
        expect(differences(both.bare, both.te)).toEqual([]);
      }
    });
    const seed = SEED + (endian === "big" ? 1000 : 0);
    fc.assert(property, {
      numRuns: PROGRAMS,
      seed,
      interruptAfterTimeLimit: 60_000 + 500 * PROGRAMS,
      markInterruptAsFailure: true,
    });
  });
});

/** `npm run bench`: how fast kseg is, against QEMU on the same images and against itself. `--help` lists the flags. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { GuestError } from "../src/guests/index.ts";
import { toolFlags, usageError } from "../tools/tool-flags.ts";
import { BenchProgress } from "./bench-progress.ts";
import { against, GROUPS, type Group } from "./cases.ts";
import { measure } from "./duel.ts";
import type { BenchRecord } from "./figures.ts";
import { guestMmu } from "./guest-mmu.ts";
import { type Kseg, ksegMachine, THIS_KSEG, UnavailableError } from "./machines.ts";
import { profile } from "./profile.ts";
import { exitCost, refillCost } from "./refill.ts";
import { checkOut, currentRevision } from "./revision.ts";
import { startTime } from "./start.ts";
import { format, type Row, type Section, summaryRows } from "./table.ts";

const REFILL = "refill";
const GUEST_MMU = "guest-mmu";
const START = "start";

const list = (names: readonly string[]): string => names.join(", ");

/** Each group with its cases. */
const GROUP_HELP = [
  ...GROUPS.map(({ name, cases }) => `${name.padEnd(10)}  ${list(cases)}`),
  `${REFILL.padEnd(10)}  the cost of one TLB refill, by the generated handler and by an exit, and of an exit`,
  `${GUEST_MMU.padEnd(10)}  the table of kseg bench mmu`,
  `${START.padEnd(10)}  the time to the guest's first instruction`,
];

const known = [...GROUPS.flatMap(({ name, cases }) => [name, ...cases]), REFILL, GUEST_MMU, START];

interface Options {
  readonly only: readonly string[];
  readonly runs: number;
  /** Revision to compare with. */
  readonly against?: string;
  readonly json?: string;
  /** Case to profile instead of all this. */
  readonly profile?: string;
}

function options(): Options {
  const { only, runs, ...others } = toolFlags({
    name: "bench",
    summary: "how fast kseg is, against QEMU on the same images and against itself",
    help: [
      "--only NAMES   some groups or cases, with commas between them",
      "--runs N       runs of each side (default 3)",
      "--against REV  this checkout against another revision of kseg instead of QEMU",
      "--json FILE    all figures and the samples they are from",
      "--profile CASE where kseg spends its time in that case, in one run",
      "Groups and their cases:",
      ...GROUP_HELP,
    ],
    options: {
      only: {
        type: "string",
        default: [...GROUPS.map(({ name }) => name), REFILL, GUEST_MMU, START].join(","),
      },
      runs: { type: "string", default: "3" },
      against: { type: "string" },
      json: { type: "string" },
      profile: { type: "string" },
    },
  });
  const names = only.split(",");
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) usageError("bench", `there is no ${list(unknown)}`);
  const count = Number(runs);
  const profiled = others.profile;
  if (profiled !== undefined && !GROUPS.some(({ cases }) => cases.includes(profiled)))
    usageError("bench", `there is no case ${profiled} to profile`);
  if (!Number.isInteger(count) || count < 1) usageError("bench", "--runs takes a whole number above 0");
  return { only: names, runs: count, ...others };
}

/** What measurements have in common. */
interface Circumstances {
  readonly runs: number;
  readonly other: Kseg | undefined;
  readonly progress: BenchProgress;
}

/** Whether an error says that something cannot be measured here. */
function isUnavailable(error: unknown): error is Error {
  return error instanceof UnavailableError || error instanceof GuestError;
}

async function measureGroup(
  { title, duels, mean }: Group,
  cases: readonly string[],
  { runs, other, progress }: Circumstances,
): Promise<Section> {
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const prepare of duels(cases)) {
    let left = runs;
    try {
      const prepared = await prepare();
      progress.begin(list(prepared.parts.map(({ name }) => name)));
      const duel = other === undefined ? prepared : against(prepared, ksegMachine(other));
      const onRound = (): void => {
        left--;
        progress.advance();
      };
      rows.push(...(await measure(duel, runs, onRound)));
    } catch (error) {
      progress.advance(left);
      if (isUnavailable(error)) return { title, rows, notes: [`skipped: ${error.message}`] };
      // The others can be measured all the same.
      notes.push(`failed: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
  return { title, rows: mean && rows.length > 1 ? [...rows, ...summaryRows(rows)] : rows, notes };
}

/** Where the time of a case goes. */
async function profileOf(name: string): Promise<Section[]> {
  const group = GROUPS.find(({ cases }) => cases.includes(name))!;
  try {
    const { a, parts } = await group.duels([name])[0]!();
    return await profile(a, parts[0]!);
  } catch (error) {
    if (isUnavailable(error)) return [{ title: name, rows: [], notes: [`skipped: ${error.message}`] }];
    throw error;
  }
}

/** What measures sections, and how many parts of the work that is. */
interface Measurement {
  readonly parts: number;
  readonly sections: (circumstances: Circumstances) => Promise<readonly Section[]>;
}

/** What is asked for, in the order in which it is measured. */
function measurements({ only, runs }: Options, other: Kseg | undefined): Measurement[] {
  const found: Measurement[] = [];
  for (const group of GROUPS) {
    const cases = only.includes(group.name) ? group.cases : group.cases.filter((name) => only.includes(name));
    const parts = runs * group.duels(cases).length;
    if (cases.length > 0)
      found.push({
        parts,
        sections: async (circumstances) => [await measureGroup(group, cases, circumstances)],
      });
  }
  const ksegs = other === undefined ? [THIS_KSEG] : [THIS_KSEG, other];
  /** One that counts as a single part. */
  const whole = (name: string, measured: () => readonly Section[] | Promise<readonly Section[]>): void => {
    if (!only.includes(name)) return;
    found.push({
      parts: 1,
      sections: async ({ progress }) => {
        progress.begin(name);
        const made = await measured();
        progress.advance();
        return made;
      },
    });
  };
  whole(GUEST_MMU, guestMmu);
  whole(START, () => [startTime(runs, ksegs)]);
  for (const kseg of ksegs)
    whole(REFILL, async () => [await refillCost(runs, kseg), await exitCost(runs, kseg)]);
  return found;
}

/** The sections that are asked for, one after the other. */
async function* sections(asked: Options, other: Kseg | undefined): AsyncGenerator<Section> {
  if (asked.profile !== undefined) {
    yield* await profileOf(asked.profile);
    return;
  }
  const all = measurements(asked, other);
  const total = all.reduce((sum, { parts }) => sum + parts, 0);
  const progress = new BenchProgress(total, process.stderr);
  for (const one of all) {
    const made = await one.sections({ runs: asked.runs, other, progress });
    progress.clear();
    yield* made;
  }
}

async function main(): Promise<void> {
  const asked = options();
  const { runs, against: revision, json } = asked;
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.versions.node}`;
  let other: Kseg | undefined;
  if (revision !== undefined) {
    try {
      other = checkOut(revision);
    } catch (error) {
      if (isUnavailable(error)) usageError("bench", error.message);
      throw error;
    }
  }
  console.log(`${machine}; ${asked.profile === undefined ? `medians of ${runs}` : "one run"}\n`);
  const found: Section[] = [];
  for await (const section of sections(asked, other)) {
    found.push(section);
    console.log(format(section));
  }
  if (json !== undefined) {
    const checkedOut = currentRevision();
    const record: BenchRecord = {
      ...{ machine, runs, sections: found },
      ...(checkedOut === undefined ? {} : { revision: checkedOut }),
    };
    writeFileSync(json, `${JSON.stringify(record, null, 2)}\n`);
  }
}

// Otherwise what is left to do at the end would not be done.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await main();

/** `npm run bench`: how fast kseg is, against QEMU on the same images and against itself. `--help` lists the flags. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { GuestError } from "../src/guests/index.ts";
import { toolFlags, usageError } from "../tools/tool-flags.ts";
import { against, GROUPS, type Group } from "./cases.ts";
import { measure } from "./duel.ts";
import type { BenchRecord } from "./figures.ts";
import { guestMmu } from "./guest-mmu.ts";
import { type Kseg, ksegMachine, THIS_KSEG, UnavailableError } from "./machines.ts";
import { profile } from "./profile.ts";
import { refillCost } from "./refill.ts";
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
  `${REFILL.padEnd(10)}  the cost of one TLB refill, by the generated handler and by an exit`,
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

/** Whether an error says that something cannot be measured here. */
function isUnavailable(error: unknown): error is Error {
  return error instanceof UnavailableError || error instanceof GuestError;
}

async function measureGroup(
  { title, duels, mean }: Group,
  cases: readonly string[],
  runs: number,
  other: Kseg | undefined,
): Promise<Section> {
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const prepare of duels(cases)) {
    try {
      const prepared = await prepare();
      process.stderr.write(`measuring ${list(prepared.parts.map(({ name }) => name))} ...\n`);
      const duel = other === undefined ? prepared : against(prepared, ksegMachine(other));
      rows.push(...(await measure(duel, runs)));
    } catch (error) {
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

/** The sections that are asked for, one after the other. */
async function* sections(
  { only, runs, profile: profiled }: Options,
  other: Kseg | undefined,
): AsyncGenerator<Section> {
  if (profiled !== undefined) {
    yield* await profileOf(profiled);
    return;
  }
  for (const group of GROUPS) {
    const cases = only.includes(group.name) ? group.cases : group.cases.filter((name) => only.includes(name));
    if (cases.length > 0) yield await measureGroup(group, cases, runs, other);
  }
  if (only.includes(GUEST_MMU)) yield* await guestMmu();
  if (only.includes(START)) yield startTime(runs, other === undefined ? [THIS_KSEG] : [THIS_KSEG, other]);
  if (!only.includes(REFILL)) return;
  yield await refillCost(runs, THIS_KSEG);
  if (other !== undefined) yield await refillCost(runs, other);
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

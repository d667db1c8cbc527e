/** `npm run bench`: how fast kseg is, against QEMU on the same images and against itself. `--help` lists the flags. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { GuestError } from "../src/guests/index.ts";
import { toolFlags, usageError } from "../tools/tool-flags.ts";
import { against, GROUPS, type Case, type Group } from "./cases.ts";
import { measure } from "./duel.ts";
import { type Kseg, ksegMachine, THIS_KSEG, UnavailableError } from "./machines.ts";
import { refillCost } from "./refill.ts";
import { checkOut, currentRevision } from "./revision.ts";
import { format, type Row, type Section, summaryRows } from "./table.ts";

const REFILL = "refill";

const list = (names: readonly string[]): string => names.join(", ");

/** Each group with its cases. */
const GROUP_HELP = [
  ...GROUPS.map(({ name, cases }) => `${name.padEnd(10)}  ${list(cases.map((one) => one.name))}`),
  `${REFILL.padEnd(10)}  the cost of one TLB refill, by the generated handler and by an exit`,
];

const known = [...GROUPS.flatMap(({ name, cases }) => [name, ...cases.map((one) => one.name)]), REFILL];

interface Options {
  readonly only: readonly string[];
  readonly runs: number;
  /** Revision to compare with. */
  readonly against?: string;
  readonly json?: string;
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
      "Groups and their cases:",
      ...GROUP_HELP,
    ],
    options: {
      only: { type: "string", default: [...GROUPS.map(({ name }) => name), REFILL].join(",") },
      runs: { type: "string", default: "3" },
      against: { type: "string" },
      json: { type: "string" },
    },
  });
  const names = only.split(",");
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) usageError("bench", `there is no ${list(unknown)}`);
  const count = Number(runs);
  if (!Number.isInteger(count) || count < 1) usageError("bench", "--runs takes a whole number above 0");
  return { only: names, runs: count, ...others };
}

/** Why something cannot be measured here, if that is what `error` says. */
function unavailable(error: unknown): string {
  if (error instanceof UnavailableError || error instanceof GuestError) return error.message;
  throw error;
}

async function measureGroup(
  { title, mean }: Group,
  cases: readonly Case[],
  runs: number,
  other: Kseg | undefined,
): Promise<Section> {
  const rows: Row[] = [];
  try {
    for (const { name, duel } of cases) {
      process.stderr.write(`measuring ${name} ...\n`);
      const prepared = await duel();
      rows.push(await measure(other === undefined ? prepared : against(prepared, ksegMachine(other)), runs));
    }
  } catch (error) {
    return { title, rows, skipped: unavailable(error) };
  }
  return { title, rows: mean && rows.length > 1 ? [...rows, ...summaryRows(rows)] : rows };
}

/** The sections that are asked for, one after the other. */
async function* sections(
  only: readonly string[],
  runs: number,
  other: Kseg | undefined,
): AsyncGenerator<Section> {
  for (const group of GROUPS) {
    const cases = only.includes(group.name)
      ? group.cases
      : group.cases.filter(({ name }) => only.includes(name));
    if (cases.length > 0) yield await measureGroup(group, cases, runs, other);
  }
  if (!only.includes(REFILL)) return;
  yield await refillCost(runs, THIS_KSEG);
  if (other !== undefined) yield await refillCost(runs, other);
}

async function main(): Promise<void> {
  const { only, runs, against: revision, json } = options();
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.versions.node}`;
  let other: Kseg | undefined;
  if (revision !== undefined) {
    try {
      other = checkOut(revision);
    } catch (error) {
      usageError("bench", unavailable(error));
    }
  }
  console.log(`${machine}; medians of ${runs}\n`);
  const found: Section[] = [];
  for await (const section of sections(only, runs, other)) {
    found.push(section);
    console.log(format(section));
  }
  if (json !== undefined) {
    const record = { machine, revision: currentRevision(), runs, sections: found };
    writeFileSync(json, `${JSON.stringify(record, null, 2)}\n`);
  }
}

// Otherwise what is left to do at the end would not be done.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await main();

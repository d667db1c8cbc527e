/** `npm run bench`: how fast kseg is, against QEMU on the same images and against itself. See USAGE. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { GuestError } from "../src/guests/index.ts";
import { against, GROUPS, type Case, type Group } from "./cases.ts";
import { measure } from "./duel.ts";
import { type Kseg, ksegMachine, THIS_KSEG, UnavailableError } from "./machines.ts";
import { refillCost } from "./refill.ts";
import { checkOut, currentRevision } from "./revision.ts";
import { format, type Row, type Section, summaryRows } from "./table.ts";

const REFILL = "refill";

const list = (names: readonly string[]): string => names.join(", ");

const USAGE = `npm run bench -- [options]

Measures whole processes by turns (A, B, A, B ...) and prints medians and ratios.

  --only NAMES     some groups or cases, with commas between them
  --runs N         runs of each side (default 3)
  --against REV    this checkout against another revision of kseg instead of QEMU
  --json FILE      all figures and the samples they are from
  --help           this text

Groups and cases:
${GROUPS.map(({ name, title, cases }) => `  ${name}: ${title}\n      ${list(cases.map((one) => one.name))}`).join("\n")}
  ${REFILL}: What one TLB refill costs, by the generated handler and by an exit
`;

const known = [...GROUPS.flatMap(({ name, cases }) => [name, ...cases.map((one) => one.name)]), REFILL];

/** Ends the process with a message about how it was called. */
function usageError(message: string): never {
  console.error(`bench: ${message}; see npm run bench -- --help`);
  process.exit(2);
}

function options(): { only: string[]; runs: number; against: string | undefined; json: string | undefined } {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string", default: [...GROUPS.map(({ name }) => name), REFILL].join(",") },
        runs: { type: "string", default: "3" },
        against: { type: "string" },
        json: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const only = values.only.split(",");
    const unknown = only.filter((name) => !known.includes(name));
    if (unknown.length > 0) usageError(`there is no ${list(unknown)}`);
    const runs = Number(values.runs);
    if (!Number.isInteger(runs) || runs < 1) usageError("--runs takes a whole number above 0");
    return { only, runs, against: values.against, json: values.json };
  } catch (error) {
    return usageError((error as Error).message);
  }
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
      usageError(unavailable(error));
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

/**
 * `npm run series`: the test of each patch on every executable host model, with host pages of 4K and 16K
 * (`--help` lists the flags).
 *
 * The status is 1 if a test failed or a mutation was not noticed.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MUTATIONS } from "../test/series/mutations.ts";
import { HOSTS, type Mutation, type Patch } from "../test/series/patch.ts";
import { runPatch, SERIES, type Outcome } from "../test/series/series.ts";
import { toolFlags, usageError } from "./tool-flags.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** A mutated kseg may run for ever. */
const PATIENCE_MS = 30_000;

const values = toolFlags({
  name: "series",
  summary: "a table of the series' patches, each tested on every host model",
  help: [
    "--mutate   also undoes each patch in a copy of the sources: its test must then fail",
    "--only N   one patch",
    "--json     outcomes as JSON, up to the first failure of each patch",
  ],
  options: {
    mutate: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const patches = SERIES.filter(({ number }) => values.only === undefined || number === Number(values.only));
if (patches.length === 0) usageError("series", "--only takes the number of a patch, 1 to 30");

/** Outcomes up to the first failure. */
function untilFailure(patch: Patch): Outcome[] {
  const outcomes: Outcome[] = [];
  for (const host of HOSTS) {
    const outcome = runPatch(patch, host);
    outcomes.push(outcome);
    if (!outcome.passed) break;
  }
  return outcomes;
}

/** Whether the test of a mutation's patch fails in `copy` with the edits made, and what it says. */
function tryMutation(copy: string, mutation: Mutation): { caught: boolean; says: string } {
  const originals = mutation.edits.map(({ file, text, replacement }) => {
    const path = join(copy, file);
    const source = readFileSync(path, "utf8");
    if (source.split(text).length !== 2) throw new Error(`${file} does not hold exactly once: ${text}`);
    writeFileSync(
      path,
      source.replace(text, () => replacement),
    );
    return { path, source };
  });
  try {
    const command = [join(copy, "tools/series.ts"), "--json", "--only", String(mutation.patch)];
    const options = { encoding: "utf8", timeout: PATIENCE_MS, stdio: "pipe" } as const;
    const outcomes = JSON.parse(execFileSync(process.execPath, command, options)) as Outcome[];
    const failure = outcomes.find(({ passed }) => !passed);
    if (failure === undefined) return { caught: false, says: "the test still passes" };
    const where = `${failure.model}, ${failure.pageSize / 1024}K: ${failure.message}`;
    return { caught: failure.asserted, says: failure.asserted ? where : `no assertion failed: ${where}` };
  } catch (error) {
    return { caught: false, says: `the copy did not run: ${String(error).split("\n")[0]}` };
  } finally {
    for (const { path, source } of originals) writeFileSync(path, source);
  }
}

/** Tries the mutations of `wanted` in a copy of the sources. Returns which patches have all of theirs noticed. */
function tryMutations(wanted: readonly Patch[]): Map<number, boolean> {
  const noticed = new Map<number, boolean>();
  const copy = mkdtempSync(join(tmpdir(), "kseg-series-"));
  try {
    for (const part of ["src", "test/series", "tools/series.ts", "tools/tool-flags.ts", "package.json"])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    for (const mutation of MUTATIONS) {
      if (!wanted.some(({ number }) => number === mutation.patch)) continue;
      const { caught, says } = tryMutation(copy, mutation);
      noticed.set(mutation.patch, caught && noticed.get(mutation.patch) !== false);
      console.log(`${caught ? "caught" : "MISSED"}  ${mutation.patch}: ${mutation.undoes}\n        ${says}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  console.log("");
  return noticed;
}

function table(): number {
  const noticed = values.mutate ? tryMutations(patches) : null;
  const models = [...new Set(HOSTS.map(({ model }) => model))];
  const notes: string[] = [];
  let passed = 0;
  let failed = 0;
  const width = Math.max(...SERIES.map(({ title }) => title.length));
  const header = [
    " #",
    "patch".padEnd(width),
    ...models,
    ...(noticed === null ? [] : ["mutations"]),
    "result",
  ];
  console.log(header.join("  "));
  for (const patch of patches) {
    const outcomes = HOSTS.map((host) => runPatch(patch, host));
    const cells = models.map((model) => {
      const good = outcomes.filter((outcome) => outcome.model === model && outcome.passed);
      return good
        .map(({ pageSize }) => `${pageSize / 1024}K`)
        .join(" ")
        .padEnd(model.length);
    });
    const broken = outcomes.filter((outcome) => !outcome.passed);
    for (const { model, pageSize, message } of broken)
      notes.push(`${patch.number} on ${model}, ${pageSize / 1024}K: ${message}`);
    const mutated = noticed?.get(patch.number);
    // A test that notices nothing proves nothing.
    const unproved = noticed !== null && mutated !== true;
    const bad = broken.length > 0 || unproved;
    const result = bad ? "FAIL" : "pass";
    if (bad) failed++;
    else passed++;
    const column = mutated === undefined ? "-" : mutated ? "caught" : "MISSED";
    if (noticed !== null) cells.push(column.padEnd("mutations".length));
    console.log([String(patch.number).padStart(2), patch.title.padEnd(width), ...cells, result].join("  "));
  }
  console.log(`\n${[...notes, `${passed} of ${patches.length} passed`].join("\n")}`);
  if (noticed === null) console.log("Mutations were not tried: npm run series -- --mutate");
  return failed === 0 ? 0 : 1;
}

if (values.json) console.log(JSON.stringify(patches.flatMap(untilFailure)));
else process.exitCode = table();

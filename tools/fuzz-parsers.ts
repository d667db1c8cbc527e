/**
 * `npm run fuzz:parsers`: what takes bytes from elsewhere, with inputs that are guided by the branches they take
 * (`--help` lists the flags). An input that should not do what it does is written to a file and printed with the command
 * that tries it again; the status is 1 then.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { systemReason } from "../src/guests/errors.ts";
import { terminalProgress } from "../src/guests/progress.ts";
import { crc32 } from "../src/state/crc32.ts";
import { TARGETS } from "../test/parsers/targets.ts";
import { fuzz } from "./coverage-fuzzer/fuzz.ts";
import type { TargetExports, TargetModule } from "./coverage-fuzzer/fuzz-target.ts";
import type { Finding, Report } from "./coverage-fuzzer/job.ts";
import { positiveFlag, today, toolFlags, usageError } from "./tool-flags.ts";

const TOOL = "fuzz:parsers";
const FOUND = new URL("../dist/fuzz-parsers/", import.meta.url);
const LONGEST_NAME = Math.max(...Object.keys(TARGETS).map((name) => name.length));

const values = toolFlags({
  name: TOOL,
  summary: "what takes bytes from elsewhere, with inputs guided by the branches they take",
  help: [
    "--target A,B    only these (default all):",
    ...Object.entries(TARGETS).map(([name, { about }]) => `  ${name.padEnd(LONGEST_NAME)}  ${about}`),
    "--inputs N      inputs for each (default 1000000)",
    "--seed N        where chance begins (default 1)",
    "--slice N       N seconds for each at most, other inputs each day",
    "--replay FILE   gives the target this input, and shows the stack of what it throws",
  ],
  options: {
    target: { type: "string", default: Object.keys(TARGETS).join(",") },
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    slice: { type: "string" },
    replay: { type: "string" },
  },
});

const positive = (name: string, text: string): number => positiveFlag(TOOL, name, text);

function targetCalled(name: string): TargetModule {
  const target = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
  return target ?? usageError(TOOL, `--target ${name}: choose from ${Object.keys(TARGETS).join(", ")}`);
}

/** Gives the target one input. What it throws ends this process. */
async function replay(target: TargetModule, file: string): Promise<void> {
  let input: Uint8Array;
  try {
    input = new Uint8Array(readFileSync(file));
  } catch (error) {
    usageError(TOOL, `--replay ${file}: ${systemReason(error) ?? String(error)}`);
  }
  const { openTarget } = (await import(target.module.href)) as TargetExports;
  await (await openTarget()).take(input);
  console.log(`${file}: nothing is wrong with what it does`);
}

const count = (value: number): string => value.toLocaleString("en");

function show(name: string, { inputs, seconds, taken, branches, corpus, growth }: Report): void {
  console.log(
    `${name.padEnd(LONGEST_NAME)}  ${count(inputs)} inputs in ${seconds.toFixed(1)} s, ` +
      `${count(taken)} of ${count(branches)} branches, ${count(corpus)} inputs kept, ` +
      `heap ${growth < 0 ? "-" : "+"}${Math.abs(growth / 1e6).toFixed(1)} MB`,
  );
}

function showFinding(name: string, { kind, what, details, input }: Finding): void {
  console.log(`${name} FAILED: ${kind}: ${what}`);
  if (details !== "") console.log(details.replace(/^/gm, "    "));
  if (input === null) return;
  mkdirSync(FOUND, { recursive: true });
  const file = fileURLToPath(new URL(`${name}-${crc32(input).toString(16).padStart(8, "0")}`, FOUND));
  writeFileSync(file, input);
  console.log(`  again: npm run ${TOOL} -- --target ${name} --replay ${relative(process.cwd(), file)}`);
}

// Otherwise what is left to do at the end would not be done.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const names = values.target.split(",");
const targets = names.map((name) => [name, targetCalled(name)] as const);
if (values.replay !== undefined) {
  if (targets.length !== 1) usageError(TOOL, "--replay needs the --target that takes the file");
  await replay(targets[0]![1], values.replay);
} else {
  const inputs = positive("inputs", values.inputs);
  const slice = values.slice === undefined ? undefined : positive("slice", values.slice);
  const seed = slice === undefined ? positive("seed", values.seed) : today();
  const progress = terminalProgress(process.stderr, Date.now, TOOL);
  let failed = 0;
  console.log(`${TOOL}: seed ${seed}`);
  for (const [name, target] of targets) {
    const report = await fuzz(target, {
      ...{ seed, inputs },
      ...(slice === undefined ? {} : { seconds: slice }),
      onProgress: (done, taken) => progress.bar(done, inputs, `${name}: ${count(taken)} branches`),
    });
    progress.clear();
    show(name, report);
    for (const finding of report.findings) showFinding(name, finding);
    failed += report.findings.length;
  }
  if (failed > 0) process.exitCode = 1;
}

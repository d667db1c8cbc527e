import { parseArgs } from "node:util";
import type { Endian } from "../../../src/machine/memory.ts";
import type { OracleSuite } from "../suites.ts";
import { OracleUsageError } from "../usage.ts";
import { explain } from "./explain.ts";
import { AVOIDED_DIFFERENCES, REGISTER_DIFFERENCES, TRACE_DIFFERENCES } from "./known-differences.ts";
import { ENGINE_NAMES, qemuMissing, type EngineName } from "../malta.ts";
import { shrink } from "./shrink.ts";
import { compareSeeds } from "./suite.ts";

/** Programs to one QEMU process. */
const BATCH = 1000;
/** Failures that are shrunk and printed. */
const EXPLAINED = 3;
/** What runs without options. */
const FULL_RUN = [
  { endian: "little", first: 1, count: 10_000, engine: "interp" },
  { endian: "big", first: 100_001, count: 2_000, engine: "interp" },
  { endian: "little", first: 1, count: 2_000, engine: "jit" },
  { endian: "big", first: 100_001, count: 1_000, engine: "jit" },
  { endian: "little", first: 2_001, count: 2_000, engine: "auto" },
  { endian: "big", first: 101_001, count: 1_000, engine: "auto" },
] as const satisfies readonly Stretch[];

interface Stretch {
  readonly endian: Endian;
  readonly first: number;
  readonly count: number;
  readonly engine: EngineName;
}

function parse(args: readonly string[]): readonly Stretch[] {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: "string" },
        count: { type: "string" },
        endian: { type: "string" },
        engine: { type: "string" },
      },
    });
    if (Object.keys(values).length === 0) return FULL_RUN;
    const { seed, count, endian } = values;
    const engine = ENGINE_NAMES.find((name) => name === (values.engine ?? "interp"));
    const first = Number(seed ?? 1);
    const programs = Number(count ?? BATCH);
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(programs) || programs < 1)
      throw new OracleUsageError("--seed and --count take whole numbers");
    if (endian !== undefined && endian !== "big" && endian !== "little")
      throw new OracleUsageError("--endian is little or big");
    if (engine === undefined) throw new OracleUsageError(`--engine is one of ${ENGINE_NAMES.join(", ")}`);
    return [{ endian: endian ?? "little", first, count: programs, engine }];
  } catch (error) {
    throw error instanceof OracleUsageError ? error : new OracleUsageError((error as Error).message);
  }
}

async function run(args: readonly string[]): Promise<boolean> {
  const stretches = parse(args);
  const differences = REGISTER_DIFFERENCES.length + TRACE_DIFFERENCES.length + AVOIDED_DIFFERENCES.length;
  let failed = 0;
  for (const { endian, first, count, engine } of stretches) {
    const missing = qemuMissing(endian);
    if (missing !== null) throw new OracleUsageError(missing);
    const exceptions = new Map<string, number>();
    let machineChecks = 0;
    let different = 0;
    for (let at = first; at < first + count; at += BATCH) {
      const report = await compareSeeds(at, Math.min(BATCH, first + count - at), endian, engine);
      for (const [name, times] of report.exceptions)
        exceptions.set(name, (exceptions.get(name) ?? 0) + times);
      machineChecks += report.machineChecks;
      different += report.failures.length + report.reset.length;
      for (const { what, qemu, kseg } of report.reset)
        console.log(`  ${what}: QEMU ${qemu.toString(16)}, kseg ${kseg.toString(16)}`);
      for (const failure of report.failures.slice(0, Math.max(0, EXPLAINED - failed)))
        console.log(explain(await shrink(failure, endian, engine), endian));
      failed += report.failures.length + report.reset.length;
    }
    console.log(
      `  ${endian} endian, ${engine}: programs ${first} to ${first + count - 1}, ${different} of ${count} differ, ` +
        `${machineChecks} not compared after a machine check`,
    );
    const causes = [...exceptions].sort((a, b) => b[1] - a[1]).map(([name, times]) => `${name} ${times}`);
    console.log(`  exceptions: ${causes.join(", ")}`);
  }
  console.log(`  ${differences} known differences, with reasons, in test/oracle/qemu/known-differences.ts`);
  return failed === 0;
}

/** Generated programs, run bare in kseg and in QEMU. */
export const architecture: OracleSuite = {
  name: "architecture",
  summary: "generated programs, run bare in kseg and in QEMU",
  options: [
    "--seed N        first program (default 1)",
    `--count N       programs (default ${BATCH})`,
    "--endian ENDIAN little or big",
    `--engine NAME   ${ENGINE_NAMES.join(", ")} (default interp)`,
  ],
  run,
};

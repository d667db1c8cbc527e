import { parseArgs } from "node:util";
import type { Endian } from "../../../src/machine/memory.ts";
import { qemuMissing } from "../malta.ts";
import type { OracleSuite } from "../suites.ts";
import { OracleUsageError } from "../usage.ts";
import { explain } from "./compare.ts";
import { CPU_NAMES, type CpuName } from "./generator.ts";
import { AVOIDED_DIFFERENCES, REGISTER_DIFFERENCES } from "./known-differences.ts";
import { compareSeeds } from "./suite.ts";

/** Failures that are printed. */
const EXPLAINED = 3;
const PROGRAMS = 1000;

interface Stretch {
  readonly cpu: CpuName;
  readonly endian: Endian;
  readonly first: number;
  readonly count: number;
}

/** What runs without options: each CPU in both byte orders. */
const FULL_RUN: readonly Stretch[] = CPU_NAMES.flatMap((cpu) => [
  { cpu, endian: "little", first: 1, count: 4 * PROGRAMS } as const,
  { cpu, endian: "big", first: 100_001, count: PROGRAMS } as const,
]);

function parse(args: readonly string[]): readonly Stretch[] {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: "string" },
        count: { type: "string" },
        endian: { type: "string" },
        cpu: { type: "string" },
      },
    });
    if (Object.keys(values).length === 0) return FULL_RUN;
    const first = Number(values.seed ?? 1);
    const count = Number(values.count ?? PROGRAMS);
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1)
      throw new OracleUsageError("--seed and --count take whole numbers");
    const { endian = "little" } = values;
    if (endian !== "big" && endian !== "little") throw new OracleUsageError("--endian is little or big");
    const cpus = CPU_NAMES.filter((name) => values.cpu === undefined || name === values.cpu);
    if (cpus.length === 0) throw new OracleUsageError(`--cpu is one of ${CPU_NAMES.join(", ")}`);
    return cpus.map((cpu) => ({ cpu, endian, first, count }));
  } catch (error) {
    throw error instanceof OracleUsageError ? error : new OracleUsageError((error as Error).message);
  }
}

async function run(args: readonly string[]): Promise<boolean> {
  let failed = 0;
  for (const { cpu, endian, first, count } of parse(args)) {
    const missing = qemuMissing(endian);
    if (missing !== null) throw new OracleUsageError(missing);
    const failures = await compareSeeds(cpu, endian, first, count);
    for (const { program, engine, mismatches } of failures.slice(0, Math.max(0, EXPLAINED - failed)))
      console.log(`by ${engine}:\n${explain(program, mismatches)}`);
    failed += failures.length;
    console.log(
      `  ${cpu}, ${endian} endian: programs ${first} to ${first + count - 1}, ${failures.length} of ${count} differ`,
    );
  }
  const differences = REGISTER_DIFFERENCES.length + AVOIDED_DIFFERENCES.length;
  console.log(`  ${differences} known differences, with reasons, in test/oracle/fpu/known-differences.ts`);
  return failed === 0;
}

/** Generated FPU programs, run bare in kseg and in QEMU. */
export const fpu: OracleSuite = {
  name: "fpu",
  summary: "generated FPU programs, run bare in kseg and in QEMU",
  options: [
    "--seed N        first program (default 1)",
    `--count N       programs (default ${PROGRAMS})`,
    "--endian ENDIAN little or big",
    `--cpu NAME      ${CPU_NAMES.join(", ")} (default: each)`,
  ],
  run,
};

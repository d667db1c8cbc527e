import type { OracleSuite } from "../suites.ts";
import { OracleUsageError } from "../usage.ts";
import { qemuMissing } from "../malta.ts";
import { KNOWN_DIFFERENCES } from "./compare.ts";
import { CONFIGURATIONS } from "./configurations.ts";
import { compareConfiguration } from "./suite.ts";

/** Complaints of a configuration that are printed. */
const SHOWN = 20;

async function run(args: readonly string[]): Promise<boolean> {
  if (args.length > 0) throw new OracleUsageError("takes no options");
  let agreed = true;
  for (const configuration of CONFIGURATIONS) {
    const missing = qemuMissing(configuration.endian);
    if (missing !== null) throw new OracleUsageError(missing);
    const result = await compareConfiguration(configuration);
    const { handlerWords, scenarios, exits, refills, entries, complaints } = result;
    console.log(
      `  ${configuration.name} (QEMU ${configuration.qemuCpu}): ${handlerWords} words, ${scenarios} scenarios, ` +
        `${exits} exits, ${refills} refills, ${entries} TLB entries, ${complaints.length} differences`,
    );
    for (const complaint of complaints.slice(0, SHOWN)) console.log(`    ${complaint}`);
    if (complaints.length > 0) agreed = false;
  }
  console.log(
    `  ${KNOWN_DIFFERENCES.length} known differences, with reasons, in test/oracle/generated/compare.ts`,
  );
  return agreed;
}

/** The generated code and its page tables, in a bare image in kseg and in QEMU. */
export const generated: OracleSuite = {
  name: "generated",
  summary: "TLB refills and exits by the generated code, in a bare image in kseg and in QEMU",
  options: [],
  run,
};

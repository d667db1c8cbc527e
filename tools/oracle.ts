import { SUITES } from "../test/oracle/suites.ts";
import { OracleUsageError } from "../test/oracle/usage.ts";
import { toolArguments, usageError } from "./tool-flags.ts";

/** `npm run oracle [-- SUITE [OPTIONS]]`: compares kseg with QEMU. All suites if none is named. */
const [name, ...args] = toolArguments({
  name: "oracle",
  summary: "compares kseg with QEMU; all suites, or the one that is named first",
  help: SUITES.flatMap((suite) => [
    `${suite.name}: ${suite.summary}`,
    ...suite.options.map((option) => `    ${option}`),
  ]),
});
const chosen = SUITES.filter((suite) => name === undefined || suite.name === name);
if (chosen.length === 0) usageError("oracle", `there is no suite ${name}`);
for (const suite of chosen) {
  console.log(`${suite.name}: ${suite.summary}`);
  try {
    if (!(await suite.run(args))) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof OracleUsageError)) throw error;
    console.error(`${suite.name}: ${error.message}`);
    process.exitCode = 2;
  }
}

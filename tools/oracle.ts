import { SUITES } from "../test/oracle/suites.ts";
import { OracleUsageError } from "../test/oracle/usage.ts";

/** `npm run oracle [-- SUITE [OPTIONS]]`: compares kseg with QEMU. All suites if none is named. */
const [name, ...args] = process.argv.slice(2);
const chosen = SUITES.filter((suite) => name === undefined || suite.name === name);
if (chosen.length === 0) {
  console.error(`usage: npm run oracle [-- SUITE [OPTIONS]]`);
  for (const suite of SUITES) {
    console.error(`  ${suite.name}: ${suite.summary}`);
    for (const option of suite.options) console.error(`      ${option}`);
  }
  process.exit(2);
}
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

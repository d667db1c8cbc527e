/** Reporters for vitest: the usual one, and JSON into the file that KSEG_TEST_REPORT names (.ci/run counts it). */
const file = process.env["KSEG_TEST_REPORT"];
export const reporters: (string | [string, { outputFile: string }])[] =
  file === undefined ? ["default"] : ["default", ["json", { outputFile: file }]];

/** What .ci/run asks of vitest by its environment; without it all is as a developer wants it. */

/** Reporters: the usual one, and JSON into the file that KSEG_TEST_REPORT names (.ci/run counts it). */
const file = process.env["KSEG_TEST_REPORT"];
export const reporters: (string | [string, { outputFile: string }])[] =
  file === undefined ? ["default"] : ["default", ["json", { outputFile: file }]];

/**
 * How often a test that failed is tried again: not at all, or once with KSEG_TEST_RETRY=1. In the JSON report a test
 * that passed at its second try has the status "passed" and the first try's failure messages.
 */
export const retry = process.env["KSEG_TEST_RETRY"] === "1" ? 1 : 0;

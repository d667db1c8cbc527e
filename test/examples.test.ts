/** The programs in `examples` do what they say. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, startProgram } from "./cli/kseg.ts";

/** What each prints, of a guest that does the same in each run. The web page is tested in a browser: `test/web`. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  "boot-to-prompt.ts": /^at the prompt after 0\.\d\d s of its time\nps\n pid  name .*\n(.*\n)* +6  primes /,
};

test("each example is run", () => {
  const programs = readdirSync(join(ROOT, "examples"), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  expect(programs.sort()).toEqual(Object.keys(PRINTS).sort());
});

test.each(Object.entries(PRINTS))("%s", async (name, output) => {
  const { status, stdout, stderr } = await startProgram(process.execPath, [join("examples", name)], {
    cwd: ROOT,
  }).result;
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(output);
});

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "./tree.ts";

/** The project's own commands, by their names in package.json. */
const TOOLS = {
  fuzz: "tools/fuzz.ts",
  "fuzz:engines": "tools/fuzz-engines.ts",
  "fuzz:parsers": "tools/fuzz-parsers.ts",
  series: "tools/series.ts",
  oracle: "tools/oracle.ts",
  bless: "tools/bless.ts",
  package: "tools/package.ts",
  bench: "bench/run.ts",
  "bench:tables": "bench/tables.ts",
} as const;

const call = (tool: string, ...args: string[]) =>
  spawnSync(process.execPath, [tool, ...args], { cwd: ROOT, encoding: "utf8" });

describe.each(Object.entries(TOOLS))("npm run %s", (name, tool) => {
  it("helps", () => {
    const { status, stdout, stderr } = call(tool, "--help");
    expect(stdout).toMatch(new RegExp(`^npm run ${name}: .+\n\n( {2}.+\n)+$`));
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("refuses a flag that it does not have, in one line", () => {
    const { status, stdout, stderr } = call(tool, "--no-such-flag");
    expect(stderr).toMatch(new RegExp(`^${name}: [^\n]+; see npm run ${name} -- --help\n$`));
    expect(stdout).toBe("");
    expect(status).toBe(2);
  });
});

it("the package does not take the place of other files", () => {
  const folder = mkdtempSync(join(tmpdir(), "kseg-tools-"));
  const file = join(folder, "mine");
  writeFileSync(file, "");
  const { status, stderr } = call(TOOLS.package, folder);
  const kept = existsSync(file);
  rmSync(folder, { recursive: true });
  expect(stderr).toMatch(/^package: .* holds other files/);
  expect(status).toBe(2);
  expect(kept).toBe(true);
});

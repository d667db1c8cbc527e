import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(path.join(tmpdir(), "kseg-package-"));
const installed = path.join(folder, "node_modules/kseg");

beforeAll(() => {
  mkdirSync(path.dirname(installed), { recursive: true });
  const made = spawnSync(process.execPath, [path.join(root, "tools/package.ts"), installed], {
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`tools/package.ts: ${made.stderr}${made.stdout}`);
  for (const name of ["commander", "modern-tar", "xz-decompress"])
    symlinkSync(path.join(root, "node_modules", name), path.join(folder, "node_modules", name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("the package that others install runs the first program of README.md", () => {
  const readme = readFileSync(path.join(root, "README.md"), "utf8");
  const [, program] = /## As a library\n[^]*?```ts\n([^`]*)```/.exec(readme)!;
  writeFileSync(path.join(folder, "first.mjs"), program!);
  const run = spawnSync(process.execPath, ["first.mjs"], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  expect(run.stderr).toBe("");
  expect(run.stdout).toMatch(
    /kseg demo guest[^]*\n +1 +monitor [^]*power off\r?\n\{ fast: \d{3,}, slow: 0 \}\n$/,
  );
});

it("and brings its command line along", () => {
  const run = spawnSync(process.execPath, [path.join(installed, "lib/kseg.js"), "run", "--quiet"], {
    input: "poweroff\n",
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(run.stderr).toBe("");
  expect(run.status).toBe(0);
});

/** The outputs in docs/seeing.md are what the commands and the program there print. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { KSEG, ROOT, startProgram } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-documented-"));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "kseg"), `#!/bin/sh\nexec '${process.execPath}' '${KSEG}' "$@"\n`);
chmodSync(join(folder, "kseg"), 0o755);

const text = readFileSync(join(ROOT, "docs/seeing.md"), "utf8");

/** Runs a program to its end, and returns what it prints. */
async function printed(program: string, args: readonly string[], cwd: string): Promise<string> {
  const env = { ...process.env, PATH: `${folder}:${process.env["PATH"]}` };
  const { status, stdout, stderr } = await startProgram(program, args, { cwd, env }).result;
  expect(status, stderr).toBe(0);
  return stdout;
}

const sessions = [...text.matchAll(/```\n\$ (.*)\n([^`]*)```/g)].map(([, command, output]) => [
  command!,
  output!,
]);

test("there are as many commands as there should be", () => {
  expect(sessions.map(([command]) => /kseg (\w+)/.exec(command!)?.[1])).toEqual(["explain", "stat", "run"]);
});

test.each(sessions)("%s", async (command, output) => {
  expect(await printed("sh", ["-c", command], folder)).toBe(output);
});

test("the program in it", async () => {
  const [, program, output] = /```ts\n([^`]*)```\n\nIt prints:\n\n```\n([^`]*)```/.exec(text)!;
  const library = pathToFileURL(join(ROOT, "src/index.ts")).href;
  const file = join(folder, "program.ts");
  writeFileSync(file, program!.replace('"kseg"', JSON.stringify(library)));
  expect(await printed(process.execPath, [file], ROOT)).toBe(output);
});

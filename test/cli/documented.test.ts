/** The outputs in docs/seeing.md and docs/tour.md are what the commands and the program there print. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { KSEG, ROOT, startProgram } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-documented-"));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "kseg"), `#!/bin/sh\nexec '${process.execPath}' '${KSEG}' "$@"\n`);
chmodSync(join(folder, "kseg"), 0o755);

const readDocument = (name: string): string => readFileSync(join(ROOT, "docs", name), "utf8");

/** Runs a program to its end, and returns what it prints. */
async function printed(program: string, args: readonly string[], cwd: string): Promise<string> {
  const env = { ...process.env, PATH: `${folder}:${process.env["PATH"]}` };
  const { status, stdout, stderr } = await startProgram(program, args, { cwd, env }).result;
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Commands of a document, and what it says that they print. */
const sessionsIn = (document: string): [command: string, output: string][] =>
  [...readDocument(document).matchAll(/```\n\$ (.*)\n([^`]*)```/g)].map(([, command, output]) => [
    command!,
    output!,
  ]);

describe.each([
  ["seeing.md", { explain: 1, stat: 1, run: 1 }],
  ["tour.md", { run: 5, explain: 2, disasm: 2, stat: 9 }],
])("docs/%s", (document, counts) => {
  const sessions = sessionsIn(document);

  test("has as many commands as there should be", () => {
    const found: Record<string, number> = {};
    for (const [command] of sessions) {
      const name = /kseg (\w+)/.exec(command)![1]!;
      found[name] = (found[name] ?? 0) + 1;
    }
    expect(found).toEqual(counts);
  });

  test.each(sessions)("%s", async (command, output) => {
    // A serial line ends lines with two characters.
    expect((await printed("sh", ["-c", command], folder)).replaceAll("\r\n", "\n")).toBe(output);
  });
});

test("the program in docs/seeing.md", async () => {
  const [, program, output] = /```ts\n([^`]*)```\n\nIt prints:\n\n```\n([^`]*)```/.exec(
    readDocument("seeing.md"),
  )!;
  const library = pathToFileURL(join(ROOT, "src/index.ts")).href;
  const file = join(folder, "program.ts");
  writeFileSync(file, program!.replace('"kseg"', JSON.stringify(library)));
  expect(await printed(process.execPath, [file], ROOT)).toBe(output);
});

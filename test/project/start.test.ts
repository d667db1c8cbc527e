import { describe, expect, test } from "vitest";
import { importsIn, resolveImport, textOf } from "./tree.ts";

/** Modules of ours that are loaded with `entry`: what it imports at its top, and what that imports. */
function loadedWith(...entries: readonly string[]): Set<string> {
  const found = new Set(entries);
  for (const from of found) {
    // Types are gone when it runs, and what is imported in the middle of a line is loaded when it is needed.
    const source = textOf(from)
      .replace(/^(import|export) type [^;]*;/gm, "")
      .replace(/\bawait import\([^)]*\)/g, "");
    for (const specifier of importsIn(source))
      if (specifier.startsWith(".")) found.add(resolveImport(from, specifier));
  }
  return found;
}

describe("what a run of the demo guest loads", () => {
  const loaded = [...loadedWith("src/cli/main.ts", "src/cli/run-command.ts")];

  test("is the machine and the command", () => {
    expect(loaded).toEqual(expect.arrayContaining(["src/cli/program.ts", "src/engine/interpreter.ts"]));
  });

  test("is neither the cache of guests nor a command that was not asked for", () => {
    const isNeedless = (path: string): boolean =>
      /^src\/guests\/(index|cache|paths|apt|root-additions)\.ts$/.test(path) ||
      (/^src\/cli\/.*-command\.ts$/.test(path) && !/\/(run|help)-command\.ts$/.test(path));
    expect(loaded.filter(isNeedless)).toEqual([]);
  });
});

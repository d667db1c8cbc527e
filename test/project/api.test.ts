/** The public API: `src/index.ts` and `src/web/index.ts` list it, and nothing is in it that nobody uses. */
import { describe, expect, test } from "vitest";
import { apiReference } from "../../tools/api-reference.ts";
import { ENTRIES, exportsOf, type ApiExport } from "../../tools/api.ts";
import { filesBelow, importsIn, isTestOnly, resolveImport, textOf } from "./tree.ts";

/** Whoever builds on the library as others do. The gdb server is part of `src/cli`. */
const USERS = ["src/cli", "src/web", "web", "bench", "tools", "examples"];

/** How the assembler knows the operands of each instruction: nobody has to name these. */
const UNNAMED = ["EmitterBase", "InstructionRow", "Mnemonic", "OperandsOf", "Target"];

const users = USERS.flatMap((folder) => filesBelow(folder)).filter(
  (path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !isTestOnly(path),
);

/** Names that are imported from `entry`, by any of the users. */
function importedFrom(entry: string, packageName: string): Set<string> {
  const names = new Set<string>();
  for (const path of users) {
    for (const [, list, from] of textOf(path).matchAll(
      /^import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+["']([^"']+)["']/gm,
    )) {
      if (resolveImport(path, from!) !== entry && from !== packageName) continue;
      for (const name of list!.split(","))
        names.add(
          name
            .trim()
            .replace(/^type /, "")
            .split(/ as /)[0]!,
        );
    }
  }
  return names;
}

/** Whether the declaration of another export names it: a user of that one needs it. */
const isNamedBy = (one: ApiExport, others: readonly ApiExport[]): boolean =>
  others.some(
    ({ name, declaration }) => name !== one.name && new RegExp(`\\b${one.name}\\b`).test(declaration),
  );

describe.each(Object.entries(ENTRIES))("%s", (packageName, entry) => {
  const list = exportsOf(entry);

  test("has a docstring for each export", () => {
    expect(list.filter(({ doc }) => doc === "").map(({ name }) => name)).toEqual([]);
    expect(list.length).toBeGreaterThan(15);
  });

  test("exports nothing that neither the command line, the page, a tool nor an example uses", () => {
    const imported = importedFrom(entry, packageName);
    const unused = list.filter((one) => !imported.has(one.name) && !(one.asType && isNamedBy(one, list)));
    // Errors are thrown at users: they are told apart by their classes, caught or not.
    expect(unused.filter(({ name }) => !name.endsWith("Error")).map(({ name }) => name)).toEqual([]);
  });

  test("exports each type of the library that an export names", () => {
    const known = new Set([
      ...UNNAMED,
      ...Object.values(ENTRIES).flatMap((one) => exportsOf(one).map(({ name }) => name)),
    ]);
    const missing = list.flatMap((one) => typesNamedIn(one).filter((name) => !known.has(name)));
    expect([...new Set(missing)].sort()).toEqual([]);
  });
});

/** Types that the file of an export imports or exports, and its declaration names. */
function typesNamedIn({ file, declaration }: ApiExport): string[] {
  const text = textOf(file);
  const imported = [...text.matchAll(/^import\s+(?:type\s+)?\{([^}]*)\}/gm)].flatMap(([, list]) =>
    list!.split(","),
  );
  const declared = [...text.matchAll(/^(?:export )?(?:interface|type|class) (\w+)/gm)].map(
    ([, name]) => name!,
  );
  const names = [...imported.map((name) => name.trim().replace(/^type /, "")), ...declared];
  const code = declaration.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
  return names.filter((name) => /^[A-Z]\w*[a-z]/.test(name) && new RegExp(`\\b${name}\\b`).test(code));
}

test("docs/api.md is what npm run docs:api writes", async () => {
  expect(textOf("docs/api.md")).toBe(await apiReference());
});

test("pages import nothing of src but these lists and the worker", () => {
  const allowed = [...Object.values(ENTRIES), "src/web/worker.ts"];
  const imported = filesBelow("web")
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => importsIn(textOf(path)).map((to) => resolveImport(path, to)));
  const inner = imported.filter((to) => to.startsWith("src/") && !allowed.includes(to));
  expect(inner).toEqual([]);
  expect(imported).toContain("src/web/index.ts");
});

test("examples import the package by its name, and Node's modules", () => {
  const imported = filesBelow("examples")
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => importsIn(textOf(path)));
  expect(imported.filter((to) => !/^(kseg(\/|$)|node:)/.test(to))).toEqual([]);
  expect(imported.length).toBeGreaterThan(10);
});

import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { RUN_FLAGS } from "../../src/cli/flags.ts";
import { codeIn, commandsIn, linksIn, npmScriptsIn, pathsIn } from "./markdown.ts";
import { filesBelow, ROOT, textOf } from "./tree.ts";

const files = filesBelow();
const documents = files.filter((path) => path.endsWith(".md"));
const folders = new Set(files.flatMap(parents));
const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };

function parents(path: string): string[] {
  const parent = dirname(path);
  return parent === "." ? [] : [parent, ...parents(parent)];
}

/** Whether a path (perhaps with `*`) names something, seen from the folder of a document or from the top. */
function exists(path: string, from: string): boolean {
  return [normalize(join(from, path)), normalize(path)].some((candidate) => {
    const clean = candidate.replace(/\/$/, "");
    if (!clean.includes("*")) return files.includes(clean) || folders.has(clean);
    const pattern = new RegExp(`^${clean.replace(/[.+]/g, "\\$&").replaceAll("*", "[^/]*")}$`);
    return files.some((file) => pattern.test(file)) || [...folders].some((folder) => pattern.test(folder));
  });
}

function helpOf(...command: string[]): string {
  return execFileSync(process.execPath, [join(ROOT, "bin/kseg.js"), ...command, "--help"], {
    encoding: "utf8",
  });
}

/** Names in the "Commands:" part of a help text. */
function commandsOf(help: string): string[] {
  const list = help.split(/^Commands:$/m)[1] ?? "";
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name]) => name!);
}

describe.each(documents)("%s", (document) => {
  const text = textOf(document);
  const code = codeIn(text);

  test("names npm scripts that exist", () => {
    expect(code.flatMap(npmScriptsIn).filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  test("links to files that exist", () => {
    expect(linksIn(text).filter((target) => !exists(target, dirname(document)))).toEqual([]);
  });

  test("names paths that exist", () => {
    const here = dirname(document);
    const top = new Set([...readdirSync(ROOT), ...readdirSync(join(ROOT, here))]);
    for (const ignored of ["node_modules", "build", "dist", ".git"]) top.delete(ignored);
    const missing = code.flatMap((piece) => pathsIn(piece, top)).filter((path) => !exists(path, here));
    expect(missing).toEqual([]);
  });
});

describe("commands in the documents", () => {
  const helps = new Map<string, string>();
  let known: string[] = [];
  beforeAll(() => {
    helps.set("", helpOf());
    known = commandsOf(helps.get("")!);
    for (const name of known) helps.set(name, helpOf(name));
    for (const name of commandsOf(helps.get("guest") ?? ""))
      helps.set("guest", `${helps.get("guest")}\n${helpOf("guest", name)}`);
  });

  test("exist, with the options they are given", () => {
    const problems: string[] = [];
    let uses = 0;
    for (const document of documents) {
      for (const use of codeIn(textOf(document)).flatMap(commandsIn)) {
        uses++;
        if (use.command !== "" && !known.includes(use.command))
          problems.push(`${document}: kseg ${use.command}`);
        const help = helps.get(use.command) ?? "";
        for (const option of use.options)
          if (!help.includes(option)) problems.push(`${document}: kseg ${use.command} ${option}`);
      }
    }
    expect(problems).toEqual([]);
    expect(uses).toBeGreaterThan(5);
  });
});

test("the main documents are there and are read", () => {
  for (const name of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/glossary.md"])
    expect(documents).toContain(name);
  const pieces = documents.flatMap((document) => codeIn(textOf(document)));
  expect(pieces.flatMap(npmScriptsIn).length).toBeGreaterThan(5);
  expect(pieces.flatMap((piece) => pathsIn(piece, new Set(["src", "test"]))).length).toBeGreaterThan(20);
});

test("README.md lists the flags of kseg run, all of them and no others", () => {
  const listed = [...textOf("README.md").matchAll(/^\| `(--[a-z-]+)/gm)].map(([, name]) => name);
  expect(listed).toEqual(RUN_FLAGS.map(({ name }) => name));
});

describe("the reader of documents", () => {
  test("finds what is claimed", () => {
    const text =
      "Run `npm run nothing -- --x` and see [this](docs/nowhere.md#part).\n\n    kseg run --bogus 1\n";
    expect(codeIn(text).flatMap(npmScriptsIn)).toEqual(["nothing"]);
    expect(linksIn(text)).toEqual(["docs/nowhere.md"]);
    expect(codeIn(text).flatMap(commandsIn)).toEqual([{ command: "run", options: ["--bogus"] }]);
    expect(pathsIn("src/{a,b}.ts or n/a", new Set(["src"]))).toEqual(["src/a.ts", "src/b.ts"]);
    expect(commandsIn("printf 'help\\n' | npm start -- --quiet")).toEqual([
      { command: "run", options: ["--quiet"] },
    ]);
  });
});

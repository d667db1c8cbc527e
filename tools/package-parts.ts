/** What the package that others install consists of. */
import { spawnSync } from "node:child_process";
import { chmodSync, globSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

/** Folder of the checkout. */
export const ROOT = path.resolve(import.meta.dirname, "..");

interface Manifest {
  readonly [field: string]: unknown;
  readonly dependencies: Record<string, string>;
}

/** Files of the checkout that are in the package as they are. */
const FILES = [
  "guests/demo/demo-*.elf",
  "docs/*.{md,svg,png}",
  "examples/**",
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "LICENSE",
];

/** What `npx kseg` starts. */
const PROGRAM = "lib/kseg.js";
const PROGRAM_TEXT = `#!/usr/bin/env node
import { main } from "./cli/main.js";

process.exitCode = await main(process.argv.slice(2));
`;

/** What can be imported, by the module that it is in; types are beside each. */
const MODULES = {
  ".": "./lib/index",
  "./web": "./lib/web/index",
  "./web/worker": "./lib/web/worker",
} as const;

/** Paths of the files of the checkout that the package has. */
export function packagedFiles(): string[] {
  return globSync(FILES, { cwd: ROOT }).filter((file) => statSync(path.join(ROOT, file)).isFile());
}

/** The manifest of the package: JavaScript in place of the sources, without what only the checkout needs. */
export function publishedManifest(): string {
  const checkout = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as Manifest;
  const { name, version, description, license, type, engines, dependencies } = checkout;
  const modules = Object.entries(MODULES).map(([entry, file]) => [
    entry,
    { types: `${file}.d.ts`, default: `${file}.js` },
  ]);
  const published = {
    ...{ name, version, description, license, type, engines },
    bin: { kseg: PROGRAM },
    exports: { ...Object.fromEntries(modules), "./guests/*": "./guests/demo/*" },
    sideEffects: [`./${PROGRAM}`, "./lib/web/worker.js"],
    files: ["lib", ...FILES],
    dependencies,
  };
  return `${JSON.stringify(published, null, 2)}\n`;
}

/** Compiles the sources to `folder`/lib, in place of what is there. Ends the process if they do not compile. */
export function compileTo(folder: string): void {
  const lib = path.join(folder, "lib");
  rmSync(lib, { recursive: true, force: true });
  const typescript = path.dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  const { status } = spawnSync(
    process.execPath,
    [path.join(typescript, "bin/tsc"), "-p", path.join(ROOT, "tsconfig.build.json"), "--outDir", lib],
    // What npm is asked to print is its own.
    { stdio: ["ignore", process.stderr, "inherit"] },
  );
  if (status !== 0) process.exit(1);
  const program = path.join(folder, PROGRAM);
  writeFileSync(program, PROGRAM_TEXT);
  chmodSync(program, 0o755);
}

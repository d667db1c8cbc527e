/**
 * Makes the package that others install, in dist/package (or in the folder given): JavaScript and type
 * declarations instead of TypeScript, which Node does not run below node_modules, and a manifest without what
 * only this checkout needs. `npm pack ./dist/package` makes a file of it.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { toolArguments, usageError } from "./tool-flags.ts";

const root = path.resolve(import.meta.dirname, "..");
const [folder = path.join(root, "dist/package"), ...rest] = toolArguments({
  name: "package",
  summary: "makes the package that others install",
  help: ["FOLDER  where (default dist/package); what an earlier package left there is removed"],
});
const out = path.resolve(folder);
if (rest.length > 0 || folder.startsWith("-")) usageError("package", "takes one folder");
if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(path.join(out, "lib/cli/main.js")))
  usageError("package", `${folder} holds other files than a package of kseg`);

interface Manifest {
  readonly [field: string]: unknown;
  readonly dependencies: Record<string, string>;
}

const BIN = `#!/usr/bin/env node
import { main } from "../lib/cli/main.js";

process.exitCode = await main(process.argv.slice(2));
`;
const GUESTS = ["demo-te.elf", "demo-te-16k.elf", "demo-bare.elf"];

rmSync(out, { recursive: true, force: true });
mkdirSync(path.join(out, "bin"), { recursive: true });
const typescript = path.dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
const compiled = spawnSync(
  process.execPath,
  [
    path.join(typescript, "bin/tsc"),
    "-p",
    path.join(root, "tsconfig.build.json"),
    "--outDir",
    path.join(out, "lib"),
  ],
  { stdio: "inherit" },
);
if (compiled.status !== 0) process.exit(1);

writeFileSync(path.join(out, "bin/kseg.js"), BIN);
chmodSync(path.join(out, "bin/kseg.js"), 0o755);
for (const guest of GUESTS)
  cpSync(path.join(root, "guests/demo", guest), path.join(out, "guests/demo", guest));
for (const file of ["README.md", "LICENSE", "CHANGELOG.md"])
  cpSync(path.join(root, file), path.join(out, file));
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Manifest;
const { name, version, description, license, type, engines, dependencies } = manifest;
const published = {
  ...{ name, version, description, license, type, engines },
  bin: { kseg: "bin/kseg.js" },
  exports: { ".": { types: "./lib/index.d.ts", default: "./lib/index.js" } },
  dependencies,
};
writeFileSync(path.join(out, "package.json"), `${JSON.stringify(published, null, 2)}\n`);

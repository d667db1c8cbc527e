/**
 * Makes the package that others install, in dist/package (or in the folder given): JavaScript and type
 * declarations instead of TypeScript, which Node does not run below node_modules, and a manifest without what
 * only this checkout needs. `npm pack` makes a file of the same (tools/pack.ts).
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compileTo, packagedFiles, publishedManifest, ROOT } from "./package-parts.ts";
import { toolArguments, usageError } from "./tool-flags.ts";

const [folder = path.join(ROOT, "dist/package"), ...rest] = toolArguments({
  name: "package",
  summary: "makes the package that others install",
  help: ["FOLDER  where (default dist/package); what an earlier package left there is removed"],
});
const out = path.resolve(folder);
if (rest.length > 0 || folder.startsWith("-")) usageError("package", "takes one folder");
if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(path.join(out, "lib/cli/main.js")))
  usageError("package", `${folder} holds other files than a package of kseg`);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
compileTo(out);
for (const file of packagedFiles()) cpSync(path.join(ROOT, file), path.join(out, file));
writeFileSync(path.join(out, "package.json"), publishedManifest());

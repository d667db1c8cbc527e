/** The files of this repository, for tests that look at the project itself. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the checkout. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What `.gitignore` leaves out, and git's own folder. */
const IGNORED = new Set(["node_modules", "dist", "build", "coverage", ".git"]);

/** Paths of all files below `folder`, relative to the checkout, with forward slashes, sorted. */
export function filesBelow(folder = ""): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    if (IGNORED.has(entry.name) || entry.name.endsWith(".log")) continue;
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) found.push(...filesBelow(path));
    else if (entry.isFile()) found.push(path);
  }
  return found.sort();
}

/** Text of a file of the checkout. */
export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Text of a TypeScript file without its comments. Strings that contain comment signs are rare enough here. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** What a TypeScript source imports or re-exports, types included. */
export function importsIn(source: string): string[] {
  const code = withoutComments(source);
  const specifiers: string[] = [];
  for (const match of code.matchAll(
    /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm,
  ))
    specifiers.push(match[1] ?? match[2] ?? match[3]!);
  return specifiers;
}

/** Path that a relative import of `importer` means, relative to the checkout; others come back unchanged. */
export function resolveImport(importer: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return normalize(join(dirname(importer), specifier)).replaceAll("\\", "/");
}

/** Whether a source belongs to tests only: a test, or what tests share. */
export function isTestOnly(path: string): boolean {
  return /\.test\.ts$|(^|\/)(testing|test-[a-z-]+)\.ts$/.test(path);
}

/** The package as `npm pack` makes it, installed as others would. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { filesBelow, ROOT } from "../project/tree.ts";

/** How a program ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What npm tells of itself is none of what is tested. */
const QUIET = { npm_config_audit: "false", npm_config_fund: "false", npm_config_loglevel: "error" };

/** Runs a program in `cwd`, with the Node in the folder `node` before others. */
export function runIn(
  cwd: string,
  [program, ...args]: readonly [string, ...string[]],
  { input = "", node = dirname(process.execPath) } = {},
): Outcome {
  const env = { ...process.env, ...QUIET, PATH: `${node}${delimiter}${process.env["PATH"]}` };
  const { status, stdout, stderr } = spawnSync(program, args, {
    ...{ cwd, input, env, encoding: "utf8", timeout: 120_000 },
  });
  return { status, stdout, stderr };
}

/** A folder with nothing in it. */
const emptyFolder = (): string => mkdtempSync(join(tmpdir(), "kseg-installed-"));

/**
 * Packs a copy of the checkout with `npm pack`. Returns the file that it makes, and what of the copy is not as it was.
 */
export function pack(): { readonly tarball: string; readonly changed: readonly string[] } {
  const copy = emptyFolder();
  const files = filesBelow().filter((path) => !path.startsWith("lib/") && !path.endsWith(".tgz"));
  for (const path of files) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(ROOT, path), join(copy, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const packed = runIn(copy, ["npm", "pack"]);
  if (packed.status !== 0) throw new Error(`npm pack: ${packed.stderr}${packed.stdout}`);
  const tarball = readdirSync(copy).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error(`npm pack made no file: ${packed.stdout}`);
  const changed = files.filter(
    (path) => !readFileSync(join(copy, path)).equals(readFileSync(join(ROOT, path))),
  );
  const added = readdirSync(copy).filter((name) => name === "lib");
  return { tarball: join(copy, tarball), changed: [...changed, ...added] };
}

/** Installs packages in an empty folder. Returns the folder; null, with a line that says so, if that cannot be. */
export function install(...packages: readonly string[]): string | null {
  const folder = emptyFolder();
  // npm 12 runs the scripts of those packages only that are named.
  const manifest = { private: true, type: "module", allowScripts: { node: true } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  const { status, stderr } = runIn(folder, ["npm", "install", ...packages]);
  if (status === 0) return folder;
  console.log(`skipped: npm cannot install ${packages.join(" ")} here: ${stderr.trim().split("\n")[0]}`);
  return null;
}

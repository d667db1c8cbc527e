/** v86, an emulator of PCs whose engine is WebAssembly too: its npm package, fetched when it is first measured. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheRoot } from "../src/guests/cache.ts";
import { type Machine, UnavailableError } from "./machines.ts";

const PACKAGE = "v86@0.5.462";
const PROCESS = fileURLToPath(new URL("v86-process.ts", import.meta.url));

/** The package's folder `build`, in the cache of guests. @throws {UnavailableError} */
function v86Build(): string {
  const folder = join(cacheRoot(), "bench", PACKAGE);
  const build = join(folder, "node_modules/v86/build");
  if (existsSync(join(build, "v86.wasm"))) return build;
  const install = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", PACKAGE];
  const { error, status, stderr } = spawnSync("npm", install, { encoding: "utf8" });
  if (error === undefined && status === 0) return build;
  const why = error?.message ?? stderr.trim().split("\n").at(-1);
  throw new UnavailableError(`v86 is not there: "npm ${install.join(" ")}" failed: ${why}`);
}

/** v86 with a Multiboot kernel and a serial console, in this Node. */
export const V86: Machine = {
  name: "v86",
  command: ({ kernel, memory }) => [process.execPath, PROCESS, v86Build(), kernel, String(memory)],
};

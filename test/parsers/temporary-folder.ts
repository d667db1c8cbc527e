import { rmSync } from "node:fs";
import { makeScratchFolder } from "../../tools/coverage-fuzzer/scratch-folder.ts";

/** A folder of its own for a target, removed when the process ends. */
export function temporaryFolder(): string {
  const folder = makeScratchFolder("kseg-parsers-");
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

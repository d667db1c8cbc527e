import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of its own for a target, removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kseg-parsers-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

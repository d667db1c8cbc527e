/** What the tests of this layer share; nothing else imports it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";

/** A folder of its own for a test file, removed after its tests. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "kseg-guests-"));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

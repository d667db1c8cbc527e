/** Another revision of kseg, checked out beside this one for as long as it is measured. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kseg, THIS_KSEG, UnavailableError } from "./machines.ts";

function git(...args: string[]): string {
  return execFileSync("git", args, {
    cwd: THIS_KSEG.folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** What is checked out here: a commit, and whether files differ from it. Undefined outside of a repository. */
export function currentRevision(): string | undefined {
  try {
    return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").trim();
  } catch {
    return undefined;
  }
}

/**
 * Checks `revision` out into a folder that is removed when this process ends. It runs with the packages of this
 * checkout.
 * @throws {UnavailableError} if there is no such revision.
 */
export function checkOut(revision: string): Kseg {
  let commit: string;
  try {
    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`).trim();
  } catch {
    throw new UnavailableError(`there is no revision ${revision} in this repository`);
  }
  const parent = mkdtempSync(join(tmpdir(), "kseg-bench-"));
  const folder = join(parent, "kseg");
  process.once("exit", () => {
    git("worktree", "remove", "--force", folder);
    rmSync(parent, { recursive: true, force: true });
  });
  git("worktree", "add", "--quiet", "--detach", folder, commit);
  symlinkSync(join(THIS_KSEG.folder, "node_modules"), join(folder, "node_modules"));
  return { name: commit.slice(0, 8), folder };
}

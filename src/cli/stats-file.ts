/** The file that `--stats` names. */
import { closeSync, openSync, realpathSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { systemReason } from "../guests/index.ts";
import type { Stats } from "../index.ts";
import { CliError, STATUS, UsageError } from "./errors.ts";

/**
 * A file that is either written whole or left as it was. It is tried out on construction, before a long run
 * whose statistics could not be kept. Throws {@link UsageError} then, {@link CliError} later.
 */
export class StatsFile {
  private readonly name: string;
  private readonly target: string;
  /** Where the contents go before they take the target's name; none if the target is no regular file. */
  private readonly temporary: string | null;

  constructor(name: string) {
    this.name = name;
    try {
      const existing = statSync(name, { throwIfNoEntry: false });
      if (existing?.isDirectory() === true) throw new UsageError(`--stats ${name}: is a directory`);
      // A device or pipe is written to; taking its name would replace it.
      const inPlace = existing !== undefined && !existing.isFile();
      this.target = inPlace ? name : resolveLink(name);
      this.temporary = inPlace ? null : `${this.target}.${process.pid}.tmp`;
      if (existing?.isFile() === true) closeSync(openSync(this.target, "a"));
      if (this.temporary !== null) {
        closeSync(openSync(this.temporary, "w"));
        unlinkSync(this.temporary);
      }
    } catch (error) {
      throw error instanceof UsageError
        ? error
        : new UsageError(`--stats ${name}: ${reason(error)}`, { cause: error });
    }
  }

  /** Writes the statistics and, the only thing that depends on real time, the seconds that the run took. */
  write(stats: Stats, seconds: number): void {
    const text = `${JSON.stringify({ ...stats, seconds }, null, 2)}\n`;
    const { target, temporary } = this;
    try {
      writeFileSync(temporary ?? target, text);
      if (temporary !== null) renameSync(temporary, target);
    } catch (error) {
      if (temporary !== null) discard(temporary);
      throw new CliError(`--stats ${this.name}: ${reason(error)}`, STATUS.failed, { cause: error });
    }
  }
}

function resolveLink(name: string): string {
  try {
    return realpathSync(name);
  } catch {
    return path.resolve(name);
  }
}

function discard(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // It was never made, or is gone with its folder.
  }
}

function reason(error: unknown): string {
  return systemReason(error) ?? (error instanceof Error ? error.message : String(error));
}

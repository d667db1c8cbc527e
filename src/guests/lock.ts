/**
 * Locks on folders of the cache: one process at a time works there. The lock is a file that its holder touches
 * again and again, so a holder that died is noticed on every system and file system, whatever became of its
 * process number. Nothing compares clocks: a lock is dead when it was looked at often enough without a change. Looks are
 * counted, and no time that passes between them: a computer that was asleep has let the holder sleep as well.
 */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { lstat, readFile, rm, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { CacheError, systemCode } from "./errors.ts";
import { guarded, makeFolder } from "./file-system.ts";
import { STOP_SIGNALS } from "./process.ts";

/** How often a lock is touched and looked at, in milliseconds. */
export interface LockTiming {
  /** Between two touches by the holder. */
  readonly beat: number;
  /** Without a change in all looks of this long, a lock is dead: many beats, because a loaded machine misses some. */
  readonly deadAfter: number;
  /** Between two looks by who waits. */
  readonly poll: number;
}

/** Timing between processes; file systems may keep times in steps of two seconds. */
const TIMING: LockTiming = { beat: 2000, deadAfter: 15_000, poll: 50 };

/** The lock's name in its folder. */
export const LOCK_FILE = "lock";

/** The locks that this process holds. */
const held = new Set<string>();

/** Ends this process by a signal, and leaves no lock. */
function abandon(signal: NodeJS.Signals): void {
  // Whoever else listens ends the work in order: a program that is at work in the folder has to end first.
  if (process.listenerCount(signal) > 1) return;
  for (const file of held) rmSync(file, { force: true });
  for (const one of STOP_SIGNALS) process.off(one, abandon);
  process.kill(process.pid, signal);
}

function hold(file: string): void {
  if (held.size === 0) for (const signal of STOP_SIGNALS) process.on(signal, abandon);
  held.add(file);
}

function letGo(file: string): void {
  held.delete(file);
  if (held.size === 0) for (const signal of STOP_SIGNALS) process.off(signal, abandon);
}

/**
 * Runs `work` while no other process is at work in `folder` (made when missing), waiting up to `patience`
 * milliseconds for it. A dead lock is taken over, however short the patience: telling it apart takes
 * `timing.deadAfter`. A holder that was stopped for longer than that has lost its lock.
 * @throws {CacheError} when another process keeps the lock, or the folder cannot be used.
 */
export async function withLock<T>(
  folder: string,
  patience: number,
  work: () => Promise<T>,
  timing: LockTiming = TIMING,
): Promise<T> {
  await makeFolder(folder);
  const file = path.join(folder, LOCK_FILE);
  const giveUpAt = performance.now() + patience;
  const enough = Math.ceil(timing.deadAfter / timing.poll);
  let seen = { state: "", looks: 0 };
  const own = `${process.pid} ${randomUUID()}\n`;
  while (!(await guarded(file, () => create(file, own)))) {
    const state = await stateOf(file);
    if (state !== seen.state) {
      // A change between two looks is the sign of life that distinguishes a holder from its remains.
      if (seen.state !== "" && state !== "" && performance.now() >= giveUpAt) {
        throw new CacheError(
          folder,
          `in use by another kseg command (process ${Number.parseInt(await textOf(file), 10)}); wait until it ends`,
        );
      }
      seen = { state, looks: 0 };
    } else if (state !== "" && ++seen.looks >= enough) await rm(file, { force: true, recursive: true });
    await setTimeout(timing.poll);
  }
  const beat = setInterval(() => {
    const now = new Date();
    // Failing to touch it is not the work's failure: the next beat may succeed.
    utimes(file, now, now).catch(() => undefined);
  }, timing.beat);
  beat.unref();
  hold(file);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    letGo(file);
    if ((await textOf(file)) === own) await rm(file, { force: true });
  }
}

/** Makes the lock, unless it is there. */
async function create(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** What changes when the file is touched or made anew; empty without a file. */
function stateOf(file: string): Promise<string> {
  return lstat(file).then(
    ({ ino, mtimeMs }) => `${ino} ${mtimeMs}`,
    () => "",
  );
}

function textOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}

/** File system calls on the cache: what fails is a {@link CacheError} that says where, why and what to do. */
import type { Stats } from "node:fs";
import { lstat, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { CacheError, systemCode, systemReason } from "./errors.ts";

/** What the user can do about a failed call on the cache. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: "free some space, or set KSEG_CACHE to a folder on another disk",
  EDQUOT: "free some space, or set KSEG_CACHE to a folder on another disk",
  EMFILE: "close other programs and try again",
  ENFILE: "close other programs and try again",
  EBUSY: "close the programs that use it and try again",
  ETXTBSY: "close the programs that use it and try again",
  EIO: "check the disk, or set KSEG_CACHE to a folder on another disk",
  ENAMETOOLONG: "set KSEG_CACHE to a shorter path",
};

const OTHER_REMEDY = "set KSEG_CACHE to a folder that can be used";

/** Runs `work`; failed system calls become a {@link CacheError} about `file`, with what to do. */
export async function guarded<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    const remedy = REMEDIES[systemCode(error) ?? ""] ?? OTHER_REMEDY;
    throw new CacheError(file, `${reason}; ${remedy}`, { cause: error });
  }
}

/**
 * Makes a folder and those above it. Node's own recursive mkdir does not end where a folder is there but nothing
 * can be made in it, and "no such file" is the reason given (as in /proc).
 * @throws {CacheError} when it cannot be made, or something else has its name.
 */
export async function makeFolder(folder: string): Promise<void> {
  const make = async (): Promise<"made" | "no parent"> => {
    try {
      await mkdir(folder);
      return "made";
    } catch (error) {
      const code = systemCode(error);
      if (code === "ENOENT" && !(await isThere(path.dirname(folder)))) return "no parent";
      // Some systems complain about permissions or the file system before they notice that it is there.
      if (await isFolder(folder)) return "made";
      if (code === "EEXIST") throw notAFolder(folder);
      if (code === "ENOENT") throw new CacheError(folder, `no folder can be made there; ${OTHER_REMEDY}`);
      throw error;
    }
  };
  await guarded(folder, async () => {
    if ((await make()) === "made") return;
    await makeFolder(path.dirname(folder));
    await mkdir(folder).catch(async (error: unknown) => {
      if (!(await isFolder(folder))) throw error;
    });
  });
}

/** The error about something in a folder's place. */
export function notAFolder(file: string): CacheError {
  return new CacheError(file, "is not a folder, and a folder has to be there; delete it or move it away");
}

/** What `file` is, or undefined when it is not there, or a link to nothing. */
export async function statIfThere(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** True when `folder` is a folder, or a link to one. */
export function isFolder(folder: string): Promise<boolean> {
  return stat(folder).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/** True when there is anything of this name, even a link that leads nowhere. */
export function isThere(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

/** A folder of this computer as a part of a guest's root file system. */
import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import path from "node:path";
import type { CpioEntry } from "../archives/cpio.ts";
import { GuestInputError, systemReason } from "./errors.ts";

/** A folder's contents. */
export interface Share {
  /** For the guest's root file system, the folder itself first. */
  readonly entries: readonly CpioEntry[];
  /** What cannot be in an archive, and what it is, such as "tests/log (a socket)". */
  readonly leftOut: readonly string[];
}

/**
 * Reads `folder` and all below it, to be called `name` in the guest. Links stay links; permissions stay as they are, but
 * everything belongs to root. `most` limits the bytes that it takes in the guest: null if it would be more.
 * @throws {GuestInputError} when something cannot be read, or a name is not UTF-8.
 */
export async function readShare(folder: string, name: string, most: number): Promise<Share | null> {
  const reader = new ShareReader(most);
  const info = await guarded(folder, () => stat(folder));
  if (!info.isDirectory()) throw new GuestInputError(folder, "is no folder; give the folder with your files");
  return (await reader.addFolder(folder, name, info.mode)) ? reader : null;
}

/** Files take whole pages, and so do, more or less, their inodes. */
const PAGE = 4096;
const PERMISSIONS = 0o7777;

class ShareReader implements Share {
  readonly entries: CpioEntry[] = [];
  readonly leftOut: string[] = [];
  private readonly most: number;
  private bytes = 0;

  constructor(most: number) {
    this.most = most;
  }

  /** False if there is too much. */
  async addFolder(folder: string, name: string, mode: number): Promise<boolean> {
    this.entries.push({ type: "directory", name, mode: mode & PERMISSIONS });
    const children = await guarded(folder, () => readdir(folder, { encoding: "buffer" }));
    for (const bytes of children.sort((a, b) => a.compare(b))) {
      const child = bytes.toString("utf8");
      const file = path.join(folder, child);
      if (!Buffer.from(child).equals(bytes))
        throw new GuestInputError(file, "its name is not UTF-8: rename it");
      if (!(await this.add(file, `${name}/${child}`))) return false;
    }
    return true;
  }

  private async add(file: string, name: string): Promise<boolean> {
    const info = await guarded(file, () => lstat(file));
    const mode = info.mode & PERMISSIONS;
    this.bytes += PAGE + (info.isFile() ? Math.ceil(info.size / PAGE) * PAGE : 0);
    if (this.bytes > this.most) return false;
    if (info.isDirectory()) return this.addFolder(file, name, mode);
    if (info.isSymbolicLink())
      this.entries.push({ type: "symlink", name, mode, target: await guarded(file, () => readlink(file)) });
    else if (info.isFile()) {
      this.entries.push({ type: "file", name, mode, data: await guarded(file, () => readFile(file)) });
    } else {
      const kind = info.isSocket() ? "a socket" : info.isFIFO() ? "a pipe" : "a device";
      this.leftOut.push(`${file} (${kind})`);
    }
    return true;
  }
}

/** What `read` gives. @throws {GuestInputError} that names `file`, when the system refuses. */
async function guarded<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new GuestInputError(file, systemReason(error) ?? String(error), { cause: error });
  }
}

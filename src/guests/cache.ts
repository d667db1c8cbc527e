/**
 * The cache of real guests, outside the checkout. One folder per artefact:
 *
 *     <root>/<artefact>/<files>, manifest.json      a finished artefact
 *     <root>/work/…                                 downloads and build trees, may be deleted at any time
 *     <folder>/lock                                 the process at work in that folder
 *
 * A manifest names every file with size and SHA-256 and is written last, by rename: an artefact without one
 * does not exist, so an interruption leaves either the old artefact, none, or the new one, never a mixture.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { CacheError, ChecksumError, systemCode, systemReason } from "./errors.ts";

/** How long a store waits for another process that stores the same artefact, in milliseconds. */
const STORE_PATIENCE = 60_000;

/** Time between two looks at a lock, in milliseconds. */
const LOCK_POLL = 50;

/** How long a lock without a number may be one that is just being made, in milliseconds. */
const LOCK_GRACE = 2000;

/** Everything the cache can hold. */
export const ARTEFACTS = [
  "debian-kernel",
  "busybox",
  "initramfs",
  "linux-source",
  "kvm-linux-4k",
  "kvm-linux-16k",
] as const;

/** Name of an artefact and of its folder. */
export type ArtefactName = (typeof ARTEFACTS)[number];

/** One file of an artefact. */
export interface ManifestFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
}

/** What `manifest.json` holds. */
export interface Manifest {
  readonly format: 1;
  readonly artefact: ArtefactName;
  readonly files: readonly ManifestFile[];
  /** Where the contents come from (package, version, …); free-form facts for people and for rebuild decisions. */
  readonly source: Readonly<Record<string, string>>;
}

/** A finished artefact: its manifest and its folder. */
export interface Artefact {
  readonly manifest: Manifest;
  readonly folder: string;
  /** Absolute path of the artefact's file `name`. */
  file(name: string): string;
}

/** Writes one file of an artefact under construction; the body may be streamed. */
export type PutFile = (name: string, body: Uint8Array | AsyncIterable<Uint8Array>) => Promise<ManifestFile>;

/**
 * The cache's folder: `KSEG_CACHE`, else `XDG_CACHE_HOME/kseg`, else the platform's usual place
 * (`~/.cache/kseg`, on macOS `~/Library/Caches/kseg`, on Windows `%LOCALAPPDATA%\kseg\Cache`).
 */
export function cacheRoot(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: string = process.platform,
  home: string = os.homedir(),
): string {
  if (env["KSEG_CACHE"]) return path.resolve(env["KSEG_CACHE"]);
  // The XDG specification tells programs to ignore relative paths here.
  const xdg = env["XDG_CACHE_HOME"];
  if (xdg && path.isAbsolute(xdg)) return path.join(xdg, "kseg");
  if (platform === "darwin") return path.join(home, "Library", "Caches", "kseg");
  if (platform === "win32") {
    return path.join(env["LOCALAPPDATA"] || path.join(home, "AppData", "Local"), "kseg", "Cache");
  }
  return path.join(home, ".cache", "kseg");
}

/** SHA-256 of a file, lower-case hexadecimal. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** Runs `work`; failed system calls become a {@link CacheError} about `file`. */
async function guarded<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new CacheError(file, reason, { cause: error });
  }
}

/** A cache folder; nothing is created before something is stored. */
export class GuestCache {
  readonly root: string;

  constructor(root: string = cacheRoot()) {
    this.root = root;
  }

  /** Path inside the folder for downloads and build trees. */
  work(...names: string[]): string {
    return path.join(this.root, "work", ...names);
  }

  /** Creates {@link work}'s folder and returns it. */
  async makeWork(...names: string[]): Promise<string> {
    const folder = this.work(...names);
    await guarded(folder, () => mkdir(folder, { recursive: true }));
    return folder;
  }

  /**
   * Makes sure that `bytes` of disk are free, before programs start that behave badly on a full disk.
   * @throws {CacheError} when they are not.
   */
  async requireSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await guarded(this.root, () => statfs(this.root));
    const free = bavail * bsize;
    if (free >= bytes) return;
    const megabytes = (count: number): string => `${Math.floor(count / 1e6)} MB`;
    throw new CacheError(this.root, `${megabytes(bytes)} of disk are needed, ${megabytes(free)} are free`);
  }

  /**
   * The artefact, or undefined when it is not there. Every file is read and compared with its SHA-256.
   * @throws {ChecksumError} when a file differs from the manifest. @throws {CacheError} when one cannot be read.
   */
  async load(name: ArtefactName): Promise<Artefact | undefined> {
    const folder = path.join(this.root, name);
    const manifest = await this.#manifest(name, folder);
    if (manifest === undefined) return undefined;
    for (const file of manifest.files) {
      const full = path.join(folder, file.name);
      const { size } = await guarded(full, () => stat(full));
      if (size !== file.size) throw new CacheError(full, `has ${size} bytes, its manifest says ${file.size}`);
      const actual = await guarded(full, () => sha256OfFile(full));
      if (actual !== file.sha256) throw new ChecksumError(full, file.sha256, actual);
    }
    return { manifest, folder, file: (file) => path.join(folder, file) };
  }

  async #manifest(name: ArtefactName, folder: string): Promise<Manifest | undefined> {
    const file = path.join(folder, "manifest.json");
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (error) {
      const code = systemCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw new CacheError(file, systemReason(error) ?? String(error), { cause: error });
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new CacheError(file, "is not valid JSON; delete its folder and obtain the guest again", {
        cause: error,
      });
    }
    // A folder made by another version of kseg counts as absent and is made anew.
    return isManifest(value, name) ? value : undefined;
  }

  /**
   * Makes or replaces an artefact. `fill` writes its files with the given function and returns the manifest's
   * `source`. When it throws, the artefact stays as it was.
   * @throws {CacheError} when the disk is full or may not be written.
   */
  async store(
    name: ArtefactName,
    fill: (put: PutFile) => Promise<Readonly<Record<string, string>>>,
  ): Promise<Artefact> {
    const folder = path.join(this.root, name);
    return this.locked(folder, STORE_PATIENCE, async () => {
      const partial = path.join(folder, "partial");
      await guarded(folder, async () => {
        await rm(partial, { recursive: true, force: true });
        await mkdir(partial);
      });
      const files: ManifestFile[] = [];
      try {
        const source = await fill(async (file, body) => {
          const entry = await writeHashed(path.join(partial, file), file, body);
          files.push(entry);
          return entry;
        });
        files.sort((a, b) => (a.name < b.name ? -1 : 1));
        const manifest: Manifest = { format: 1, artefact: name, files, source };
        await guarded(folder, async () => {
          await writeFile(path.join(partial, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
          // From here to the last rename the artefact counts as absent.
          await rm(path.join(folder, "manifest.json"), { force: true });
          for (const { name: file } of files) await rename(path.join(partial, file), path.join(folder, file));
          await rename(path.join(partial, "manifest.json"), path.join(folder, "manifest.json"));
          // Files of the artefact before this one, under other names.
          const kept = new Set(["manifest.json", "lock", "partial", ...files.map((file) => file.name)]);
          for (const file of await readdir(folder)) if (!kept.has(file)) await rm(path.join(folder, file));
        });
        return { manifest, folder, file: (file) => path.join(folder, file) };
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    });
  }

  /**
   * Runs `work` while no other process is at work in `folder` (made when missing), waiting up to `patience`
   * milliseconds for it. A lock left by a process that no longer runs is taken over.
   * @throws {CacheError} when another process keeps the lock.
   */
  async locked<T>(folder: string, patience: number, work: () => Promise<T>): Promise<T> {
    await guarded(folder, () => mkdir(folder, { recursive: true }));
    const file = path.join(folder, "lock");
    const giveUpAt = Date.now() + patience;
    for (;;) {
      try {
        await writeFile(file, `${process.pid}\n`, { flag: "wx" });
        break;
      } catch (error) {
        if (systemCode(error) !== "EEXIST") {
          throw new CacheError(file, systemReason(error) ?? String(error), { cause: error });
        }
      }
      const holder = await lockHolder(file);
      if (holder === undefined) await rm(file, { force: true });
      else if (Date.now() < giveUpAt) await setTimeout(LOCK_POLL);
      else throw new CacheError(folder, `in use by another kseg command (process ${holder})`);
    }
    try {
      return await work();
    } finally {
      await rm(file, { force: true });
    }
  }
}

async function writeHashed(
  file: string,
  name: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<ManifestFile> {
  const hash = createHash("sha256");
  let size = 0;
  const handle = await guarded(file, () => open(file, "w"));
  try {
    const pieces = body instanceof Uint8Array ? [body] : body;
    for await (const piece of pieces) {
      hash.update(piece);
      size += piece.length;
      await guarded(file, () => handle.writeFile(piece));
    }
    await guarded(file, () => handle.sync());
  } finally {
    await handle.close();
  }
  return { name, size, sha256: hash.digest("hex") };
}

/** The process that holds a lock, or undefined when none does any more. */
async function lockHolder(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  if (text !== "") return isRunning(Number(text)) ? Number(text) : undefined;
  // The holder may be between creating the file and writing its number.
  const made = await stat(file).then(
    (info) => info.mtimeMs,
    () => 0,
  );
  return Date.now() - made < LOCK_GRACE ? 0 : undefined;
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}

function isManifest(value: unknown, name: ArtefactName): value is Manifest {
  if (typeof value !== "object" || value === null) return false;
  const { format, artefact, files, source } = value as Partial<Record<keyof Manifest, unknown>>;
  if (format !== 1 || artefact !== name || typeof source !== "object" || source === null) return false;
  if (!Array.isArray(files) || files.length === 0) return false;
  return files.every((file: Partial<Record<keyof ManifestFile, unknown>> | null) => {
    if (typeof file !== "object" || file === null) return false;
    const { name: fileName, size, sha256 } = file;
    // The name must stay inside the folder, whoever wrote the manifest.
    return (
      typeof fileName === "string" &&
      path.basename(fileName) === fileName &&
      typeof size === "number" &&
      typeof sha256 === "string"
    );
  });
}

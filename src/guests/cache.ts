/**
 * The cache of real guests, outside the checkout. One folder per artefact:
 *
 *     <artefact>: files, manifest.json   a finished artefact
 *     work                               downloads and build trees, may be deleted at any time
 *     lock, in either                    the process at work in that folder (lock.ts)
 *
 * A manifest names every file with size and SHA-256 and is written last, by rename: an artefact without one
 * does not exist, so an interruption leaves either the old artefact, none, or the new one, never a mixture.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, statfs, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { CacheError, ChecksumError } from "./errors.ts";
import { guarded, isFolder, isThere, makeFolder, notAFolder, statIfThere } from "./file-system.ts";
import { LOCK_FILE, type LockTiming, withLock } from "./lock.ts";

/** How long a store waits for another process that stores the same artefact, in milliseconds. */
const STORE_PATIENCE = 60_000;

const MANIFEST = "manifest.json";

/** Folder inside the artefact's for files that are being written. */
const PARTIAL = "partial";

/** Version of the manifest's form; another number means another version of kseg. */
const FORMAT = 1;

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
  readonly format: typeof FORMAT;
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
  if (env["KSEG_CACHE"]) return absolute(env["KSEG_CACHE"]);
  // The XDG specification tells programs to ignore relative paths here.
  const xdg = env["XDG_CACHE_HOME"];
  if (xdg && path.isAbsolute(xdg)) return path.join(xdg, "kseg");
  if (platform === "darwin") return path.join(home, "Library", "Caches", "kseg");
  if (platform === "win32") {
    return path.join(env["LOCALAPPDATA"] || path.join(home, "AppData", "Local"), "kseg", "Cache");
  }
  return path.join(home, ".cache", "kseg");
}

function absolute(folder: string): string {
  try {
    return path.resolve(folder);
  } catch (error) {
    throw new CacheError(folder, "the current folder is gone: go to another one, or give an absolute path", {
      cause: error,
    });
  }
}

/** SHA-256 of a file, lower-case hexadecimal. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** A cache folder; nothing is created before something is stored. */
export class GuestCache {
  readonly root: string;
  readonly #timing: LockTiming | undefined;

  /** `timing` is that of {@link withLock}; tests cannot wait as long as it does by itself. */
  constructor(root: string = cacheRoot(), timing?: LockTiming) {
    this.root = root;
    this.#timing = timing;
  }

  /** Path inside the folder for downloads and build trees. */
  work(...names: string[]): string {
    return path.join(this.root, "work", ...names);
  }

  /** Creates {@link work}'s folder and returns it. */
  async makeWork(...names: string[]): Promise<string> {
    const folder = this.work(...names);
    await makeFolder(folder);
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
    throw new CacheError(
      this.root,
      `${megabytes(bytes)} of disk are needed, ${megabytes(free)} are free; free some, or set KSEG_CACHE`,
    );
  }

  /**
   * The artefact, or undefined when it is not there. Every file is read and compared with its SHA-256.
   * @throws {ChecksumError} when a file differs from the manifest. @throws {CacheError} when one cannot be read.
   */
  async load(name: ArtefactName): Promise<Artefact | undefined> {
    const folder = path.join(this.root, name);
    const manifest = await readManifest(name, folder);
    if (manifest === undefined) return undefined;
    for (const file of manifest.files) {
      const full = path.join(folder, file.name);
      const info = await guarded(full, () => statIfThere(full));
      if (info === undefined) throw damaged(folder, `${file.name} is missing`);
      if (!info.isFile()) throw damaged(folder, `${file.name} is not a file`);
      if (info.size !== file.size) {
        throw damaged(folder, `${file.name} has ${info.size} bytes, its manifest says ${file.size}`);
      }
      const actual = await guarded(full, () => sha256OfFile(full));
      if (actual !== file.sha256) throw new ChecksumError(full, file.sha256, actual);
    }
    return { manifest, folder, file: (file) => path.join(folder, file) };
  }

  /**
   * Makes or replaces an artefact, a damaged one as well. `fill` writes its files with the given function and
   * returns the manifest's `source`. When it throws, the artefact stays as it was.
   * @throws {CacheError} when the disk is full or may not be written.
   */
  async store(
    name: ArtefactName,
    fill: (put: PutFile) => Promise<Readonly<Record<string, string>>>,
  ): Promise<Artefact> {
    const folder = path.join(this.root, name);
    return this.locked(folder, STORE_PATIENCE, async () => {
      const partial = path.join(folder, PARTIAL);
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
        const manifest: Manifest = { format: FORMAT, artefact: name, files, source };
        await guarded(folder, async () => {
          await writeFile(path.join(partial, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
          // From here to the last rename the artefact counts as absent.
          await rm(path.join(folder, MANIFEST), { force: true, recursive: true });
          for (const old of await readdir(folder)) {
            if (old !== LOCK_FILE && old !== PARTIAL) await rm(path.join(folder, old), { recursive: true });
          }
          for (const { name: file } of files) await rename(path.join(partial, file), path.join(folder, file));
          await rename(path.join(partial, MANIFEST), path.join(folder, MANIFEST));
        });
        return { manifest, folder, file: (file) => path.join(folder, file) };
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    });
  }

  /**
   * Runs `work` while no other process is at work in `folder` (made when missing), waiting up to `patience`
   * milliseconds for it.
   * @throws {CacheError} when another process keeps the lock.
   */
  locked<T>(folder: string, patience: number, work: () => Promise<T>): Promise<T> {
    return withLock(folder, patience, work, this.#timing);
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

/** The manifest in `folder`, or undefined when the artefact was never finished. @throws {CacheError} */
async function readManifest(name: ArtefactName, folder: string): Promise<Manifest | undefined> {
  const file = path.join(folder, MANIFEST);
  const info = await guarded(file, () => statIfThere(file));
  if (info === undefined) {
    if ((await isThere(folder)) && !(await isFolder(folder))) throw notAFolder(folder);
    if (!(await isThere(file))) return undefined;
  }
  // Opening a pipe would wait for ever for someone to write into it.
  if (info?.isFile() !== true) throw damaged(folder, "its manifest is not a file");
  const text = await guarded(file, () => readFile(file, "utf8"));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(folder, "its manifest is not valid JSON", error);
  }
  if (isManifest(value, name)) return value;
  // What another version of kseg made counts as absent and is made anew.
  if (isOtherFormat(value)) return undefined;
  throw damaged(folder, `its manifest is not that of ${name}`);
}

function damaged(folder: string, what: string, cause?: unknown): CacheError {
  return new CacheError(folder, `damaged: ${what}; obtain the guest again`, { cause });
}

function isOtherFormat(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("format" in value)) return false;
  return typeof value.format === "number" && value.format !== FORMAT;
}

function isManifest(value: unknown, name: ArtefactName): value is Manifest {
  if (typeof value !== "object" || value === null) return false;
  const { format, artefact, files, source } = value as Partial<Record<keyof Manifest, unknown>>;
  if (format !== FORMAT || artefact !== name || typeof source !== "object" || source === null) return false;
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

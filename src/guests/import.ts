/**
 * `kseg guest import FILE…`: the same packages, a kernel tarball or bare kernels and busybox, fetched by hand.
 * Files are told apart by what is in them, not by their names, and no other program is needed.
 */
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { AR_MAGIC } from "../archives/ar.ts";
import { compressionOf } from "../archives/compression.ts";
import { walkTar } from "../archives/tar.ts";
import type { Artefact, ArtefactName, GuestCache } from "./cache.ts";
import { readHead, storeDeb, WANTED_PACKAGES } from "./contents.ts";
import { decompress } from "./decompress.ts";
import { ELF_HEAD_BYTES, elfKind, isElf } from "./elf-kind.ts";
import { GuestError, GuestInputError, GuestUsageError, systemReason } from "./errors.ts";
import { ensureInitramfs } from "./initramfs.ts";
import type { Progress } from "./progress.ts";

/** The newest kernel series that still has the T&E guest and is known to build. */
const SERIES = "5.10";
const DEFCONFIG = "arch/mips/configs/malta_kvm_guest_defconfig";

/** A kernel's top Makefile has some 60 KB. */
const MAKEFILE_LIMIT = 1 << 20;

/**
 * Imports `files` in order and packs the initramfs when busybox is there.
 * @throws {GuestInputError} for the first file that is damaged or of no use; those before it stay imported.
 */
export async function importFiles(
  cache: GuestCache,
  files: readonly string[],
  progress: Progress,
): Promise<Artefact[]> {
  if (files.length === 0) throw new GuestUsageError("no files to import");
  const imported: Artefact[] = [];
  for (const file of files) {
    progress.step(`importing ${file}`);
    const artefact = await importFile(cache, file, progress);
    const { artefact: name, source } = artefact.manifest;
    progress.note(`${name}, version ${source["version"] ?? "unknown"}`);
    imported.push(artefact);
  }
  await ensureInitramfs(cache);
  return imported;
}

async function importFile(cache: GuestCache, file: string, progress: Progress): Promise<Artefact> {
  let head: Uint8Array;
  try {
    const info = await stat(file);
    if (!info.isFile()) throw new GuestInputError(file, info.isDirectory() ? "is a directory" : "not a file");
    if (info.size === 0) throw new GuestInputError(file, "is empty");
    head = await readHead(file, ELF_HEAD_BYTES);
  } catch (error) {
    if (error instanceof GuestError) throw error;
    throw new GuestInputError(file, systemReason(error) ?? String(error), { cause: error });
  }
  if (Buffer.from(head.subarray(0, AR_MAGIC.length)).toString("latin1") === AR_MAGIC) {
    return storeDeb(cache, file);
  }
  if (isElf(head)) return importElf(cache, file, head);
  if (compressionOf(head) !== "none") return importTarball(cache, file, head, progress);
  throw new GuestInputError(
    file,
    `neither a Debian package, a kernel tarball nor an ELF file; wanted: ${WANTED_PACKAGES}`,
  );
}

async function importElf(cache: GuestCache, file: string, head: Uint8Array): Promise<Artefact> {
  const contents = await readFile(file);
  const kind = elfKind(file, head, contents.length);
  const version = (pattern: RegExp): string => pattern.exec(contents.toString("latin1"))?.[1] ?? "unknown";
  const store = (name: ArtefactName, as: string, found: string): Promise<Artefact> =>
    cache.store(name, async (put) => {
      await put(as, contents);
      return { importedFrom: path.basename(file), version: found };
    });
  switch (kind.kind) {
    case "kernel":
      return store("debian-kernel", "vmlinuz", version(/Linux version (\S+) \(/));
    case "te-kernel": {
      if (kind.pageSize !== 0x1000 && kind.pageSize !== 0x4000) {
        throw new GuestInputError(
          file,
          `a T&E kernel with pages of ${kind.pageSize} bytes; 4k or 16k is needed`,
        );
      }
      const name = kind.pageSize === 0x1000 ? "kvm-linux-4k" : "kvm-linux-16k";
      return store(name, "vmlinux", version(/Linux version (\S+) \(/));
    }
    case "program": {
      const found = version(/BusyBox v(\d\S*) \(/);
      if (found === "unknown") throw new GuestInputError(file, "a program, but not busybox");
      return store("busybox", "busybox", found);
    }
  }
}

async function importTarball(
  cache: GuestCache,
  file: string,
  head: Uint8Array,
  progress: Progress,
): Promise<Artefact> {
  const compression = compressionOf(head);
  let members = 0;
  let makefile = "";
  let hasDefconfig = false;
  try {
    // Reading it all finds damage now and not in the middle of a build.
    await walkTar(decompress(createReadStream(file, { highWaterMark: 1 << 20 }), compression), (member) => {
      progress.count(`${++members} files`);
      const inside = member.name.slice(member.name.indexOf("/") + 1);
      hasDefconfig ||= inside === DEFCONFIG;
      if (inside !== "Makefile" || member.size > MAKEFILE_LIMIT) return "skip";
      return async (body) => {
        const pieces = [];
        for await (const piece of body) pieces.push(piece);
        makefile = Buffer.concat(pieces).toString("utf8");
      };
    });
  } catch (error) {
    const reason = systemReason(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GuestInputError(file, `not a readable tarball: ${reason}`, { cause: error });
  }
  const number = (name: string): string => new RegExp(`^${name} = (\\d+)$`, "m").exec(makefile)?.[1] ?? "?";
  const version = ["VERSION", "PATCHLEVEL", "SUBLEVEL"].map(number).join(".");
  if (version.includes("?")) throw new GuestInputError(file, "a tarball, but not of a Linux kernel");
  if (!hasDefconfig || !version.startsWith(`${SERIES}.`)) {
    throw new GuestInputError(
      file,
      `Linux ${version} is of no use here; the T&E guest is built from Linux ${SERIES}`,
    );
  }
  const suffix = { none: "", gzip: ".gz", xz: ".xz", zstd: ".zst" }[compression];
  return cache.store("linux-source", async (put) => {
    await put(`linux-${version}.tar${suffix}`, createReadStream(file, { highWaterMark: 1 << 20 }));
    return { importedFrom: path.basename(file), version };
  });
}

/** Files that the user picks or drops: which is the kernel, which the initrd. */
import { openPackage, PACKAGE_SETTINGS, type PackageParts, type Settings } from "../src/web/index.ts";
import type { ChosenFiles, NamedFile } from "./guest-session.ts";

const startsWith = (bytes: Uint8Array, ...magic: readonly number[]): boolean =>
  magic.every((byte, i) => bytes[i] === byte);

/** A file can be neither kernel nor initrd. */
export class FileError extends Error {
  constructor(name: string, reason: string) {
    super(`${name}: ${reason}`);
    this.name = "FileError";
  }
}

/** What files of the user's are, and how a guest of them is run if that is not the user's to say. */
interface SortedFiles {
  readonly files: ChosenFiles;
  readonly settings: Settings;
}

/**
 * Tells `files` apart by what is in them. What there is already and is not replaced stays, but a new kernel starts
 * without the old one's initrd. Throws {@link FileError}.
 */
export async function sortFiles(
  files: readonly File[],
  present: ChosenFiles,
  settings: Settings,
): Promise<SortedFiles> {
  const found: { kernel?: NamedFile; initrd?: NamedFile } = {};
  let packaged = {};
  for (const file of files) {
    const { name } = file;
    const isPackage = (await file.slice(0, 8).text()) === "!<arch>\n";
    const { part, bytes } = isPackage ? await fromPackage(file) : await plain(file);
    if (isPackage) packaged = PACKAGE_SETTINGS;
    if (found[part] !== undefined) throw new FileError(name, `there is another ${part}: ${found[part].name}`);
    found[part] = { name, bytes };
  }
  return {
    files: found.kernel === undefined ? { ...present, ...found } : found,
    settings: { ...settings, ...packaged },
  };
}

const SNAPSHOT_MAGIC = "KSEGSNAP";

/** Whether `file` is a saved state, packed or not. */
export async function isSnapshot(file: File): Promise<boolean> {
  const head = file.slice(0, 1 << 16);
  if ((await head.slice(0, 8).text()) === SNAPSHOT_MAGIC) return true;
  if (!startsWith(new Uint8Array(await head.slice(0, 2).arrayBuffer()), 0x1f, 0x8b)) return false;
  const reader = head.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  try {
    const { value } = await reader.read();
    return new TextDecoder().decode(value?.subarray(0, 8)) === SNAPSHOT_MAGIC;
  } catch {
    return false;
  } finally {
    // Of a piece of a file the end is missed.
    await reader.cancel().catch(() => undefined);
  }
}

async function fromPackage(file: File): Promise<PackageParts> {
  return openPackage(file).catch((error: unknown) => {
    throw new FileError(file.name, error instanceof Error ? error.message : String(error));
  });
}

async function plain(file: File): Promise<PackageParts> {
  const { name } = file;
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length === 0) throw new FileError(name, "is empty");
  if (startsWith(bytes, 0x7f, 0x45, 0x4c, 0x46)) return { part: "kernel", bytes };
  // cpio "newc", gzip, xz, zstd: what Linux takes as an initrd.
  if (
    startsWith(bytes, 0x30, 0x37, 0x30, 0x37, 0x30, 0x31) ||
    startsWith(bytes, 0x1f, 0x8b) ||
    startsWith(bytes, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00) ||
    startsWith(bytes, 0x28, 0xb5, 0x2f, 0xfd)
  )
    return { part: "initrd", bytes };
  throw new FileError(
    name,
    "neither an ELF kernel, nor an initrd (cpio, or compressed), nor a Debian package",
  );
}

/** Calls `take` with files that are dropped anywhere on the page. */
export function onFilesDropped(take: (files: readonly File[]) => void): void {
  const { body } = document;
  body.addEventListener("dragover", (event) => {
    event.preventDefault();
    body.classList.add("dropping");
  });
  body.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) body.classList.remove("dropping");
  });
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    body.classList.remove("dropping");
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) take(files);
  });
}

/** Files that the user picks or drops: which is the kernel, which the initrd, which a saved state. */
import {
  changeSettings,
  kernelSettings,
  openPackage,
  PACKAGE_SETTINGS,
  type PackageParts,
  type Settings,
} from "../src/web/index.ts";
import { messageOf } from "./dom.ts";
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

/** What the user's files are: a saved state, or a guest and how it is run. */
type SortedFiles =
  | { readonly snapshot: NamedFile }
  | { readonly snapshot: null; readonly files: ChosenFiles; readonly settings: Settings };

/**
 * Tells `files` apart by what is in them. What there is already and is not replaced stays, but a new kernel starts
 * without the old one's initrd. The settings are those that are `chosen`, with what the files need. Throws
 * {@link FileError}.
 */
export async function sortFiles(
  files: readonly File[],
  present: ChosenFiles,
  chosen: Settings,
): Promise<SortedFiles> {
  const found: { kernel?: NamedFile; initrd?: NamedFile } = {};
  for (const file of files) {
    const { name } = file;
    const kept = await keptBy(file);
    if (kept === "recording")
      throw new FileError(name, "is a recorded run, which kseg run --replay repeats: give a saved state");
    if (kept === "snapshot") {
      if (files.length > 1) throw new FileError(name, "is a saved state: give it alone");
      return { snapshot: { name, bytes: await bytesOf(file) } };
    }
    const isPackage = (await file.slice(0, 8).text()) === "!<arch>\n";
    const { part, bytes } = isPackage ? await fromPackage(file) : await plain(file);
    if (found[part] !== undefined) throw new FileError(name, `there is another ${part}: ${found[part].name}`);
    found[part] = { name, bytes, ...(isPackage && { settings: PACKAGE_SETTINGS }) };
  }
  const all = found.kernel === undefined ? { ...present, ...found } : found;
  const needed = {
    ...(all.kernel !== undefined && kernelSettings(all.kernel.bytes, chosen)),
    ...all.kernel?.settings,
    ...all.initrd?.settings,
  };
  return { snapshot: null, files: all, settings: changeSettings(chosen, needed) };
}

const bytesOf = async (file: File): Promise<Uint8Array> => new Uint8Array(await file.arrayBuffer());

/** What kseg keeps in files, by their first eight bytes. */
const KEPT = { KSEGSNAP: "snapshot", KSEGTAPE: "recording" } as const;

/**
 * What of kseg's is in `file`, packed or not: a saved state, or a recorded run; null: neither. What is called as saved
 * states are and cannot be told is one that is damaged at its beginning.
 */
async function keptBy(file: File): Promise<(typeof KEPT)[keyof typeof KEPT] | null> {
  const magic = await firstBytes(file);
  if (Object.hasOwn(KEPT, magic)) return KEPT[magic as keyof typeof KEPT];
  return file.name.endsWith(".kseg") ? "snapshot" : null;
}

/** The first eight bytes of a file, of a packed one those of what is in it, as characters. */
async function firstBytes(file: File): Promise<string> {
  const head = file.slice(0, 1 << 16);
  if (!startsWith(new Uint8Array(await head.slice(0, 2).arrayBuffer()), 0x1f, 0x8b))
    return head.slice(0, 8).text();
  const reader = head.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  try {
    const { value } = await reader.read();
    return new TextDecoder().decode(value?.subarray(0, 8));
  } catch {
    return "";
  } finally {
    // Of a piece of a file the end is missed.
    await reader.cancel().catch(() => undefined);
  }
}

async function fromPackage(file: File): Promise<PackageParts> {
  return openPackage(file).catch((error: unknown) => {
    throw new FileError(file.name, messageOf(error));
  });
}

async function plain(file: File): Promise<PackageParts> {
  const { name } = file;
  const bytes = await bytesOf(file);
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
    "neither an ELF kernel, nor an initrd (cpio, or compressed), nor a Debian package, nor a saved state",
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

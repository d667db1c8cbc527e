/**
 * Writer and reader for cpio archives in the "newc" format, the one that Linux unpacks as its first root
 * file system (kernel documentation, "initramfs buffer format").
 *
 *     header: "070701" then 13 fields of 8 hexadecimal digits:
 *       ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
 *     header+name and data are each padded to 4 bytes; the entry "TRAILER!!!" ends the archive
 */
import { ArchiveError, shownName } from "./errors.ts";

/** One entry of an archive. `mode` holds the permission bits only; owner is always root. */
export type CpioEntry = { readonly name: string; readonly mode: number } & (
  | { readonly type: "file"; readonly data: Uint8Array }
  | { readonly type: "directory" }
  | { readonly type: "symlink"; readonly target: string }
  | { readonly type: "character-device"; readonly major: number; readonly minor: number }
);

const MAGIC = "070701";
const TRAILER = "TRAILER!!!";
const HEADER_SIZE = 110;
/** The whole archive is padded to this, as `cpio` does. */
const BLOCK = 512;

/** File type bits of `mode` (POSIX `S_IFMT`). */
const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000, "character-device": 0o020000 };
const TYPE_MASK = 0o170000;

/** The next multiple of 4: sizes are up to 2^32, which bit operations would cut. */
const padded = (size: number): number => Math.ceil(size / 4) * 4;

const NO_DATA = new Uint8Array(0);

/**
 * Packs `entries`, sorted by name so that every directory comes before what is in it. The bytes depend on
 * nothing else: times are 0 and inode numbers count up.
 * @throws {RangeError} for a name that is absolute, empty or given twice, or a directory that is missing.
 */
export function packCpio(entries: readonly CpioEntry[]): Uint8Array {
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  const seen = new Map<string, CpioEntry>();
  for (const entry of sorted) {
    const { name } = entry;
    if (name === "" || name === TRAILER || name.split("/").some((part) => part === "" || part === "..")) {
      throw new RangeError(`bad name in cpio archive: ${JSON.stringify(name)}`);
    }
    if (seen.has(name)) throw new RangeError(`name twice in cpio archive: ${name}`);
    const parent = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    if (parent !== "" && seen.get(parent)?.type !== "directory") {
      throw new RangeError(`cpio archive has ${name} but no directory ${parent}`);
    }
    seen.set(name, entry);
  }

  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  let total = 0;
  const add = (bytes: Uint8Array): void => {
    pieces.push(bytes);
    total += bytes.length;
  };
  const pad = (unit: number): void => {
    if (total % unit !== 0) add(new Uint8Array(unit - (total % unit)));
  };
  const write = (name: string, fields: HeaderFields, data: Uint8Array): void => {
    const nameBytes = encoder.encode(`${name}\0`);
    add(encoder.encode(header(fields, data.length, nameBytes.length)));
    add(nameBytes);
    pad(4);
    add(data);
    pad(4);
  };
  sorted.forEach((entry, index) => {
    const device = entry.type === "character-device" ? entry : { major: 0, minor: 0 };
    const data =
      entry.type === "file" ? entry.data : entry.type === "symlink" ? encoder.encode(entry.target) : NO_DATA;
    const fields = {
      ino: index + 1,
      mode: TYPE_BITS[entry.type] | (entry.mode & 0o7777),
      links: entry.type === "directory" ? 2 : 1,
      major: device.major,
      minor: device.minor,
    };
    write(entry.name, fields, data);
  });
  write(TRAILER, { ino: 0, mode: 0, links: 1, major: 0, minor: 0 }, NO_DATA);
  pad(BLOCK);

  const archive = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    archive.set(piece, at);
    at += piece.length;
  }
  return archive;
}

interface HeaderFields {
  readonly ino: number;
  readonly mode: number;
  readonly links: number;
  readonly major: number;
  readonly minor: number;
}

function header(fields: HeaderFields, size: number, nameSize: number): string {
  const { ino, mode, links, major, minor } = fields;
  const numbers = [ino, mode, 0, 0, links, 0, size, 0, 0, major, minor, nameSize, 0];
  return MAGIC + numbers.map((value) => value.toString(16).padStart(8, "0").toUpperCase()).join("");
}

/**
 * Reads an archive back (used to check what was packed).
 * @throws {ArchiveError} when it is damaged, cut off or holds a type that {@link CpioEntry} lacks.
 */
export function unpackCpio(archive: Uint8Array): CpioEntry[] {
  const decoder = new TextDecoder();
  const text = (from: number, to: number): string => decoder.decode(archive.subarray(from, to));
  const entries: CpioEntry[] = [];
  for (let at = 0; ;) {
    if (at + HEADER_SIZE > archive.length)
      throw new ArchiveError("the cpio archive ends without its trailer");
    const head = text(at, at + HEADER_SIZE);
    if (!/^070701[0-9A-Fa-f]{104}$/.test(head)) throw new ArchiveError(`no cpio header at byte ${at}`);
    const field = (index: number): number => Number.parseInt(head.slice(6 + 8 * index, 14 + 8 * index), 16);
    const nameAt = at + HEADER_SIZE;
    const dataAt = padded(nameAt + field(11));
    const end = dataAt + field(6);
    if (end > archive.length) throw new ArchiveError("the cpio archive is cut off");
    const name = text(nameAt, nameAt + field(11) - 1);
    if (name === TRAILER) return entries;
    const common = { name, mode: field(1) & 0o7777 };
    switch (field(1) & TYPE_MASK) {
      case TYPE_BITS.file:
        entries.push({ ...common, type: "file", data: Uint8Array.from(archive.subarray(dataAt, end)) });
        break;
      case TYPE_BITS.directory:
        entries.push({ ...common, type: "directory" });
        break;
      case TYPE_BITS.symlink:
        entries.push({ ...common, type: "symlink", target: text(dataAt, end) });
        break;
      case TYPE_BITS["character-device"]:
        entries.push({ ...common, type: "character-device", major: field(9), minor: field(10) });
        break;
      default:
        throw new ArchiveError(`cpio entry ${shownName(name)} has a type that is not supported`);
    }
    at = padded(end);
  }
}

/**
 * Reader for `ar` archives, the container of Debian packages (deb(5)).
 *
 *     "!<arch>\n"  { header (60 bytes), data, pad to even }...
 *     header:  0 name[16]  16 mtime[12]  28 uid[6]  34 gid[6]  40 mode[8]  48 size[10]  58 "`\n"
 *
 * Only headers are read; members are then read by offset, so that a package of 100 MB costs no memory.
 */
import { ArchiveError, shownName } from "./errors.ts";

/** First eight bytes of every archive. */
export const AR_MAGIC = "!<arch>\n";

const HEADER_SIZE = 60;

/** Where an archive is read from. */
export interface ArchiveSource {
  /** Bytes in all. */
  readonly size: number;
  /** The bytes from `offset` on, fewer than `length` at the end only. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

/** One member: where its data is in the archive. */
export interface ArMember {
  readonly name: string;
  /** Offset of the first data byte. */
  readonly offset: number;
  /** Bytes of data. */
  readonly size: number;
}

/**
 * Lists the members of an archive.
 * @throws {ArchiveError} when it is no archive or is cut off; whatever `source` throws.
 */
export async function listAr(source: ArchiveSource): Promise<ArMember[]> {
  const { size: total } = source;
  const read = async (offset: number, length: number): Promise<string> =>
    String.fromCharCode(...(await source.read(offset, length)));
  if ((await read(0, AR_MAGIC.length)) !== AR_MAGIC) throw new ArchiveError("not an ar archive");
  const members: ArMember[] = [];
  let offset = AR_MAGIC.length;
  while (offset < total) {
    const header = await read(offset, HEADER_SIZE);
    if (header.length < HEADER_SIZE) throw new ArchiveError("truncated: ends inside a header");
    const size = header.slice(48, 58).trimEnd();
    if (header.slice(58) !== "`\n" || !/^\d+$/.test(size))
      throw new ArchiveError(`damaged: bad archive header at byte ${offset}`);
    // System V archives end the name with a slash, Debian's do not; both pad with spaces.
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, "");
    const member = { name, offset: offset + HEADER_SIZE, size: Number(size) };
    if (member.offset + member.size > total) {
      const missing = member.offset + member.size - total;
      throw new ArchiveError(`truncated: ${missing} bytes of member ${shownName(name)} are missing`);
    }
    members.push(member);
    offset = member.offset + member.size + (member.size & 1);
  }
  return members;
}

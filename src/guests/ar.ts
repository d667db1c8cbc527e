/**
 * Reader for `ar` archives, the container of Debian packages (deb(5)).
 *
 *     "!<arch>\n"  { header (60 bytes), data, pad to even }...
 *     header:  0 name[16]  16 mtime[12]  28 uid[6]  34 gid[6]  40 mode[8]  48 size[10]  58 "`\n"
 *
 * Only headers are read; members are then read by offset, so that a package of 100 MB costs no memory.
 */
import { open } from "node:fs/promises";
import { GuestInputError, systemReason } from "./errors.ts";

/** First eight bytes of every archive. */
export const AR_MAGIC = "!<arch>\n";

const HEADER_SIZE = 60;

/** One member: where its data is in the archive file. */
export interface ArMember {
  readonly name: string;
  /** File offset of the first data byte. */
  readonly offset: number;
  /** Bytes of data. */
  readonly size: number;
}

/**
 * Lists the members of the archive `path`.
 * @throws {GuestInputError} when it cannot be read, is no archive or is cut off.
 */
export async function readAr(path: string): Promise<ArMember[]> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw new GuestInputError(path, systemReason(error) ?? String(error), { cause: error });
  });
  try {
    const { size: total } = await file.stat();
    const read = async (offset: number, length: number): Promise<string> => {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await file.read(buffer, 0, length, offset);
      return buffer.toString("latin1", 0, bytesRead);
    };
    if ((await read(0, AR_MAGIC.length)) !== AR_MAGIC) throw new GuestInputError(path, "not an ar archive");
    const members: ArMember[] = [];
    let offset = AR_MAGIC.length;
    while (offset < total) {
      const header = await read(offset, HEADER_SIZE);
      if (header.length < HEADER_SIZE) throw new GuestInputError(path, "truncated: ends inside a header");
      const size = header.slice(48, 58).trimEnd();
      if (header.slice(58) !== "`\n" || !/^\d+$/.test(size)) {
        throw new GuestInputError(path, `damaged: bad archive header at byte ${offset}`);
      }
      // System V archives end the name with a slash, Debian's do not; both pad with spaces.
      const name = header.slice(0, 16).trimEnd().replace(/\/$/, "");
      const member = { name, offset: offset + HEADER_SIZE, size: Number(size) };
      if (member.offset + member.size > total) {
        const missing = member.offset + member.size - total;
        throw new GuestInputError(path, `truncated: ${missing} bytes of member ${name} are missing`);
      }
      members.push(member);
      offset = member.offset + member.size + (member.size & 1);
    }
    return members;
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new GuestInputError(path, reason, { cause: error });
  } finally {
    await file.close();
  }
}

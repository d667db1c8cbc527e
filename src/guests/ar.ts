/** `ar` archives in files. */
import { open } from "node:fs/promises";
import { listAr, type ArMember } from "../archives/ar.ts";
import { ArchiveError } from "../archives/errors.ts";
import { GuestInputError, systemReason } from "./errors.ts";

/**
 * Lists the members of the archive `path`.
 * @throws {GuestInputError} when it cannot be read, is no archive or is cut off.
 */
export async function readAr(path: string): Promise<ArMember[]> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw new GuestInputError(path, systemReason(error) ?? String(error), { cause: error });
  });
  try {
    const { size } = await file.stat();
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const buffer = new Uint8Array(length);
      const { bytesRead } = await file.read(buffer, 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    return await listAr({ size, read });
  } catch (error) {
    const reason = error instanceof ArchiveError ? error.message : systemReason(error);
    if (reason === undefined) throw error;
    throw new GuestInputError(path, reason, { cause: error });
  } finally {
    await file.close();
  }
}

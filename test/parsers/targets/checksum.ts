import { crc32 } from "node:zlib";
import { FILE_HEADER_BYTES } from "../../../src/state/file-kind.ts";

/** The last word in front of the contents. */
const CHECKSUM_AT = FILE_HEADER_BYTES - 4;

/** Whether an input begins like a file of kseg's. */
export const isFile = (input: Uint8Array): boolean => input[0] === "K".charCodeAt(0);

/** Puts the right checksum into a file of kseg's, and returns it. */
export function withChecksum(file: Uint8Array): Uint8Array {
  if (file.length < FILE_HEADER_BYTES) return file;
  const view = new DataView(file.buffer, file.byteOffset);
  view.setUint32(CHECKSUM_AT, crc32(file.subarray(FILE_HEADER_BYTES)), true);
  return file;
}

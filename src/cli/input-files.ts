/** The files that a run is given. */
import { constants, openSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { Socket } from "node:net";
import { systemReason } from "../guests/errors.ts";
import { UsageError } from "./errors.ts";

/** More than the machine can have of memory. */
const LARGEST = 2 ** 31 - 1;
const TOO_LARGE = "is larger than any memory of the machine";

/**
 * Reads a file that the user named; a pipe to its end, or until `stop` is aborted. Throws {@link UsageError} with
 * the flag and file in the message, and the signal's reason if it was aborted.
 */
export async function readInput(flag: string, file: string, stop?: AbortSignal): Promise<Uint8Array> {
  const refuse = (why: string, cause?: unknown): UsageError =>
    new UsageError(`${flag} ${file}: ${why}`, { cause });
  try {
    const info = await stat(file);
    if (info.isDirectory()) throw refuse("is a directory; give a file");
    if (info.isCharacterDevice() || info.isBlockDevice()) throw refuse("is a device; give a file");
    if (info.isSocket()) throw refuse("is a socket; give a file");
    if (info.size > LARGEST) throw refuse(TOO_LARGE);
    const bytes = info.isFIFO() ? await readPipe(file, stop) : await readFile(file);
    if (bytes === null) throw refuse(TOO_LARGE);
    return bytes;
  } catch (error) {
    stop?.throwIfAborted();
    if (error instanceof UsageError) throw error;
    throw refuse(systemReason(error) ?? (error instanceof Error ? error.message : String(error)), error);
  }
}

/**
 * All that comes through a named pipe, or a shell's `<(...)`; null if that is too much. Nothing here blocks, as
 * opening and reading a pipe without a writer otherwise do: Node could not even exit meanwhile.
 */
async function readPipe(file: string, stop?: AbortSignal): Promise<Uint8Array | null> {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const pipe = new Socket({
    fd,
    readable: true,
    writable: false,
    ...(stop === undefined ? {} : { signal: stop }),
  });
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pipe as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > LARGEST) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces, size);
}

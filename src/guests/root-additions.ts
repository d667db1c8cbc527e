/** What a guest's root file system can be given: a folder of the user's, and what uses it. */
import { commandEntries, type GuestCommand } from "../archives/command-init.ts";
import { packCpio, type CpioEntry } from "../archives/cpio.ts";
import { consoleEntries } from "../archives/root-file-system.ts";
import { GuestError } from "./errors.ts";
import { readShare } from "./share.ts";

/** What is added. */
export interface RootAdditions {
  /** A folder of this computer. */
  readonly share?: string;
  /** What kseg's root file system starts: a shell, or a command. Another root file system starts what it wants. */
  readonly program?: "shell" | GuestCommand;
}

/** The folder's name in the guest. */
const SHARE = "share";
/** Where programs start without one. */
const HOME = "/root";

/** Linux takes an archive behind another one if it begins at a multiple of this. */
const ARCHIVE_ALIGN = 4;

/** What is added is too large for the guest's memory. */
class RoomError extends GuestError {
  /** `room` is what there is room for, in bytes. */
  constructor(what: string, room: number) {
    const limit = Math.floor(room / 2 ** 20);
    super(`${what} is more than the ${limit} MiB that the guest has room for: give it more with --memory`, 2);
  }
}

/**
 * The archive `initrd` with the additions, for a guest with so many bytes of memory, and what of the folder cannot be in
 * an archive.
 * @throws {RoomError}, and what {@link readShare} throws.
 */
export async function withAdditions(
  initrd: Uint8Array,
  { share, program }: RootAdditions,
  memory: number,
): Promise<{ readonly archive: Uint8Array; readonly leftOut: readonly string[] }> {
  const start = share === undefined ? HOME : `/${SHARE}`;
  const input = typeof program === "object" ? (program.input?.length ?? 0) : 0;
  const room = roomFor(memory) - input;
  if (room < 0) throw new RoomError("the command's input", roomFor(memory));
  const folder = share === undefined ? undefined : await readShare(share, SHARE, room);
  if (folder === null) throw new RoomError(`the folder ${share}`, room);
  const additions: readonly CpioEntry[][] = [
    [...(folder?.entries ?? [])],
    // Behind the folder: if that does not fit after all, a command is not started in a half of it.
    typeof program === "object" ? commandEntries(program, start) : [],
    program === "shell" && share !== undefined ? consoleEntries(start) : [],
  ];
  const padding = new Uint8Array(-initrd.length & (ARCHIVE_ALIGN - 1));
  const archives = additions.filter(({ length }) => length > 0).map(packCpio);
  return { archive: Buffer.concat([initrd, padding, ...archives]), leftOut: folder?.leftOut ?? [] };
}

/** A kernel, and the root file system as it is without additions, in bytes. */
const KERNEL_ROOM = 24 * 2 ** 20;

/**
 * Bytes of files that a guest with this memory can take: the archive stays in memory while it is unpacked, and files may
 * fill half of what is left then.
 */
const roomFor = (memory: number): number => Math.max(0, (memory - KERNEL_ROOM) / 3);

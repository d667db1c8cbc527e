import { PAGE_SIZE } from "../machine/state-layout.ts";
import { ByteReader, ByteWriter } from "../state/byte-stream.ts";
import { crc32 } from "../state/crc32.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import type { RamPages } from "./ram-pages.ts";
import { SETTINGS, type Settings } from "./settings.ts";

/** What a snapshot consists of. */
export interface GuestImage {
  readonly settings: Settings;
  /** All state but RAM, as its fields wrote it. */
  readonly state: Uint8Array;
  readonly ram: RamPages;
}

/**
 * A snapshot's bytes, numbers with the lowest byte first:
 *
 *     8 bytes  magic
 *     word     version of the format
 *     word     CRC-32 of all that follows
 *     word     bytes of the settings, then the settings (`SETTINGS`)
 *     word     bytes of the state, then the state (`GUEST_STATE`)
 *     word     pages of RAM; for each its number, then its contents as they lie in RAM
 */
const MAGIC = Uint8Array.from("KSEGSNAP", (letter) => letter.charCodeAt(0));

/** To be raised when anything that is kept changes: other versions are refused. */
const VERSION = 1;

const HEADER_BYTES = MAGIC.length + 8;

export function encodeSnapshot({ settings, state, ram }: GuestImage): Uint8Array {
  const front = new ByteWriter();
  const kept = new ByteWriter();
  SETTINGS.write(kept, settings);
  for (const part of [kept.bytes, state]) {
    front.word(part.length);
    front.raw(part);
  }
  front.word(ram.size);
  const { bytes: frontBytes } = front;
  const snapshot = new Uint8Array(HEADER_BYTES + frontBytes.length + ram.size * (4 + PAGE_SIZE));
  snapshot.set(frontBytes, HEADER_BYTES);
  const view = new DataView(snapshot.buffer);
  let at = HEADER_BYTES + frontBytes.length;
  for (const [number, page] of ram) {
    view.setUint32(at, number, true);
    snapshot.set(page, at + 4);
    at += 4 + PAGE_SIZE;
  }
  snapshot.set(MAGIC);
  view.setUint32(MAGIC.length, VERSION, true);
  view.setUint32(MAGIC.length + 4, crc32(snapshot.subarray(HEADER_BYTES)), true);
  return snapshot;
}

/** Takes a snapshot apart. Its pages are views of `given`. Throws {@link SnapshotError}. */
export function decodeSnapshot(given: Uint8Array): GuestImage {
  if (!(given instanceof Uint8Array)) throw new SnapshotError("the snapshot is no Uint8Array");
  // Not one of a subclass, whose `slice` may be a view: Node's Buffer is like that.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length);
  if (MAGIC.some((byte, n) => bytes[n] !== byte))
    throw new SnapshotError("this is no snapshot of a kseg guest");
  const reader = new ByteReader(bytes, "file");
  reader.raw(MAGIC.length);
  const version = reader.word();
  if (version !== VERSION)
    throw new SnapshotError(
      `the snapshot has format ${version}, this kseg reads format ${VERSION}: use the kseg that wrote it`,
    );
  const checksum = reader.word();
  if (crc32(bytes.subarray(HEADER_BYTES)) !== checksum)
    throw new SnapshotError("the snapshot is damaged or not complete: its checksum is wrong");
  const settings = new ByteReader(reader.raw(reader.word()), "settings");
  const state = reader.raw(reader.word());
  const image = { settings: SETTINGS.read(settings), state, ram: readPages(reader) };
  settings.end();
  reader.end();
  return image;
}

function readPages(reader: ByteReader): RamPages {
  const pages = new Map<number, Uint8Array>();
  let next = 0;
  for (let left = reader.word(); left > 0; left--) {
    const number = reader.word();
    if (number < next) reader.refuse("has pages that are not in order");
    next = number + 1;
    pages.set(number, reader.raw(PAGE_SIZE));
  }
  return pages;
}

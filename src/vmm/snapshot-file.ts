import { PAGE_SIZE } from "../machine/state-layout.ts";
import { ByteReader, ByteWriter } from "../state/byte-stream.ts";
import { FILE_HEADER_BYTES, finishFile, openFile, SNAPSHOT_FILE } from "../state/file-kind.ts";
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
 * Behind the header, with numbers that have the lowest byte first:
 *
 *     word     bytes of the settings, then the settings (`SETTINGS`)
 *     word     bytes of the state, then the state (`GuestState` in machine-guest.ts)
 *     word     pages of RAM; for each its number, then its contents as they lie in RAM
 */
export function encodeSnapshot({ settings, state, ram }: GuestImage): Uint8Array {
  const front = new ByteWriter();
  const kept = new ByteWriter();
  SETTINGS.write(kept, settings);
  for (const part of [kept.bytes, state]) {
    front.word(part.length);
    front.raw(part);
  }
  front.word(ram.size);
  const { bytes } = front;
  const file = new Uint8Array(FILE_HEADER_BYTES + bytes.length + ram.size * (4 + PAGE_SIZE));
  file.set(bytes, FILE_HEADER_BYTES);
  const view = new DataView(file.buffer);
  let at = FILE_HEADER_BYTES + bytes.length;
  for (const [number, page] of ram) {
    view.setUint32(at, number, true);
    file.set(page, at + 4);
    at += 4 + PAGE_SIZE;
  }
  finishFile(SNAPSHOT_FILE, file);
  return file;
}

/** Takes a snapshot apart. Its pages are views of `bytes`. Throws SnapshotError. */
export function decodeSnapshot(bytes: Uint8Array): GuestImage {
  const reader = openFile(SNAPSHOT_FILE, bytes);
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

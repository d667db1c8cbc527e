import { ByteReader } from "./byte-stream.ts";
import { crc32 } from "./crc32.ts";
import { SnapshotError } from "./snapshot-error.ts";

/** What a file of ours begins with: 8 letters, the version of its format, and a checksum (CRC-32) of what follows. */
export interface FileKind {
  /** What it is called, as in "this is no snapshot". */
  readonly name: NonNullable<SnapshotError["found"]>;
  readonly magic: string;
  /** To be raised when anything changes that the file keeps: other versions are refused. */
  readonly version: number;
}

/** A guest at a moment. */
export const SNAPSHOT_FILE: FileKind = { name: "snapshot", magic: "KSEGSNAP", version: 3 };
/** A guest's start and all of its input. */
export const RECORDING_FILE: FileKind = { name: "recording", magic: "KSEGTAPE", version: 1 };

/** Bytes in front of the contents of a file. */
export const FILE_HEADER_BYTES = 16;

/** Fills in the header of a file whose contents, from {@link FILE_HEADER_BYTES} on, are there. */
export function finishFile({ magic, version }: FileKind, file: Uint8Array<ArrayBuffer>): void {
  for (let n = 0; n < magic.length; n++) file[n] = magic.charCodeAt(n);
  const view = new DataView(file.buffer, file.byteOffset);
  view.setUint32(magic.length, version, true);
  view.setUint32(magic.length + 4, crc32(file.subarray(FILE_HEADER_BYTES)), true);
}

/** Checks the header of a file. Returns what reads its contents. Throws {@link SnapshotError}. */
export function openFile({ name, magic, version }: FileKind, given: Uint8Array): ByteReader {
  if (!(given instanceof Uint8Array)) throw new SnapshotError(`the ${name} is no Uint8Array`);
  // Not one of a subclass, whose `slice` may be a view: Node's Buffer is like that.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length);
  const begins = String.fromCharCode(...bytes.subarray(0, magic.length));
  if (begins !== magic) {
    const other = [SNAPSHOT_FILE, RECORDING_FILE].find((kind) => kind.magic === begins);
    const but = other === undefined ? "" : ` but a ${other.name}`;
    throw new SnapshotError(`this is no ${name} of a kseg guest${but}`, { found: other?.name ?? null });
  }
  const reader = new ByteReader(bytes, name);
  reader.raw(magic.length);
  const found = reader.word();
  if (found !== version)
    throw new SnapshotError(
      `the ${name} has format ${found}, this kseg reads format ${version}: use the kseg that wrote it`,
    );
  const checksum = reader.word();
  if (crc32(bytes.subarray(FILE_HEADER_BYTES)) !== checksum)
    throw new SnapshotError(`the ${name} is damaged or not complete: its checksum is wrong`);
  return reader;
}

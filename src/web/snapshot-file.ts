/** Saved states as files: packed by gzip, as the command line has them. */
import { SnapshotError } from "../index.ts";

const GZIP_MAGIC = [0x1f, 0x8b] as const;

/** Packs a snapshot. */
export async function packSnapshot(snapshot: Uint8Array): Promise<Uint8Array> {
  return through(snapshot, new CompressionStream("gzip"));
}

/** Unpacks what may be packed. Throws SnapshotError if the file is damaged. */
export async function unpackSnapshot(file: Uint8Array): Promise<Uint8Array> {
  if (!GZIP_MAGIC.every((byte, n) => file[n] === byte)) return file;
  try {
    return await through(file, new DecompressionStream("gzip"));
  } catch (error) {
    throw new SnapshotError("the file is damaged or not complete", { cause: error });
  }
}

async function through(
  bytes: Uint8Array,
  transform: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(transform);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Decompression by format, as streams: gzip and zstd by Node, xz by a WebAssembly library. */
import type { Readable } from "node:stream";
import zlib from "node:zlib";
import { unxz, type Compression } from "../archives/compression.ts";

/**
 * The decompressed bytes of `input`. The stream ends with an error when the data is damaged or cut off
 * (all three formats carry checks), so reading it to its end verifies it.
 * @throws {Error} when this Node cannot read the format.
 */
export function decompress(input: Readable, compression: Compression): AsyncIterable<Uint8Array> {
  switch (compression) {
    case "none":
      return input;
    case "gzip":
      return piped(input, zlib.createGunzip());
    case "zstd":
      // Node has zstd since 22.15; the package itself still runs on 20.
      if (typeof zlib.createZstdDecompress !== "function") {
        throw new Error("compressed with zstd, which needs Node 22.15 or newer");
      }
      return piped(input, zlib.createZstdDecompress());
    case "xz":
      return unxz(input);
  }
}

function piped(input: Readable, through: NodeJS.ReadWriteStream & Readable): AsyncIterable<Uint8Array> {
  input.on("error", (error) => through.destroy(error));
  input.pipe(through);
  return through;
}

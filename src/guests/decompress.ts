/** Decompression by format, as streams: gzip and zstd by Node, xz by a WebAssembly library. */
import type { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import zlib from "node:zlib";
import xz from "xz-decompress";

/** How a stream is compressed. */
export type Compression = "none" | "gzip" | "xz" | "zstd";

const MAGICS: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** Tells the compression by the first bytes of the data (six are enough). */
export function compressionOf(head: Uint8Array): Compression {
  for (const [name, magic] of MAGICS) if (magic.every((byte, i) => head[i] === byte)) return name;
  return "none";
}

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

/** What the xz library's numeric results mean (xz-embedded, `enum xz_ret`). */
const XZ_RESULTS: Readonly<Record<string, string>> = {
  "3": "not enough memory",
  "4": "needs too much memory",
  "5": "not xz data",
  "6": "uses an xz option that is not supported",
  "7": "the xz data is damaged",
  "8": "the xz data is damaged or cut off",
};

async function* unxz(input: Readable): AsyncGenerator<Uint8Array> {
  // The library shares one decoder among all streams and frees it when a stream ends, fails or is
  // cancelled. Its output is drained or cancelled here in every case, or the next stream would wait for ever.
  const output = new xz.XzReadableStream(nonEmpty(input)).getReader();
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await output.read();
      if (done) break;
      if (value.length > 0) yield value;
    }
    finished = true;
  } catch (error) {
    finished = true;
    const code = /error code (\d+)/.exec(String(error))?.[1];
    throw new Error(XZ_RESULTS[code ?? ""] ?? "the xz data is damaged or cut off", { cause: error });
  } finally {
    if (!finished) await output.cancel();
    input.destroy();
  }
}

/** `input` as a web stream without empty pieces, on which the xz library would fail. */
function nonEmpty(input: Readable): ReadableStream<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const { done, value } = (await pieces.next()) as IteratorResult<Uint8Array, undefined>;
        if (done === true) return controller.close();
        if (value.length > 0) return controller.enqueue(value);
      }
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}

/** How archives are compressed, and xz, which neither Node nor browsers can read, by a WebAssembly library. */
import xz from "xz-decompress";
import { ArchiveError } from "./errors.ts";

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

/** What the xz library's numeric results mean (xz-embedded, `enum xz_ret`). */
const XZ_RESULTS: Readonly<Record<string, string>> = {
  "3": "not enough memory",
  "4": "needs too much memory",
  "5": "not xz data",
  "6": "uses an xz option that is not supported",
  "7": "the xz data is damaged",
  "8": "the xz data is damaged or cut off",
};

/** The decompressed bytes of `input`, which is ended in any case. @throws {ArchiveError} when it is damaged or cut off. */
export async function* unxz(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]();
  // The library shares one decoder among all streams and frees it when a stream ends, fails or is
  // cancelled. Its output is drained or cancelled here in every case, or the next stream would wait for ever.
  const output = new xz.XzReadableStream(nonEmpty(pieces)).getReader();
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
    throw new ArchiveError(XZ_RESULTS[code ?? ""] ?? "the xz data is damaged or cut off", { cause: error });
  } finally {
    if (!finished) await output.cancel();
    await pieces.return?.();
  }
}

/** `pieces` as a web stream without empty ones, on which the xz library would fail. */
function nonEmpty(pieces: AsyncIterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const { done, value } = await pieces.next();
        if (done === true) return controller.close();
        if (value.length > 0) return controller.enqueue(value);
      }
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}

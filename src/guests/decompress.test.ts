import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { compressionOf } from "../archives/compression.ts";
import { decompress } from "./decompress.ts";
import { compress } from "./test-packages.ts";

/** More than one chunk of each format, and not compressible away. */
const DATA = Buffer.from(Array.from({ length: 150_000 }, (_, i) => (i * i * 7 + (i >> 3)) & 0xff));

function pieces(data: Uint8Array, size = 10_000): Readable {
  const list: Uint8Array[] = [Buffer.alloc(0)];
  for (let at = 0; at < data.length; at += size) list.push(data.subarray(at, at + size));
  return Readable.from(list);
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = [];
  for await (const piece of stream) list.push(piece);
  return Buffer.concat(list);
}

describe.each(["gzip", "xz", "zstd"] as const)("%s", (compression) => {
  const packed = compress(DATA, compression);

  it("is recognised and unpacked", async () => {
    expect(compressionOf(packed)).toBe(compression);
    expect((await collect(decompress(pieces(packed), compression))).equals(DATA)).toBe(true);
  });

  it("fails when cut off or empty, and works again afterwards", async () => {
    for (const length of [0, 1, 7, 1000, packed.length - 1]) {
      const cut = decompress(pieces(packed.subarray(0, length)), compression);
      await expect(collect(cut), `${length} bytes`).rejects.toBeInstanceOf(Error);
    }
    expect((await collect(decompress(pieces(packed), compression))).equals(DATA)).toBe(true);
  });

  it("may be left early", async () => {
    for await (const piece of decompress(pieces(packed), compression)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect((await collect(decompress(pieces(packed), compression))).equals(DATA)).toBe(true);
  });
});

it("finds a changed byte in xz data by its check", async () => {
  const packed = Buffer.from(compress(DATA, "xz"));
  packed.writeUInt8((packed[1000] ?? 0) ^ 1, 1000);
  await expect(collect(decompress(pieces(packed), "xz"))).rejects.toThrow("the xz data is damaged");
});

it("passes on what is not compressed", async () => {
  expect(compressionOf(Buffer.from("070701"))).toBe("none");
  expect(compressionOf(new Uint8Array(0))).toBe("none");
  expect((await collect(decompress(pieces(DATA), "none"))).equals(DATA)).toBe(true);
});

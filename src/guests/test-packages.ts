/** Synthetic packages and executables, for tests only. */
import zlib from "node:zlib";
import { packTar } from "modern-tar";
import { AR_MAGIC } from "../archives/ar.ts";
import type { Compression } from "../archives/compression.ts";

/** Packs an `ar` archive as Debian's tools do (no slash behind names). */
export function makeAr(members: readonly (readonly [name: string, data: Uint8Array])[]): Buffer {
  const pieces = [Buffer.from(AR_MAGIC)];
  for (const [name, data] of members) {
    const size = String(data.length).padEnd(10);
    pieces.push(
      Buffer.from(`${name.padEnd(16)}0           0     0     100644  ${size}\`\n`),
      Buffer.from(data),
    );
    if (data.length % 2 === 1) pieces.push(Buffer.from("\n"));
  }
  return Buffer.concat(pieces);
}

/** What {@link makeDeb} packs. */
export interface DebContents {
  readonly name?: string;
  readonly version?: string;
  readonly architecture?: string;
  /** Files by path, without the leading `./`. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly compression?: Compression;
}

/** Packs a Debian package. */
export async function makeDeb(contents: DebContents): Promise<Buffer> {
  const { name = "busybox-static", version = "1:2.3-4", architecture = "mipsel" } = contents;
  const { files = {}, compression = "xz" } = contents;
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nDescription: x\n Package: no\n`;
  const suffix = { none: "", gzip: ".gz", xz: ".xz", zstd: ".zst" }[compression];
  return makeAr([
    ["debian-binary", Buffer.from("2.0\n")],
    [`control.tar${suffix}`, compress(await makeTar({ control: Buffer.from(control) }), compression)],
    [`data.tar${suffix}`, compress(await makeTar(files), compression)],
  ]);
}

/** Packs a tar archive with one directory entry and the given files below `./`. */
export async function makeTar(files: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> {
  const entries = Object.entries(files).map(([name, body]) => ({
    header: { name: `./${name}`, size: body.length, type: "file" as const },
    body,
  }));
  return packTar([{ header: { name: "./", size: 0, type: "directory" } }, ...entries]);
}

/** Compresses `data`. */
export function compress(data: Uint8Array, compression: Compression): Uint8Array {
  switch (compression) {
    case "none":
      return data;
    case "gzip":
      return zlib.gzipSync(data);
    case "zstd":
      return zlib.zstdCompressSync(data);
    case "xz":
      return storeXz(data);
  }
}

/**
 * An .xz file with `data` in uncompressed LZMA2 chunks and CRC32 as its check (xz file format 1.1, sections 2–4):
 * stream header, one block, index, footer.
 */
function storeXz(data: Uint8Array): Uint8Array {
  const crc = (...parts: Uint8Array[]): Buffer => {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(zlib.crc32(Buffer.concat(parts)));
    return word;
  };
  const padded = (bytes: Buffer): Buffer =>
    Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const number = (value: number): Buffer => {
    const bytes = [];
    for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
    return Buffer.from([...bytes, value]);
  };
  const flags = Buffer.from([0, 1]);
  // Size 2×4+4 bytes, one filter: LZMA2 (21h) with one property byte, dictionary of 1 MiB.
  const blockHeader = Buffer.from([0x02, 0x00, 0x21, 0x01, 0x10, 0x00, 0x00, 0x00]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < data.length; at += 0x10000) {
    const chunk = data.subarray(at, at + 0x10000);
    const head = Buffer.from([at === 0 ? 1 : 2, 0, 0]);
    head.writeUInt16BE(chunk.length - 1, 1);
    chunks.push(head, Buffer.from(chunk));
  }
  const lzma2 = Buffer.concat([...chunks, Buffer.from([0])]);
  const unpadded = blockHeader.length + 4 + lzma2.length + 4;
  const index = padded(Buffer.concat([Buffer.from([0, 1]), number(unpadded), number(data.length)]));
  const backward = Buffer.alloc(4);
  backward.writeUInt32LE((index.length + 4) / 4 - 1);
  return Buffer.concat([
    Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
    flags,
    crc(flags),
    blockHeader,
    crc(blockHeader),
    padded(lzma2),
    crc(data),
    index,
    crc(index),
    crc(backward, flags),
    backward,
    flags,
    Buffer.from("YZ"),
  ]);
}

/** What {@link makeElf} builds. */
export interface ElfContents {
  readonly entry?: number;
  readonly machine?: number;
  readonly bits?: 32 | 64;
  readonly bigEndian?: boolean;
  readonly type?: number;
  readonly align?: number;
  readonly dynamic?: boolean;
  /** Bytes of the segment, behind the headers. */
  readonly contents?: string;
}

/** An ELF executable with one segment: by default, a busybox for little-endian MIPS. */
export function makeElf(options: ElfContents = {}): Buffer {
  const { entry = 0x400100, machine = 8, bits = 32, bigEndian = false, type = 2, align = 0x10000 } = options;
  const contents = Buffer.from(options.contents ?? "BusyBox v9.8.7 (test)\0");
  const headers = Buffer.alloc(0x100);
  const view = new DataView(headers.buffer, headers.byteOffset, headers.length);
  headers.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, bigEndian ? 2 : 1, 1]);
  const half = (at: number, value: number): void => view.setUint16(at, value, !bigEndian);
  const word = (at: number, value: number): void => view.setUint32(at, value, !bigEndian);
  half(16, type);
  half(18, machine);
  word(24, entry);
  word(28, 52);
  half(42, 32);
  half(44, options.dynamic === true ? 2 : 1);
  word(52, 1);
  word(52 + 4, headers.length);
  word(52 + 16, contents.length);
  word(52 + 28, align);
  if (options.dynamic === true) word(84, 3);
  return Buffer.concat([headers, contents]);
}

/** Entry of an ordinary kernel and of one linked for guest KSeg0. */
export const KERNEL_ENTRY = { bare: 0x80100400, te: 0x40100400 } as const;

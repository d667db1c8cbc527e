/** What a guest is made of, out of Debian packages, without Node. */
import { listAr, type ArMember } from "../archives/ar.ts";
import { compressionOf, unxz } from "../archives/compression.ts";
import { packCpio } from "../archives/cpio.ts";
import { ArchiveError, shownName } from "../archives/errors.ts";
import { initramfsEntries } from "../archives/root-file-system.ts";
import { walkTar } from "../archives/tar.ts";
import type { PackageParts } from "./protocol.ts";

/** Files in packages that guests are made of, and what they become. */
const WANTED = [
  { part: "kernel", path: /^boot\/vmlinuz-[^/]+$/ },
  { part: "initrd", path: /^(usr\/)?bin\/busybox$/ },
] as const;

/**
 * The kernel of a Debian package with a kernel for Malta; of one with a static busybox an initrd that has it as its
 * shell.
 * @throws {ArchiveError} when it is neither, or is damaged.
 */
export async function openPackage(file: Blob): Promise<PackageParts> {
  const read = async (offset: number, length: number): Promise<Uint8Array> =>
    new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
  const members = await listAr({ size: file.size, read });
  const data = members.find(({ name }) => name.startsWith("data.tar"));
  if (members[0]?.name !== "debian-binary" || data === undefined)
    throw new ArchiveError("an ar archive, but not a Debian package");
  const found = await wantedIn(file, data);
  if (found === null) throw new ArchiveError("the package has neither a kernel nor a static busybox");
  if (found.part === "kernel") return found;
  return { part: "initrd", bytes: packCpio(initramfsEntries(found.bytes)) };
}

/** What is wanted of the package's data. Throws {@link ArchiveError}. */
async function wantedIn(file: Blob, data: ArMember): Promise<PackageParts | null> {
  try {
    return await findWanted(await unpacked(file, data));
  } catch (error) {
    // Some engines have no words for what is wrong with compressed data.
    const reason = error instanceof Error ? error.message || "the data is damaged or cut off" : String(error);
    throw new ArchiveError(`cannot read its ${shownName(data.name)}: ${reason}`, { cause: error });
  }
}

/** The decompressed data of a member. */
async function unpacked(file: Blob, { offset, size }: ArMember): Promise<AsyncIterable<Uint8Array>> {
  const packed = file.slice(offset, offset + size);
  switch (compressionOf(new Uint8Array(await packed.slice(0, 6).arrayBuffer()))) {
    case "none":
      return pieces(packed.stream());
    case "gzip":
      return pieces(packed.stream().pipeThrough(new DecompressionStream("gzip")));
    case "xz":
      return unxz(pieces(packed.stream()));
    case "zstd":
      throw new ArchiveError("compressed with zstd, which browsers cannot read");
  }
}

/** Not all browsers can iterate over streams. */
async function* pieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

async function findWanted(tar: AsyncIterable<Uint8Array>): Promise<PackageParts | null> {
  let found: PackageParts | null = null;
  await walkTar(tar, ({ name, type }) => {
    const wanted = type === "file" ? WANTED.find(({ path }) => path.test(name)) : undefined;
    if (wanted === undefined) return "skip";
    return async (body) => {
      const parts: Uint8Array<ArrayBuffer>[] = [];
      for await (const piece of body) parts.push(new Uint8Array(piece));
      found = { part: wanted.part, bytes: new Uint8Array(await new Blob(parts).arrayBuffer()) };
    };
  });
  return found;
}

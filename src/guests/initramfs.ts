/** The root file system of the real guests, packed and in the cache. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { packCpio } from "../archives/cpio.ts";
import { initramfsEntries } from "../archives/root-file-system.ts";
import type { Artefact, GuestCache } from "./cache.ts";
import { GuestError } from "./errors.ts";

/** The name of the packed file in its artefact. */
export const INITRAMFS_FILE = "initramfs.cpio.gz";

/** The packed and compressed root file system; the same bytes for the same busybox and Node. */
export function packInitramfs(busybox: Uint8Array): Uint8Array {
  const packed = gzipSync(packCpio(initramfsEntries(busybox)), { level: 9 });
  // Byte 9 of a gzip header names the operating system that packed it (RFC 1952): always say Unix.
  packed[9] = 3;
  return packed;
}

/** Changes whenever anything but busybox in {@link packInitramfs} does. */
const RECIPE = createHash("sha256")
  .update(packCpio(initramfsEntries(new Uint8Array(0))))
  .digest("hex")
  .slice(0, 16);

/**
 * The initramfs artefact, packed anew when it is missing or was made from another busybox or by another recipe.
 * Undefined when there is no busybox to pack.
 */
export async function ensureInitramfs(cache: GuestCache): Promise<Artefact | undefined> {
  const busybox = await cache.load("busybox");
  if (busybox === undefined) return undefined;
  const wanted = { recipe: RECIPE, busybox: busybox.manifest.files[0]?.sha256 ?? "" };
  // A damaged one is as good as none: all it takes to make it is at hand.
  const present = await cache.load("initramfs").catch((error: unknown) => {
    if (error instanceof GuestError) return undefined;
    throw error;
  });
  const source = present?.manifest.source;
  if (source?.["recipe"] === wanted.recipe && source["busybox"] === wanted.busybox) return present;
  return cache.store("initramfs", async (put) => {
    await put(INITRAMFS_FILE, packInitramfs(await readFile(busybox.file("busybox"))));
    return wanted;
  });
}

/** Files that are dropped into the page. */
import { SnapshotError } from "../../../src/index.ts";
import { packCpio } from "../../../src/archives/cpio.ts";
import { compress, makeElf } from "../../../src/guests/test-packages.ts";
import { unpackSnapshot } from "../../../src/web/snapshot-file.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { mendPackage, packages } from "./deb.ts";

/** What is used of the page's module, which the checks of types know only with those of browsers. */
interface PageFiles {
  readonly FileError: abstract new (...args: never[]) => Error;
  readonly sortFiles: (
    files: readonly File[],
    present: object,
    chosen: object,
  ) => Promise<{ readonly snapshot: { readonly bytes: Uint8Array } | null }>;
}

export async function openTarget(): Promise<Target> {
  const module = new URL("../../../web/files.ts", import.meta.url);
  const { FileError, sortFiles } = (await import(module.href)) as PageFiles;
  const cpio = packCpio([]);
  const text = new TextEncoder();
  const snapshot = text.encode("KSEGSNAP and more");
  return {
    seeds: [
      ...[makeElf(), cpio, compress(cpio, "gzip"), compress(cpio, "xz"), compress(cpio, "zstd")],
      ...[snapshot, compress(snapshot, "gzip"), compress(new Uint8Array(5000), "gzip")],
      ...(await packages(["none"])),
    ].map((bytes) => new Uint8Array(bytes)),
    longest: 1 << 13,
    repair: mendPackage,
    take: async (input) => {
      const file = new File([new Uint8Array(input)], "dropped");
      try {
        const sorted = await sortFiles([file], {}, {});
        if (sorted.snapshot !== null) await unpackSnapshot(sorted.snapshot.bytes);
      } catch (error) {
        checkRefusal(error, [FileError, SnapshotError], latin1(input));
      }
    },
  };
}

/** Debian packages, as they are dropped into the page. */
import { ArchiveError } from "../../../src/archives/errors.ts";
import type { Compression } from "../../../src/archives/compression.ts";
import { makeDeb } from "../../../src/guests/test-packages.ts";
import { openPackage } from "../../../src/web/packages.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { mendTarSums } from "./tar-sums.ts";

const HEADER = 60;
const AR_MAGIC = 8;

/** A package with a kernel, and one with a busybox, in each compression. */
export async function packages(compressions: readonly Compression[]): Promise<Uint8Array[]> {
  const made: Uint8Array[] = [];
  for (const compression of compressions) {
    const kernel = { "boot/vmlinuz-5.10": Buffer.from("a kernel") };
    made.push(await makeDeb({ name: "linux-image-5.10-4kc-malta", files: kernel, compression }));
    made.push(await makeDeb({ files: { "bin/busybox": Buffer.from("a busybox") }, compression }));
  }
  return made.map((bytes) => new Uint8Array(bytes));
}

/** Mends the checksums in the tar archives of a package that are not compressed. */
export function mendPackage(input: Uint8Array): Uint8Array {
  for (let at = AR_MAGIC; at + HEADER <= input.length;) {
    const size = Number.parseInt(latin1(input.subarray(at + 48, at + 58)), 10);
    if (!(size >= 0)) break;
    mendTarSums(input, at + HEADER, Math.min(at + HEADER + size, input.length));
    at += HEADER + size + (size & 1);
  }
  return input;
}

export async function openTarget(): Promise<Target> {
  return {
    seeds: await packages(["none", "gzip", "xz", "zstd"]),
    longest: 1 << 14,
    repair: mendPackage,
    take: async (input) => {
      try {
        await openPackage(new Blob([new Uint8Array(input)]));
      } catch (error) {
        // What unpacks refuses by errors with a code; others would be mistakes that were taken for damage.
        const { cause } = error as Error;
        if (cause instanceof TypeError && !("code" in cause)) throw cause;
        checkRefusal(error, [ArchiveError], latin1(input));
      }
    },
  };
}

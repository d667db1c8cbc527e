/** Debian packages in files, as `kseg guest import` reads them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { GuestInputError } from "../../../src/guests/errors.ts";
import { openDeb, walkDeb } from "../../../src/guests/deb.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { mendPackage, packages } from "./deb.ts";

export async function openTarget(): Promise<Target> {
  const file = join(temporaryFolder(), "a.deb");
  return {
    seeds: await packages(["none", "gzip", "xz", "zstd"]),
    longest: 1 << 14,
    repair: mendPackage,
    take: async (input) => {
      writeFileSync(file, input);
      try {
        await walkDeb(await openDeb(file), () => "skip");
      } catch (error) {
        checkRefusal(error, [GuestInputError], latin1(input));
      }
    },
  };
}

/** The manifests in the folder where guests are kept. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GuestCache } from "../../../src/guests/cache.ts";
import { CacheError, ChecksumError } from "../../../src/guests/errors.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const MANIFEST = {
  format: 1,
  artefact: "busybox",
  files: [{ name: "busybox", size: 3, sha256: "0".repeat(64) }],
  source: { package: "busybox-static", version: "1:1.30" },
};

export function openTarget(): Target {
  const root = temporaryFolder();
  const folder = join(root, "busybox");
  mkdirSync(folder);
  writeFileSync(join(folder, "busybox"), "abc");
  const cache = new GuestCache(root);
  return {
    seeds: [MANIFEST, { ...MANIFEST, format: 2 }].map((value) =>
      new TextEncoder().encode(JSON.stringify(value)),
    ),
    longest: 1024,
    take: async (input) => {
      writeFileSync(join(folder, "manifest.json"), input);
      try {
        await cache.load("busybox");
      } catch (error) {
        checkRefusal(error, [CacheError, ChecksumError], latin1(input));
      }
    },
  };
}

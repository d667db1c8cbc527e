/** cpio archives. */
import { packCpio, unpackCpio } from "../../../src/archives/cpio.ts";
import { ArchiveError } from "../../../src/archives/errors.ts";
import { initramfsEntries } from "../../../src/archives/root-file-system.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";

export function openTarget(): Target {
  return {
    seeds: [
      packCpio([]),
      packCpio([
        { type: "directory", name: "dev", mode: 0o755 },
        { type: "character-device", name: "dev/null", mode: 0o666, major: 1, minor: 3 },
        { type: "file", name: "init", mode: 0o755, data: new Uint8Array(7) },
        { type: "symlink", name: "sh", mode: 0o777, target: "init" },
      ]),
      packCpio(initramfsEntries(new Uint8Array(100))),
    ],
    longest: 4096,
    take: (input) => {
      try {
        unpackCpio(input);
      } catch (error) {
        checkRefusal(error, [ArchiveError], latin1(input));
      }
    },
  };
}

/** Tar archives, as they are in packages. */
import { walkTar } from "../../../src/archives/tar.ts";
import { ArchiveError } from "../../../src/archives/errors.ts";
import { makeTar } from "../../../src/guests/test-packages.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { mendTarSums } from "./tar-sums.ts";

const LONG = `usr/share/${"long-".repeat(30)}name`;

/** In two pieces, as from a file. */
async function* pieces(input: Uint8Array): AsyncGenerator<Uint8Array> {
  const middle = input.length >> 1;
  yield input.subarray(0, middle);
  yield input.subarray(middle);
}

export async function openTarget(): Promise<Target> {
  return {
    seeds: [
      await makeTar({}),
      await makeTar({ "boot/vmlinuz-5.10": new Uint8Array(20).fill(7), [LONG]: new Uint8Array(3) }),
    ],
    longest: 8192,
    repair: (input) => {
      mendTarSums(input, 0, input.length);
      return input;
    },
    take: async (input) => {
      let total = 0;
      try {
        await walkTar(pieces(input), ({ size }) => {
          if (size % 2 === 0) return "skip";
          return async (body) => {
            for await (const piece of body) total += piece.length;
          };
        });
      } catch (error) {
        checkRefusal(error, [ArchiveError], latin1(input));
      }
      if (total > input.length) throw new Error(`${total} bytes of files in ${input.length} of an archive`);
    },
  };
}

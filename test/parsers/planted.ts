/** Parsers with a defect each, which the fuzzer has to notice. The module's address says which: `planted.ts?magic`. */
import { checkRefusal, latin1, type Target } from "../../tools/coverage-fuzzer/fuzz-target.ts";

/** A parser of the project's refuses an input. */
class PlantedError extends Error {
  override readonly name = "PlantedError";
}

/** Byte for byte: no number or text that a source could be searched for. */
const MAGIC = [0x6b, 0xf3, 0x05, 0x9e, 0xc1, 0x42];

function magic(input: Uint8Array): void {
  let at = 0;
  while (at < MAGIC.length && input[at] === MAGIC[at]) at++;
  if (at === MAGIC.length) throw new TypeError("the magic was found");
}

const kept: Uint8Array[] = [];

const PLANTED: Readonly<Record<string, (input: Uint8Array) => void | Promise<void>>> = {
  magic,
  throws: (input) => {
    const [first] = input;
    if (first === 0x80) (undefined as unknown as Uint8Array).fill(0);
  },
  hangs: (input) => {
    while (input[1] === 0x80);
  },
  never: (input) => (input[1] === 0x80 ? new Promise<void>(() => {}) : undefined),
  rejects: async (input) => {
    await Promise.resolve();
    if (input[1] === 0x80) throw new RangeError("too late");
  },
  leaks: () => void kept.push(new Uint8Array(1024)),
  hoards: (input) => {
    if (input[1] !== 0x80) return;
    for (const all: number[][] = []; ;) all.push(Array.from({ length: 1000 }, (_, n) => n + all.length));
  },
  refuses: (input) => {
    if (input[1] === 0x80) throw new PlantedError("byte 1 is 80");
  },
  unclear: (input) => {
    if (input[1] === 0x80) throw new PlantedError(`byte 2 is\n${input[99]}`);
  },
};

export function openTarget(): Target {
  const take = PLANTED[new URL(import.meta.url).search.slice(1)]!;
  return {
    seeds: [new Uint8Array(8)],
    longest: 16,
    take: (input) => {
      try {
        return take(input);
      } catch (error) {
        checkRefusal(error, [PlantedError], latin1(input));
        return undefined;
      }
    },
  };
}

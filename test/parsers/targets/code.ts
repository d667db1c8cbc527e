/** Code of guests: any word is an instruction or none, and has a spelling. */
import { decode } from "../../../src/isa/decode.ts";
import { disassemble } from "../../../src/isa/disassemble.ts";
import { ALL_INSTRUCTIONS } from "../../../src/isa/instructions.ts";
import { encodingOf } from "../../../src/isa/operands.ts";
import type { Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";

const WORD = 4;

export function openTarget(): Target {
  return {
    seeds: ALL_INSTRUCTIONS.map((row) => new Uint8Array(Uint32Array.of(encodingOf(row).match).buffer)),
    longest: 8 * WORD,
    take: (input) => {
      const view = new DataView(input.buffer, input.byteOffset, input.length);
      for (let at = 0; at + WORD <= input.length; at += WORD) {
        const word = view.getUint32(at, true);
        const row = decode(word);
        const text = disassemble(word, 0x8000_0000 + at);
        if (text === "" || /[\n\r]|undefined|NaN/.test(text))
          throw new Error(
            `${word.toString(16)}, ${row?.mnemonic ?? "none"}, is spelt ${JSON.stringify(text)}`,
          );
      }
    },
  };
}

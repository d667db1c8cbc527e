/** ELF files: kernels, and what else is imported. */
import { BootError, prepareBoot } from "../../../src/boards/malta/boot.ts";
import { ELF_HEAD_BYTES, elfKind } from "../../../src/guests/elf-kind.ts";
import { GuestInputError } from "../../../src/guests/errors.ts";
import { ElfError, parseElf } from "../../../src/loader/elf.ts";
import { makeExecutable } from "../../../src/loader/executable.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { makeElf } from "../../../src/guests/test-packages.ts";

const KSEG0 = 0x8010_0000;
const MEMORY = 8 << 20;

const SECTION_HEADER = 40;
const NULL_SECTION = 0;
const SYMTAB = 2;
const STRTAB = 3;

/** An executable with a symbol table that names its entry. */
function withSymbols(endian: "little" | "big"): Uint8Array {
  const program = makeExecutable({
    entry: KSEG0,
    endian,
    pieces: [
      { address: KSEG0, words: [0x03e0_0008, 0] },
      { address: KSEG0 + 0x1000, words: [1, 2, 3] },
    ],
  });
  const names = Buffer.from("\0start\0data\0");
  const symbols = [
    [0, 0],
    [1, KSEG0],
    [7, KSEG0 + 0x1000],
  ];
  const [symtabAt, namesAt] = [program.length, program.length + 16 * symbols.length];
  const headersAt = namesAt + names.length;
  const file = new Uint8Array(headersAt + 3 * SECTION_HEADER);
  file.set(program);
  file.set(names, namesAt);
  const view = new DataView(file.buffer);
  const little = endian === "little";
  const word = (at: number, value: number): void => view.setUint32(at, value, little);
  for (const [n, [name, value]] of symbols.entries()) {
    word(symtabAt + 16 * n, name!);
    word(symtabAt + 16 * n + 4, value!);
  }
  const sections = [
    { type: NULL_SECTION, at: 0, size: 0, link: 0 },
    { type: SYMTAB, at: symtabAt, size: 16 * symbols.length, link: 2 },
    { type: STRTAB, at: namesAt, size: names.length, link: 0 },
  ];
  for (const [n, { type, at, size, link }] of sections.entries()) {
    const header = headersAt + SECTION_HEADER * n;
    word(header + 4, type);
    word(header + 16, at);
    word(header + 20, size);
    word(header + 24, link);
  }
  word(32, headersAt);
  view.setUint16(46, SECTION_HEADER, little);
  view.setUint16(48, sections.length, little);
  return file;
}

/** Takes what a kernel would be loaded with, and checks that it has room for it. */
const memory = {
  size: MEMORY,
  writeBytes(pa: number, bytes: Uint8Array): void {
    if (!(pa >= 0 && pa + bytes.length <= MEMORY)) throw new Error(`${bytes.length} bytes go to ${pa}`);
  },
  write32(pa: number): void {
    if (!(pa >= 0 && pa + 4 <= MEMORY) || pa % 4 !== 0) throw new Error(`a word goes to ${pa}`);
  },
};

export function openTarget(): Target {
  return {
    seeds: [withSymbols("little"), withSymbols("big"), makeElf(), makeElf({ entry: KSEG0, bigEndian: true })],
    longest: 2048,
    take: (input) => {
      const text = latin1(input);
      try {
        elfKind("file", input.subarray(0, ELF_HEAD_BYTES), input.length);
      } catch (error) {
        checkRefusal(error, [GuestInputError], text);
      }
      try {
        const kernel = parseElf(input);
        prepareBoot({ memory, kernel });
        kernel.symbols();
      } catch (error) {
        checkRefusal(error, [ElfError, BootError], text);
      }
    },
  };
}

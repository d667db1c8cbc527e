import type { ElfEndian } from "./elf.ts";

/** Code or data, and where it belongs. */
export interface Piece {
  /** Virtual address of the first word, a multiple of 4. */
  readonly address: number;
  /** At least one, such as `Assembler.words` gives. */
  readonly words: ArrayLike<number>;
}

/** What an executable is made of. */
export interface Program {
  /** Address of the first instruction that is executed. */
  readonly entry: number;
  /** Default "little". */
  readonly endian?: ElfEndian;
  /** At least one. */
  readonly pieces: readonly Piece[];
}

const ELF_HEADER = 52;
const PROGRAM_HEADER = 32;
/** An executable for MIPS32 release 2. */
const EXECUTABLE = { type: 2, machine: 8, version: 1, flags: 0x7000_0000 } as const;
/** What is loaded, and may be read, written and executed. */
const LOAD = { type: 1, flags: 7, align: 4 } as const;

/**
 * An ELF file, 32-bit, with a segment for each piece: what `createGuest` takes as a kernel. Throws RangeError if there
 * is no piece, or an address is none of a word.
 */
export function makeExecutable({ entry, endian = "little", pieces }: Program): Uint8Array {
  if (pieces.length === 0) throw new RangeError("an executable has at least one piece");
  for (const address of [entry, ...pieces.map((piece) => piece.address)])
    if (!Number.isInteger(address) || address % 4 !== 0 || address !== address >>> 0)
      throw new RangeError(`no word can be at ${address.toString(16)}`);
  const little = endian === "little";
  const headers = ELF_HEADER + pieces.length * PROGRAM_HEADER;
  const words = pieces.reduce((sum, piece) => sum + piece.words.length, 0);
  const file = new Uint8Array(headers + 4 * words);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, little ? 1 : 2, 1]);
  view.setUint16(16, EXECUTABLE.type, little);
  view.setUint16(18, EXECUTABLE.machine, little);
  view.setUint32(20, EXECUTABLE.version, little);
  view.setUint32(24, entry, little);
  view.setUint32(28, ELF_HEADER, little);
  view.setUint32(36, EXECUTABLE.flags, little);
  view.setUint16(40, ELF_HEADER, little);
  view.setUint16(42, PROGRAM_HEADER, little);
  view.setUint16(44, pieces.length, little);
  let at = headers;
  for (const [n, piece] of pieces.entries()) {
    const { address } = piece;
    const bytes = 4 * piece.words.length;
    const header = [LOAD.type, at, address, address, bytes, bytes, LOAD.flags, LOAD.align];
    for (const [i, field] of header.entries())
      view.setUint32(ELF_HEADER + n * PROGRAM_HEADER + 4 * i, field, little);
    for (let i = 0; i < piece.words.length; i++) view.setUint32(at + 4 * i, piece.words[i]!, little);
    at += bytes;
  }
  return file;
}

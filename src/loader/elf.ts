/**
 * Executables in ELF form, as MIPS kernels come (System V ABI, chapters 4 and 5; MIPS supplement, chapter 4).
 * Only what a boot loader needs is read: the header, the loadable segments and, on request, the symbols.
 */

/** Byte order of an executable. */
export type ElfEndian = "little" | "big";

/** A loadable segment. Bytes between `data.length` and `memsize` are zero in memory. */
export interface ElfSegment {
  readonly vaddr: number;
  readonly paddr: number;
  /** The bytes that the file holds: a view into the file, not a copy. */
  readonly data: Uint8Array;
  /** Bytes in memory, at least `data.length`. */
  readonly memsize: number;
}

/** An executable that can be loaded. Addresses are unsigned. */
export interface ElfImage {
  readonly endian: ElfEndian;
  readonly entry: number;
  /** e_flags of the header: architecture level, ABI. */
  readonly flags: number;
  /** At least one, in the file's order. */
  readonly segments: readonly ElfSegment[];
  /**
   * Addresses by name, from the symbol table; empty if the file was stripped. Throws {@link ElfError} if the
   * table is damaged.
   */
  symbols(): ReadonlyMap<string, number>;
}

/** A file is not an executable that this machine can load. The message says what is wrong and how to mend it. */
export class ElfError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ElfError";
  }
}

const HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;
const SECTION_HEADER_SIZE = 40;
const SYMBOL_SIZE = 16;
const EM_MIPS = 8;
const ET_EXEC = 2;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const SHT_SYMTAB = 2;
/** Section types that occupy no bytes in the file. */
const SHT_NULL = 0;
const SHT_NOBITS = 8;
/** e_flags: the N32 ABI, whose pointers are 32 bits wide but whose registers are 64. */
const EF_MIPS_ABI2 = 0x20;

/** What other files begin with, and what to do about them. */
const OTHER_FILES: readonly (readonly [magic: readonly number[], text: string])[] = [
  [[0x1f, 0x8b], "is gzip-compressed: decompress it first (gunzip)"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], "is xz-compressed: decompress it first (unxz)"],
  [[0x28, 0xb5, 0x2f, 0xfd], "is zstd-compressed: decompress it first (unzstd)"],
  [[0x27, 0x05, 0x19, 0x56], "is a U-Boot image: give the vmlinux or vmlinuz ELF file instead"],
  [[0x4d, 0x5a], "is a DOS, Windows or EFI program: give a MIPS ELF executable"],
  [
    [0x21, 0x3c, 0x61, 0x72, 0x63, 0x68],
    "is an archive or Debian package: give the kernel that is inside it",
  ],
  [[0x23, 0x21], "is a script: give a MIPS ELF executable"],
  [[0x30, 0x37, 0x30, 0x37], "is a cpio archive: give it as the initrd, and a MIPS ELF executable as kernel"],
];

const OTHER_TYPES: Readonly<Record<number, string>> = {
  1: "is a relocatable object file (.o): link it to an executable first",
  3: "is a shared object or position-independent executable: link it with -no-pie at a fixed address",
  4: "is a core dump: give the executable itself",
};

/** Names of a few machines, for the message. */
const MACHINES: Readonly<Record<number, string>> = {
  2: "SPARC",
  3: "x86 (32-bit)",
  20: "PowerPC",
  21: "PowerPC (64-bit)",
  22: "IBM Z",
  40: "ARM",
  62: "x86-64",
  183: "AArch64",
  243: "RISC-V",
  258: "LoongArch",
};

/** Architecture levels (e_flags bits 31..28) whose code a MIPS32 release 2 CPU cannot execute. */
const FOREIGN_LEVELS: Readonly<Record<number, string>> = {
  2: "MIPS III (64-bit)",
  3: "MIPS IV (64-bit)",
  4: "MIPS V (64-bit)",
  6: "MIPS64",
  8: "MIPS64 release 2",
  9: "MIPS32 release 6",
  10: "MIPS64 release 6",
};

const hex = (value: number): string => value.toString(16).padStart(8, "0");

/** Reads an ELF file's fields in its own byte order; callers check the range first. */
class Fields {
  readonly file: Uint8Array;
  private readonly view: DataView;
  private readonly little: boolean;

  constructor(file: Uint8Array, endian: ElfEndian) {
    this.file = file;
    this.view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    this.little = endian === "little";
  }

  half(at: number): number {
    return this.view.getUint16(at, this.little);
  }

  word(at: number): number {
    return this.view.getUint32(at, this.little);
  }

  holds(offset: number, size: number): boolean {
    return offset + size <= this.file.length;
  }

  /** Throws unless `size` bytes at `offset` are in the file. */
  need(offset: number, size: number, what: string): void {
    if (!this.holds(offset, size))
      throw new ElfError(
        `the file is truncated: ${what} ends at byte ${offset + size}, but the file has ${this.file.length} ` +
          "bytes; fetch or build it again",
      );
  }
}

/** Parses a MIPS32 executable of either byte order. Throws {@link ElfError}, and nothing else. */
export function parseElf(file: Uint8Array): ElfImage {
  const fields = readIdent(file);
  const flags = checkHeader(fields);
  const segments = readSegments(fields);
  const entry = fields.word(24);
  checkEntry(entry, segments);
  checkSections(fields);
  return {
    endian: file[5] === 1 ? "little" : "big",
    entry,
    flags,
    segments,
    symbols: () => readSymbols(fields),
  };
}

/**
 * Addresses by name, from the symbol table of a MIPS32 executable; empty if the file was stripped. Throws
 * {@link ElfError}.
 */
export function kernelSymbols(kernel: Uint8Array): ReadonlyMap<string, number> {
  return parseElf(kernel).symbols();
}

/** e_ident: magic, class, byte order, version. */
function readIdent(file: Uint8Array): Fields {
  if (file.length === 0) throw new ElfError("the file is empty: give a MIPS ELF executable");
  if (!startsWith(file, [0x7f, 0x45, 0x4c, 0x46])) {
    for (const [magic, text] of OTHER_FILES)
      if (startsWith(file, magic)) throw new ElfError(`the file ${text}`);
    throw new ElfError("the file is not an ELF file: give a MIPS ELF executable (vmlinux or vmlinuz)");
  }
  if (file.length < HEADER_SIZE)
    throw new ElfError(
      `the file is truncated: it has ${file.length} bytes, an ELF header alone has ${HEADER_SIZE}; ` +
        "fetch or build it again",
    );
  if (file[4] === 2)
    throw new ElfError("the file is a 64-bit ELF file: give a 32-bit MIPS executable (o32, not n64)");
  if (file[4] !== 1) throw new ElfError(`the file has the unknown ELF class ${file[4]}: it is damaged`);
  if (file[5] !== 1 && file[5] !== 2)
    throw new ElfError(`the file has the unknown byte order ${file[5]}: it is damaged`);
  if (file[6] !== 1) throw new ElfError(`the file has the unknown ELF version ${file[6]}: it is damaged`);
  return new Fields(file, file[5] === 1 ? "little" : "big");
}

function startsWith(file: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => file[i] === byte);
}

/** Machine, type and flags. Returns the flags. */
function checkHeader(fields: Fields): number {
  const machine = fields.half(18);
  if (machine !== EM_MIPS) {
    const name = MACHINES[machine] ?? `machine number ${machine}`;
    throw new ElfError(`the file is for ${name}, not for MIPS: give a MIPS executable`);
  }
  const type = fields.half(16);
  if (type !== ET_EXEC)
    throw new ElfError(`the file ${OTHER_TYPES[type] ?? `has the unknown ELF type ${type}: it is damaged`}`);
  const flags = fields.word(36);
  if ((flags & EF_MIPS_ABI2) !== 0)
    throw new ElfError("the file uses the n32 ABI, which needs a 64-bit CPU: build it for o32 (-mabi=32)");
  const foreign = FOREIGN_LEVELS[flags >>> 28];
  if (foreign !== undefined)
    throw new ElfError(
      `the file holds ${foreign} code: build it for MIPS32 release 1 or 2 (-march=mips32r2)`,
    );
  return flags;
}

function readSegments(fields: Fields): ElfSegment[] {
  const [offset, entrySize, count] = [fields.word(28), fields.half(42), fields.half(44)];
  if (count === 0)
    throw new ElfError(
      "the file has no program headers, so there is nothing to load: link it to an executable",
    );
  if (entrySize < PROGRAM_HEADER_SIZE)
    throw new ElfError(
      `the program headers are ${entrySize} bytes each, at least ${PROGRAM_HEADER_SIZE} are needed: ` +
        "the file is damaged",
    );
  fields.need(offset, entrySize * count, "the program header table");
  const segments: ElfSegment[] = [];
  for (let i = 0; i < count; i++) {
    const header = offset + i * entrySize;
    const type = fields.word(header);
    if (type === PT_DYNAMIC)
      throw new ElfError("the file is dynamically linked: link it statically (-static, no -shared or -pie)");
    if (type === PT_LOAD && fields.word(header + 20) > 0) segments.push(readSegment(fields, header, i));
  }
  if (segments.length === 0)
    throw new ElfError(
      "the file has no loadable segment, so there is nothing to run: link it to an executable",
    );
  checkOverlap(segments);
  return segments;
}

function readSegment(fields: Fields, header: number, index: number): ElfSegment {
  const [offset, vaddr, paddr] = [fields.word(header + 4), fields.word(header + 8), fields.word(header + 12)];
  const [filesize, memsize] = [fields.word(header + 16), fields.word(header + 20)];
  if (filesize > memsize)
    throw new ElfError(
      `segment ${index} has ${filesize} bytes in the file but only ${memsize} in memory: the file is damaged`,
    );
  for (const address of [vaddr, paddr])
    if (address + memsize > 2 ** 32)
      throw new ElfError(
        `segment ${index} at ${hex(address)} with ${memsize} bytes runs past the end of the address space: ` +
          "the file is damaged",
      );
  fields.need(offset, filesize, `segment ${index}`);
  return { vaddr, paddr, data: fields.file.subarray(offset, offset + filesize), memsize };
}

function checkOverlap(segments: readonly ElfSegment[]): void {
  const sorted = segments.toSorted((a, b) => a.paddr - b.paddr);
  for (const [i, next] of sorted.entries()) {
    const previous = sorted[i - 1];
    if (previous !== undefined && previous.paddr + previous.memsize > next.paddr)
      throw new ElfError(
        `the segments at ${hex(previous.paddr)} and ${hex(next.paddr)} overlap: the file is damaged`,
      );
  }
}

function checkEntry(entry: number, segments: readonly ElfSegment[]): void {
  if ((entry & 1) !== 0)
    throw new ElfError(
      `the entry point ${hex(entry)} is odd, which means MIPS16 or microMIPS code: build plain MIPS32 code`,
    );
  if ((entry & 3) !== 0)
    throw new ElfError(`the entry point ${hex(entry)} is not word-aligned: the file is damaged`);
  if (!segments.some(({ vaddr, memsize }) => entry >= vaddr && entry - vaddr < memsize))
    throw new ElfError(
      `the entry point ${hex(entry)} lies in no loadable segment: link the file with an entry symbol (-e)`,
    );
}

/** A file that ends before its section headers was cut off, even if all segments are there. */
function checkSections(fields: Fields): void {
  const [offset, entrySize, count] = [fields.word(32), fields.half(46), fields.half(48)];
  if (offset === 0 || count === 0) return;
  if (entrySize < SECTION_HEADER_SIZE)
    throw new ElfError(
      `the section headers are ${entrySize} bytes each, at least ${SECTION_HEADER_SIZE} are needed: ` +
        "the file is damaged",
    );
  fields.need(offset, entrySize * count, "the section header table");
  for (let i = 0; i < count; i++) {
    const header = offset + i * entrySize;
    const type = fields.word(header + 4);
    if (type !== SHT_NULL && type !== SHT_NOBITS)
      fields.need(fields.word(header + 16), fields.word(header + 20), `section ${i}`);
  }
}

function readSymbols(fields: Fields): ReadonlyMap<string, number> {
  const symbols = new Map<string, number>();
  const [table, entrySize, count] = [fields.word(32), fields.half(46), fields.half(48)];
  if (table === 0) return symbols;
  for (let i = 0; i < count; i++) {
    const header = table + i * entrySize;
    if (fields.word(header + 4) !== SHT_SYMTAB) continue;
    const strings = fields.word(header + 24);
    if (strings >= count)
      throw new ElfError(`section ${i} names string section ${strings}, of ${count}: damaged`);
    readSymbolTable(fields, header, table + strings * entrySize, symbols);
  }
  return symbols;
}

function readSymbolTable(fields: Fields, symtab: number, strtab: number, symbols: Map<string, number>): void {
  const [offset, size] = [fields.word(symtab + 16), fields.word(symtab + 20)];
  const [textOffset, textSize] = [fields.word(strtab + 16), fields.word(strtab + 20)];
  fields.need(textOffset, textSize, "the symbol names");
  const text = fields.file.subarray(textOffset, textOffset + textSize);
  for (let at = offset; at + SYMBOL_SIZE <= offset + size; at += SYMBOL_SIZE) {
    const name = fields.word(at);
    if (name === 0) continue;
    const end = text.indexOf(0, name);
    if (end < 0)
      throw new ElfError(`a symbol name at byte ${name} of the names does not end: the file is damaged`);
    symbols.set(latin1(text.subarray(name, end)), fields.word(at + 4));
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

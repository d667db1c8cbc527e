import type { ElfImage } from "../../loader/elf.ts";
import { MALTA_MAP } from "./malta-map.ts";

/** What the loader needs of a machine's RAM. Physical addresses, in bytes. */
export interface BootMemory {
  readonly size: number;
  writeBytes(pa: number, bytes: Uint8Array): void;
  /** Writes a word in the machine's byte order; `pa` is a multiple of four. */
  write32(pa: number, value: number): void;
}

/** The machine cannot be started with this kernel, initrd and memory. The message says how to mend it. */
export class BootError extends Error {
  /** What is to be changed. */
  readonly about: "kernel" | "initrd" | "append";

  constructor(about: BootError["about"], message: string) {
    super(message);
    this.name = "BootError";
    this.about = about;
  }
}

export interface BootConfig {
  readonly memory: BootMemory;
  readonly kernel: ElfImage;
  readonly initrd?: Uint8Array;
  /** The kernel's command line, without what describes the initrd. */
  readonly commandLine?: string;
  /** argv[0]: the name of the kernel file. */
  readonly programName?: string;
  /**
   * Virtual address of physical address 0 in the pointers that the kernel is given; default 80000000. A kernel
   * for trap-and-emulate guests, too, takes only pointers from 80000000 up.
   */
  readonly pointerBase?: number;
  /**
   * Virtual address of physical address 0 in `rd_start=`; default 80000000. Linux keeps only the low 29 bits,
   * so that this fits guests of trap-and-emulate as well as others.
   */
  readonly initrdBase?: number;
  /** Physical address of a kernel address; by default its low 29 bits, as in kseg0 and kseg1. */
  readonly toPhysical?: (address: number) => number;
  /** More environment variables for the kernel, by name. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How to start the CPU. */
export interface BootState {
  /** Virtual address of the first instruction. */
  readonly entry: number;
  /** General registers 4 to 7: argc, argv, envp, bytes of low memory. */
  readonly registers: { readonly a0: number; readonly a1: number; readonly a2: number; readonly a3: number };
  /** Physical extent of the kernel, end exclusive. */
  readonly kernel: { readonly start: number; readonly end: number };
  /** Physical place of the initrd. */
  readonly initrd: { readonly start: number; readonly size: number } | null;
  /** The command line as the kernel gets it. */
  readonly commandLine: string;
}

/** Where YAMON puts argument and environment tables. */
const TABLES = 0x2000;
/** A kernel with 16 KiB pages drops an initrd that begins in the middle of a page; 64 KiB is the largest page. */
const INITRD_ALIGN = 0x1_0000;
/** Kept free above the initrd: early kernels put their page map there (up to 128 KiB for 2 GiB). */
const TOP_RESERVE = 0x2_0000;
/** Linux on MIPS cuts command lines off at 4,096 characters with the final zero. */
const MAX_COMMAND_LINE = 4095;
const MIB = 1 << 20;

/**
 * Does what the board's monitor does before it starts a kernel: loads its segments, puts the initrd high into
 * low memory, where a kernel that unpacks itself does not reach it, and writes argument and environment
 * tables from 2000h on. Throws {@link BootError} before anything was written.
 */
export function prepareBoot(config: BootConfig): BootState {
  const { memory, kernel } = config;
  const lowRam = Math.min(memory.size, MALTA_MAP.lowRam.size);
  const toPhysical = config.toPhysical ?? ((address: number): number => address & 0x1fff_ffff);
  const segments = kernel.segments.map((segment) => ({ ...segment, pa: toPhysical(segment.paddr) }));
  const start = Math.min(...segments.map(({ pa }) => pa));
  const end = Math.max(...segments.map(({ pa, memsize }) => pa + memsize));
  if (end > lowRam) throw new BootError("kernel", kernelDoesNotFit(start, end, lowRam));
  const initrd = config.initrd === undefined ? null : placeInitrd(config.initrd, end, lowRam);
  const commandLine = fullCommandLine(config, initrd);
  const tables = buildTables(config, commandLine, memory.size, lowRam);
  const tablesEnd = TABLES + 4 * tables.words.length + tables.strings.length;
  if (segments.some(({ pa, memsize }) => pa < tablesEnd && pa + memsize > TABLES))
    throw new BootError(
      "kernel",
      `the kernel occupies the addresses ${hex(TABLES)} to ${hex(tablesEnd)}, where its arguments go: ` +
        "link it at 80100000 or higher",
    );
  for (const { pa, data, memsize } of segments) {
    memory.writeBytes(pa, data);
    if (memsize > data.length) memory.writeBytes(pa + data.length, new Uint8Array(memsize - data.length));
  }
  if (initrd !== null) memory.writeBytes(initrd.start, config.initrd!);
  for (const [i, word] of tables.words.entries()) memory.write32(TABLES + 4 * i, word);
  memory.writeBytes(TABLES + 4 * tables.words.length, tables.strings);
  const base = config.pointerBase ?? 0x8000_0000;
  return {
    entry: kernel.entry,
    registers: { a0: tables.argc, a1: base + TABLES, a2: base + TABLES + 4 * (tables.argc + 1), a3: lowRam },
    kernel: { start, end },
    initrd,
    commandLine,
  };
}

function kernelDoesNotFit(start: number, end: number, lowRam: number): string {
  const where = `the kernel needs the physical addresses ${hex(start)} to ${hex(end)}, but there are `;
  if (end > MALTA_MAP.lowRam.size) return `${where}only 256 MiB below the board's registers: link it lower`;
  return `${where}${mib(lowRam)} MiB of memory: give the machine at least ${mib(end)} MiB`;
}

function placeInitrd(initrd: Uint8Array, kernelEnd: number, lowRam: number): { start: number; size: number } {
  if (initrd.length === 0)
    throw new BootError("initrd", "the initrd is empty: give a cpio archive, or leave the initrd out");
  const start = Math.floor((lowRam - TOP_RESERVE - initrd.length) / INITRD_ALIGN) * INITRD_ALIGN;
  if (start < kernelEnd) {
    const needed = Math.ceil(kernelEnd / INITRD_ALIGN) * INITRD_ALIGN + initrd.length + TOP_RESERVE;
    const advice =
      needed + INITRD_ALIGN <= MALTA_MAP.lowRam.size
        ? `give the machine at least ${mib(needed + INITRD_ALIGN)} MiB`
        : "only 256 MiB can hold them: make the initrd smaller";
    throw new BootError(
      "initrd",
      `the initrd of ${initrd.length} bytes does not fit above the kernel (which ends at ${hex(kernelEnd)}) ` +
        `in ${mib(lowRam)} MiB of memory: ${advice}`,
    );
  }
  return { start, size: initrd.length };
}

function fullCommandLine(config: BootConfig, initrd: { start: number; size: number } | null): string {
  const parts: string[] = [];
  if (initrd !== null) {
    const address = (config.initrdBase ?? 0x8000_0000) + initrd.start;
    parts.push(`rd_start=0x${hex(address)} rd_size=${initrd.size}`);
  }
  if (config.commandLine !== undefined && config.commandLine !== "") parts.push(config.commandLine);
  const line = parts.join(" ");
  if (line.includes("\0"))
    throw new BootError("append", "the command line holds a zero character: take it out");
  const length = utf8(line).length;
  if (length > MAX_COMMAND_LINE)
    throw new BootError(
      "append",
      `the command line has ${length} bytes, Linux takes ${MAX_COMMAND_LINE} on MIPS: shorten it`,
    );
  return line;
}

interface Tables {
  readonly argc: number;
  /** argv with its final zero, then envp as pairs of pointers with its final zero. */
  readonly words: readonly number[];
  /** What the pointers point to, directly behind the words. */
  readonly strings: Uint8Array;
}

/** YAMON's environment is a list of pairs: name, value, name, value, and a zero pointer. */
function buildTables(config: BootConfig, commandLine: string, ram: number, lowRam: number): Tables {
  const argv = [config.programName ?? "vmlinux", ...(commandLine === "" ? [] : [commandLine])];
  const environment = {
    memsize: lowRam.toString(),
    ememsize: ram.toString(),
    modetty0: "38400n8r",
    ...config.environment,
  };
  const texts = [...argv, ...Object.entries(environment).flat()].map(utf8);
  const pointers = texts.length + 2;
  const stringsAt = (config.pointerBase ?? 0x8000_0000) + TABLES + 4 * pointers;
  const words: number[] = [];
  const strings: number[] = [];
  for (const [i, text] of texts.entries()) {
    if (i === argv.length) words.push(0);
    words.push(stringsAt + strings.length);
    strings.push(...text, 0);
  }
  words.push(0);
  return { argc: argv.length, words, strings: Uint8Array.from(strings) };
}

/** The bytes of a text; the core has no TextEncoder. */
function utf8(text: string): number[] {
  const bytes: number[] = [];
  for (const char of text.toWellFormed()) {
    const code = char.codePointAt(0)!;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x1_0000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
  }
  return bytes;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function mib(bytes: number): number {
  return Math.ceil(bytes / MIB);
}

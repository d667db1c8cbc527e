/**
 * The P5600 against QEMU's: one bare program of nearly nine hundred cases runs on both, and what each case
 * recorded is compared word for word: every access mode of a segment in every mode, the user-access
 * instructions, TLBINV, EHINV, ERETNC, XPA, BadInstr, writable bits, and the hardware page walker.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createInterpreter } from "../../src/engine/index.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import { Machine } from "../../src/machine/machine.ts";
import { CASES } from "./p5600/cases.ts";
import {
  buildProgram,
  PLACE,
  RAM_BYTES,
  RESET_REGISTERS,
  RESULT_WORDS,
  type Image,
} from "./p5600/program.ts";

const QEMU = "qemu-system-mipsel";
const TIMEOUT = 60_000;

interface Results {
  /** Contents of RESET_REGISTERS after reset. */
  readonly reset: readonly number[];
  /** What each case left. */
  readonly cases: readonly number[][];
}

/** Collects what a machine left, through a reader of its RAM. */
function collect(read: (pa: number, count: number) => Uint32Array): Results {
  const words = read(PLACE.results, CASES.length * RESULT_WORDS);
  return {
    reset: [...read(PLACE.reset, RESET_REGISTERS.length)],
    cases: CASES.map((_, n) => [...words.subarray(n * RESULT_WORDS, (n + 1) * RESULT_WORDS)]),
  };
}

function runInQemu(image: Image): Results {
  const folder = mkdtempSync(join(tmpdir(), "kseg-p5600-"));
  try {
    const ram = join(folder, "ram");
    const fd = openSync(ram, "w+");
    ftruncateSync(fd, RAM_BYTES);
    for (const { pa, words } of image.pieces)
      writeSync(
        fd,
        new Uint8Array(words.buffer, words.byteOffset, words.byteLength),
        0,
        words.byteLength,
        pa,
      );
    // The boot ROM jumps to the program: LUI t0, JR t0. Its file is big endian whatever the machine is.
    const bios = new DataView(new ArrayBuffer(16));
    [0x3c08_0000 | (image.entry >>> 16), 0x0100_0008, 0].forEach((word, n) => bios.setUint32(n * 4, word));
    writeFileSync(join(folder, "bios"), new Uint8Array(bios.buffer));
    const { status, stderr } = spawnSync(
      QEMU,
      [
        ...["-M", "malta,memory-backend=ram", "-cpu", "P5600", "-m", `${RAM_BYTES >> 20}`],
        ...["-object", `memory-backend-file,id=ram,size=${RAM_BYTES},mem-path=${ram},share=on`],
        ...["-bios", join(folder, "bios"), "-nic", "none", "-vga", "none", "-display", "none", "-nodefaults"],
        ...["-monitor", "none", "-serial", "none", "-no-reboot"],
      ],
      { timeout: TIMEOUT },
    );
    const read = (pa: number, count: number): Uint32Array => {
      const words = new Uint32Array(count);
      readSync(fd, new Uint8Array(words.buffer), 0, count * 4, pa);
      return words;
    };
    try {
      if (read(PLACE.done, 1)[0] !== 1) throw new Error(`${QEMU}: status ${status}: ${stderr.toString()}`);
      return collect(read);
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runInKseg(image: Image): Results {
  const machine = new Machine(
    {
      model: CPU_MODELS["P5600"]!,
      endian: "little",
      ramBytes: RAM_BYTES,
      ramRegions: [0, 0x8000_0000].map((base) => ({ base, size: RAM_BYTES, offset: 0 })),
      guestTime: "all",
      hostCalls: false,
    },
    createInterpreter,
  );
  for (const { pa, words } of image.pieces)
    words.forEach((word, n) => machine.memory.write32(pa + n * 4, word));
  machine.cpu.setPc(image.entry);
  machine.run(2_000_000);
  if (machine.memory.read32(PLACE.done) !== 1)
    throw new Error(`kseg stopped at ${machine.cpu.pc.toString(16)}`);
  return collect((pa, count) =>
    Uint32Array.from({ length: count }, (_, n) => machine.memory.read32(pa + n * 4)),
  );
}

/** Cases in which QEMU does something else than the manual, and what that is. */
const KNOWN_DIFFERENCES: readonly { readonly cases: RegExp; readonly reason: string }[] = [
  {
    cases: /^sce (at offset (1|2|3|-5)|on )/,
    reason: "QEMU lets SC fail where LL was of another address, before it looks whether it may be written",
  },
  {
    cases: /^lle on kseg3/,
    reason: "QEMU finds LLAddr with the kernel's rights, and raises what that raises first",
  },
  {
    cases: /^writable bits of CP0 register (2|3).0/,
    reason: "without ELPA QEMU has 32 bits of physical address, the manual 36",
  },
];

const version = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
const missing = version.error !== undefined || version.status !== 0;
if (missing) console.log(`skipped: ${QEMU} is not installed (Debian: qemu-system-mips)`);

describe.skipIf(missing)("P5600 against QEMU", () => {
  test("each case leaves the same words", { timeout: 2 * TIMEOUT }, () => {
    const image = buildProgram(CASES);
    const ours = runInKseg(image);
    const theirs = runInQemu(image);
    const text = (words: readonly number[]): string => {
      const last = words.findLastIndex((word) => word !== 0);
      return words
        .slice(0, last + 1)
        .map((word) => word.toString(16))
        .join(" ");
    };
    // Cache attributes, which QEMU resets otherwise in SegCtl2, are left out.
    const bits = (name: string): number => (name.startsWith("SegCtl") ? 0xfff8_fff8 : -1);
    const named = ({ reset }: Results): string[] =>
      RESET_REGISTERS.map((name, n) => `${name} ${((reset[n]! & bits(name)) >>> 0).toString(16)}`);
    expect(named(ours)).toEqual(named(theirs));
    const different: string[] = [];
    const used = new Set<unknown>();
    CASES.forEach(({ name }, n) => {
      const [a, b] = [text(ours.cases[n]!), text(theirs.cases[n]!)];
      if (a === b) return;
      const known = KNOWN_DIFFERENCES.find(({ cases }) => cases.test(name));
      if (known === undefined) different.push(`${name}\n  ours ${a}\n  QEMU ${b}`);
      else used.add(known);
    });
    expect(different).toEqual([]);
    expect(KNOWN_DIFFERENCES.filter((known) => !used.has(known))).toEqual([]);
  });
});

/**
 * The Malta that comparisons run bare programs on, once in QEMU and once in kseg: RAM, a boot ROM and the soft
 * reset register, by which a program says that it has ended.
 */
import { spawn, spawnSync } from "node:child_process";
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
import { ENGINES } from "../../src/engine/index.ts";
import type { CpuModel } from "../../src/machine/cpu-models.ts";
import { Machine, type EngineFactory } from "../../src/machine/machine.ts";
import type { Endian } from "../../src/machine/memory.ts";

export const BIOS_BASE = 0x1fc0_0000;
export const BIOS_BYTES = 0x1_0000;
/** Malta's soft reset register: writing the value ends QEMU under -no-reboot. */
export const SOFT_RESET = { pa: 0x1f00_0500, value: 0x42 } as const;

const PROGRAM: Readonly<Record<Endian, string>> = { little: "qemu-system-mipsel", big: "qemu-system-mips" };
const POLL_MS = 200;

/** Engines that kseg can run bare programs with. */
export type EngineName = keyof typeof ENGINES;
export const ENGINE_NAMES = Object.keys(ENGINES) as EngineName[];

/** Words of RAM at a physical address. */
export interface Piece {
  readonly pa: number;
  readonly words: Uint32Array;
}

/** Reads words of RAM. */
export type ReadRam = (pa: number, words: number) => Uint32Array;

/** What QEMU is given. */
export interface QemuMalta {
  readonly endian: Endian;
  /** QEMU's name of the CPU. */
  readonly cpu: string;
  readonly ramBytes: number;
  readonly ram: readonly Piece[];
  readonly rom: Uint32Array;
  /** QEMU is stopped after this long. */
  readonly timeoutMs: number;
  /** Says that there is nothing more to wait for: once in a while QEMU goes on in spite of the soft reset. */
  readonly done?: (read: ReadRam) => boolean;
}

/** Why QEMU cannot be used for a byte order, or null if it can. */
export function qemuMissing(endian: Endian): string | null {
  const version = spawnSync(PROGRAM[endian], ["--version"]);
  if (version.error === undefined && version.status === 0) return null;
  return `${PROGRAM[endian]} is not installed (Debian: qemu-system-mips)`;
}

/** Bytes of words in a byte order. */
function toBytes(words: Uint32Array, endian: Endian): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => view.setUint32(index * 4, word, endian === "little"));
  return bytes;
}

/**
 * Runs QEMU until it ends, and gives its RAM to `collect` together with how it ended, in words. RAM is a file that
 * both sides share: what goes in and comes out needs no device.
 */
export async function runInQemu<T>(
  malta: QemuMalta,
  collect: (read: ReadRam, ended: string) => T,
): Promise<T> {
  const { endian, cpu, ramBytes, done = () => false } = malta;
  const folder = mkdtempSync(join(tmpdir(), "kseg-oracle-"));
  try {
    const ramFile = join(folder, "ram");
    const biosFile = join(folder, "bios");
    // The ROM's file is big-endian whatever the machine is.
    writeFileSync(biosFile, toBytes(malta.rom, "big"));
    const fd = openSync(ramFile, "w+");
    try {
      ftruncateSync(fd, ramBytes);
      for (const { pa, words } of malta.ram) writeSync(fd, toBytes(words, endian), 0, words.length * 4, pa);
      const read: ReadRam = (pa, words) => {
        const bytes = new Uint8Array(words * 4);
        readSync(fd, bytes, 0, bytes.length, pa);
        const view = new DataView(bytes.buffer);
        return Uint32Array.from({ length: words }, (_, n) => view.getUint32(n * 4, endian === "little"));
      };
      const args = [
        ...["-M", "malta,memory-backend=ram", "-cpu", cpu, "-m", `${ramBytes >> 20}`],
        ...["-object", `memory-backend-file,id=ram,size=${ramBytes},mem-path=${ramFile},share=on`],
        ...["-bios", biosFile, "-nic", "none", "-vga", "none", "-display", "none", "-nodefaults"],
        ...["-monitor", "none", "-serial", "none", "-no-reboot"],
      ];
      const ended = await runUntil(PROGRAM[endian], args, malta.timeoutMs, () => done(read));
      return collect(read, ended);
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a program until it ends, `done` says so, or time is up; how it ended. */
function runUntil(
  file: string,
  args: readonly string[],
  timeoutMs: number,
  done: () => boolean,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const poll = setInterval(() => {
      if (done()) child.kill("SIGKILL");
    }, POLL_MS);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      clearInterval(poll);
      resolve(status === null ? "stopped" : `status ${status} ${stderr}`.trim());
    });
  });
}

/** What kseg's machine is made of. */
export interface KsegMalta {
  readonly model: CpuModel;
  readonly endian: Endian;
  readonly ramBytes: number;
  readonly ram: readonly Piece[];
  readonly rom: Uint32Array;
  /** SDBBP comes back to the caller. */
  readonly hostCalls: boolean;
}

/** kseg's machine after reset, with memory filled, and whether its program has written to the soft reset register. */
export function ksegMalta(
  malta: KsegMalta,
  engine: EngineFactory,
): { machine: Machine; finished: () => boolean; read: ReadRam } {
  const { model, endian, ramBytes, hostCalls } = malta;
  const machine = new Machine(
    {
      model,
      endian,
      ramBytes: ramBytes + BIOS_BYTES,
      ramRegions: [
        { base: 0, size: ramBytes, offset: 0 },
        { base: BIOS_BASE, size: BIOS_BYTES, offset: ramBytes },
      ],
      guestTime: "all",
      hostCalls,
    },
    engine,
  );
  for (const { pa, words } of [...malta.ram, { pa: ramBytes, words: malta.rom }])
    words.forEach((word, n) => machine.memory.write32(pa + n * 4, word));
  let finished = false;
  machine.bus.add({
    name: "soft reset",
    base: SOFT_RESET.pa,
    size: 4,
    device: {
      read: () => 0,
      write: () => {
        finished = true;
        machine.stop();
      },
    },
  });
  machine.cpu.reset();
  return {
    machine,
    finished: () => finished,
    read: (pa, words) => Uint32Array.from({ length: words }, (_, n) => machine.memory.read32(pa + n * 4)),
  };
}

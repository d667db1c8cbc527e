/** Builds what guests/bench has, for the processors that it can be built for. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { THIS_KSEG, UnavailableError } from "./machines.ts";

/**
 * The compiler for each, what only it has to be told, and what images without an operating system need besides: their
 * entry, and where the processor sees physical memory.
 */
const TARGETS = {
  mipsel: {
    compiler: "mipsel-linux-gnu-gcc",
    debian: "gcc-mipsel-linux-gnu",
    flags: "-march=mips32r2 -mno-abicalls -G0 -msoft-float",
    bare: ["bare/mips.S", "-Wl,--defsym=BASE=0x80000000"],
  },
  i386: {
    compiler: "gcc",
    debian: "gcc",
    flags: "-m32 -march=i686 -no-pie",
    bare: ["bare/i386.S", "-Wl,--defsym=BASE=0"],
  },
} as const;
type Target = keyof typeof TARGETS;

const FLAGS =
  "-O2 -std=gnu11 -ffreestanding -nostdlib -static -fno-pic -fno-stack-protector -fno-tree-loop-distribute-patterns " +
  "-fno-asynchronous-unwind-tables -fno-ident -Wall -Wextra -Werror -Wl,--build-id=none";
const BARE_FLAGS = "-Wl,-T,bare/image.ld,-z,max-page-size=4096,--no-warn-rwx-segments";

const FOLDER = join(THIS_KSEG.folder, "guests/bench");

function compile(target: Target, ...args: readonly string[]): void {
  const { compiler, debian, flags } = TARGETS[target];
  const { error, status, stderr } = spawnSync(compiler, [...FLAGS.split(" "), ...flags.split(" "), ...args], {
    cwd: FOLDER,
    encoding: "utf8",
  });
  if (error !== undefined)
    throw new UnavailableError(`${compiler} is not installed (Debian: ${debian}); it builds the programs`);
  if (status !== 0) throw new UnavailableError(`${compiler} cannot build guests/bench:\n${stderr}`);
}

/**
 * Builds all programs into one static executable for Linux, `file`.
 * @throws {UnavailableError} without the compiler, or if it cannot build for `target`.
 */
export function buildPrograms(target: Target, file: string): void {
  compile(target, ...readdirSync(FOLDER).filter((name) => /\.[cS]$/.test(name)), "-o", file);
}

/**
 * Builds an image that runs one program without an operating system. For i386 it is a Multiboot image. Programs that
 * make system calls cannot be built so.
 * @throws {UnavailableError} as {@link buildPrograms}.
 */
export function buildBareProgram(
  target: Target,
  { name, rounds }: { readonly name: string; readonly rounds: number },
  file: string,
): void {
  const what = [`-DPROGRAM=${name}`, `-DROUNDS=${rounds}`];
  const { bare } = TARGETS[target];
  compile(target, ...what, BARE_FLAGS, `${name}.c`, "memory.c", "bare/main.c", ...bare, "-o", file);
}

let folder: string | undefined;

/** A folder of this process's own, removed when it ends. */
export function buildFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "kseg-bench-"));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}

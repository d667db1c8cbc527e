/** The programs of guests/bench: built here, packed into an initramfs, started by busybox's init. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packCpio } from "../src/archives/cpio.ts";
import { guestPaths } from "../src/guests/index.ts";
import { buildFolder, buildPrograms } from "./build.ts";
import type { Span } from "./duel.ts";
import type { Job } from "./machines.ts";

/** A program and how much of it is measured. */
export interface Program {
  readonly name: string;
  readonly group: "cpu" | "system";
  /** So many that QEMU takes more than a second for them on a computer of 2024. */
  readonly rounds: number;
}

const cpu = (name: string, rounds: number): Program => ({ name, group: "cpu", rounds });
const system = (name: string, rounds: number): Program => ({ name, group: "system", rounds });

/** All programs of guests/bench. Those of group `system` are mostly in the kernel. */
export const PROGRAMS: readonly Program[] = [
  cpu("alu", 20_000),
  cpu("crc", 3000),
  cpu("sha256", 8000),
  cpu("sort", 450),
  cpu("sieve", 700),
  cpu("lz", 1100),
  cpu("copy", 7000),
  cpu("chase", 600),
  cpu("recursion", 1800),
  cpu("dispatch", 40_000),
  cpu("matrix", 3000),
  cpu("mix", 80_000),
  system("syscalls", 8000),
  system("pipe", 350),
  system("spawn", 2000),
  system("faults", 150),
  system("files", 500),
];

/**
 * The console's program instead of a shell. The kernel hands on what it does not know of its command line: the
 * programs as NAME:ROUNDS, with commas between them.
 */
const CONSOLE = `#!/bin/sh
cd /tmp
IFS=,
for one in $BENCH; do /bin/kbench "\${one%:*}" "\${one#*:}"; done
poweroff -f
`;

/** The initramfs of the guests with the programs in it: what comes later in an initramfs replaces what was there. */
function packedWith(initramfs: Uint8Array, executable: Uint8Array): Uint8Array {
  const overlay = packCpio([
    { type: "directory", name: "bin", mode: 0o755 },
    { type: "directory", name: "etc", mode: 0o755 },
    { type: "file", name: "bin/kbench", mode: 0o755, data: executable },
    { type: "file", name: "etc/console", mode: 0o755, data: new TextEncoder().encode(CONSOLE) },
  ]);
  return Buffer.concat([initramfs, gzipSync(overlay)]);
}

let initramfs: string | undefined;

/** File in which an initramfs of this process is made, once. */
async function initramfsWithPrograms(initrd: string): Promise<string> {
  if (initramfs !== undefined) return initramfs;
  const executable = join(buildFolder(), "kbench");
  const file = join(buildFolder(), "initramfs");
  buildPrograms("mipsel", executable);
  writeFileSync(file, packedWith(readFileSync(initrd), readFileSync(executable)));
  initramfs = file;
  return file;
}

/**
 * Debian's kernel that runs programs, one after the other, and turns the machine off.
 * @throws {UnavailableError | GuestError} when compiler or guest are missing.
 */
export async function programJob(
  programs: readonly Pick<Program, "name" | "rounds">[],
  how: Pick<Job, "cpu" | "mode" | "engine">,
): Promise<Job> {
  const { kernel, initrd, append } = await guestPaths("debian");
  const work = programs.map(({ name, rounds }) => `${name}:${rounds}`).join(",");
  return {
    kernel,
    initrd: await initramfsWithPrograms(initrd),
    // Nothing of the kernel's may get between the program's words.
    append: `${append} loglevel=1 BENCH=${work}`,
    memory: 256,
    ...how,
  };
}

/** From the program's first line to its last. */
export function programSpan(name: string): Span {
  return { from: `bench: ${name} begins\n`, to: `bench: ${name} is done\n` };
}

/** The checksum that a program printed. @throws {Error} if it failed or printed none. */
export function checksumIn(output: string, name: string): string {
  const found = new RegExp(`^bench: ${name} ([0-9a-f]{8})$`, "m").exec(output);
  if (found === null) throw new Error(`${name} printed no checksum:\n${output.slice(-500)}`);
  return found[1]!;
}

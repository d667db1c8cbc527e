import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Endian } from "../../../src/machine/memory.ts";
import { toBytes } from "../qemu/image.ts";
import type { Image } from "./image.ts";
import { RAM_BYTES } from "./layout.ts";

const PROGRAM: Readonly<Record<Endian, string>> = { little: "qemu-system-mipsel", big: "qemu-system-mips" };
/** A run takes a fraction of a second. */
const TIMEOUT_MS = 20_000;

/**
 * Runs an image on QEMU's Malta, whose RAM is a file: the image goes in, and what the RAM holds comes out, also
 * if QEMU had to be stopped.
 */
export async function runInQemu(image: Image): Promise<Uint8Array> {
  const { endian, qemuCpu } = image.configuration;
  const folder = mkdtempSync(join(tmpdir(), "kseg-generated-"));
  try {
    const ramFile = join(folder, "ram");
    const romFile = join(folder, "rom");
    writeFileSync(ramFile, image.ram);
    // The boot ROM's file is big endian whatever the machine is.
    writeFileSync(romFile, toBytes(image.rom, "big"));
    const { status, stderr } = await run(PROGRAM[endian], [
      ...["-M", "malta,memory-backend=ram", "-cpu", qemuCpu, "-m", `${RAM_BYTES >> 20}`],
      ...["-object", `memory-backend-file,id=ram,size=${RAM_BYTES},mem-path=${ramFile},share=on`],
      ...["-bios", romFile, "-nic", "none", "-vga", "none", "-display", "none", "-nodefaults"],
      ...["-monitor", "none", "-serial", "none", "-no-reboot"],
    ]);
    if (status !== 0 && status !== null) throw new Error(`${PROGRAM[endian]}: status ${status}: ${stderr}`);
    return new Uint8Array(readFileSync(ramFile));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(file: string, args: readonly string[]): Promise<{ status: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, stderr });
    });
  });
}

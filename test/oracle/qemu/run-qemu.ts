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
import type { Endian } from "../../../src/machine/memory.ts";
import { programIndex, readOutcome, toBytes, UnfinishedError, type Image, type Outcome } from "./image.ts";
import { RAM_BYTES } from "./layout.ts";

const PROGRAM: Readonly<Record<Endian, string>> = {
  little: "qemu-system-mipsel",
  big: "qemu-system-mips",
};
const TIMEOUT_MS = 60_000;
const POLL_MS = 200;

/** Why QEMU cannot be used for a byte order, or null if it can. */
export function qemuMissing(endian: Endian): string | null {
  const version = spawnSync(PROGRAM[endian], ["--version"]);
  if (version.error === undefined && version.status === 0) return null;
  return `${PROGRAM[endian]} is not installed (Debian: qemu-system-mips)`;
}

/**
 * Runs an image on QEMU's 24Kc. RAM is a file that both sides share: the image goes in and the results come
 * out without any device. Throws {@link UnfinishedError}.
 */
export async function runInQemu(image: Image): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "kseg-oracle-"));
  try {
    const ramFile = join(folder, "ram");
    const biosFile = join(folder, "bios");
    const little = image.endian === "little";
    const fd = openSync(ramFile, "w+");
    ftruncateSync(fd, RAM_BYTES);
    for (const { pa, words } of image.ram) {
      const bytes = toBytes(words, image.endian);
      writeSync(fd, bytes, 0, bytes.length, pa);
    }
    // The boot ROM's file is big endian whatever the machine is.
    writeFileSync(biosFile, toBytes(image.bios, "big"));
    const read = (pa: number, words: number): Uint32Array => {
      const bytes = new Uint8Array(words * 4);
      readSync(fd, bytes, 0, bytes.length, pa);
      const view = new DataView(bytes.buffer);
      return Uint32Array.from({ length: words }, (_, index) => view.getUint32(index * 4, little));
    };
    const { status, stderr } = await run(
      PROGRAM[image.endian],
      [
        ...["-M", "malta,memory-backend=ram", "-cpu", "24Kc", "-m", `${RAM_BYTES >> 20}`],
        ...["-object", `memory-backend-file,id=ram,size=${RAM_BYTES},mem-path=${ramFile},share=on`],
        ...["-bios", biosFile, "-nic", "none", "-vga", "none", "-display", "none", "-nodefaults"],
        ...["-monitor", "none", "-serial", "none", "-no-reboot"],
      ],
      () => programIndex(read) === image.programs,
    );
    try {
      if (programIndex(read) !== image.programs)
        throw new UnfinishedError(
          "QEMU",
          programIndex(read),
          status === null ? "timed out" : `status ${status} ${stderr}`,
        );
      return readOutcome(image.programs, read);
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Runs QEMU until it ends, or `done` says that there is nothing more to wait for: once in a while it goes on
 * after the last program in spite of the soft reset. Ends it after TIMEOUT_MS in any case.
 */
function run(
  file: string,
  args: readonly string[],
  done: () => boolean,
): Promise<{ status: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    const poll = setInterval(() => {
      if (done()) child.kill("SIGKILL");
    }, POLL_MS);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      clearInterval(poll);
      resolve({ status, stderr });
    });
  });
}

import { runInQemu as runMalta } from "../malta.ts";
import type { Image } from "./image.ts";
import { RAM_BYTES } from "./layout.ts";

/** A run takes a fraction of a second. */
const TIMEOUT_MS = 20_000;

/** Runs an image on QEMU's Malta and gives what its RAM holds, also if QEMU had to be stopped. */
export function runInQemu({ configuration, ram, rom }: Image): Promise<Uint32Array> {
  const { endian, qemuCpu: cpu } = configuration;
  return runMalta(
    { endian, cpu, ramBytes: RAM_BYTES, ram: [{ pa: 0, words: ram }], rom, timeoutMs: TIMEOUT_MS },
    (read, ended) => {
      if (!/^(stopped|status 0\b)/.test(ended)) throw new Error(`QEMU: ${ended}`);
      return read(0, RAM_BYTES / 4);
    },
  );
}

import { runInQemu as runMalta } from "../malta.ts";
import { programIndex, readOutcome, UnfinishedError, type Image, type Outcome } from "./image.ts";
import { RAM_BYTES } from "./layout.ts";

const TIMEOUT_MS = 60_000;

/** Runs an image on QEMU's 24Kc. Throws {@link UnfinishedError}. */
export function runInQemu({ endian, programs, ram, bios: rom }: Image): Promise<Outcome> {
  return runMalta(
    {
      ...{ endian, cpu: "24Kc", ramBytes: RAM_BYTES, ram, rom, timeoutMs: TIMEOUT_MS },
      done: (read) => programIndex(read) === programs,
    },
    (read, ended) => {
      if (programIndex(read) !== programs) throw new UnfinishedError("QEMU", programIndex(read), ended);
      return readOutcome(programs, read);
    },
  );
}

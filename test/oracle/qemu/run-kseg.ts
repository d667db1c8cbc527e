import { ENGINES } from "../../../src/engine/index.ts";
import { CPU_MODELS } from "../../../src/machine/cpu-models.ts";
import { ksegMalta, type EngineName } from "../malta.ts";
import { programIndex, readOutcome, UnfinishedError, type Image, type Outcome } from "./image.ts";
import { RAM_BYTES } from "./layout.ts";

/** More instructions than any program needs, harness included. */
const INSTRUCTIONS_PER_PROGRAM = 200_000;

/** Instructions that an engine with translations runs at a time: each piece ends somewhere else in the program. */
const PIECE = 31;

/** Runs an image on kseg's machine. Throws {@link UnfinishedError}. */
export function runInKseg(image: Image, engine: EngineName = "interp"): Outcome {
  const piece = engine === "interp" ? Infinity : PIECE;
  const { machine, finished, read } = ksegMalta(
    {
      model: CPU_MODELS["24Kc"]!,
      ...{ endian: image.endian, ramBytes: RAM_BYTES, ram: image.ram, rom: image.bios, hostCalls: false },
    },
    ENGINES[engine],
  );
  let left = INSTRUCTIONS_PER_PROGRAM * (image.programs + 1);
  let reason = machine.run(Math.min(piece, left));
  while (!finished() && reason.kind === "budget" && (left -= piece) > 0) reason = machine.run(piece);
  if (!finished())
    throw new UnfinishedError("kseg", programIndex(read), `${reason.kind} at ${machine.cpu.pc.toString(16)}`);
  return readOutcome(image.programs, read);
}

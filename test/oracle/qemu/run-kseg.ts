import { createInterpreter, InterpreterEngine } from "../../../src/engine/index.ts";
import { CPU_MODELS } from "../../../src/machine/cpu-models.ts";
import type { EngineFactory } from "../../../src/machine/machine.ts";
import { ksegMalta } from "../malta.ts";
import { programIndex, readOutcome, UnfinishedError, type Image, type Outcome } from "./image.ts";
import { RAM_BYTES } from "./layout.ts";

/** More instructions than any program needs, harness included. */
const INSTRUCTIONS_PER_PROGRAM = 200_000;

/** Engines that images can be run with. */
export const ENGINE_NAMES = ["interp", "translator"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Translates whatever was seen at the end of a piece, although programs overwrite each other. */
const EAGER = { sampleEvery: 3, hot: 1, mostDoublings: 0, mostBytes: 1 << 20 } as const;
/** Instructions that the translator runs at a time. */
const PIECE = 31;

const ENGINES: Readonly<Record<EngineName, { readonly create: EngineFactory; readonly piece: number }>> = {
  interp: { create: createInterpreter, piece: Infinity },
  translator: { create: (machine) => new InterpreterEngine(machine, EAGER), piece: PIECE },
};

/** Runs an image on kseg's machine. Throws {@link UnfinishedError}. */
export function runInKseg(image: Image, engine: EngineName = "interp"): Outcome {
  const { create, piece } = ENGINES[engine];
  const { machine, finished, read } = ksegMalta(
    {
      model: CPU_MODELS["24Kc"]!,
      ...{ endian: image.endian, ramBytes: RAM_BYTES, ram: image.ram, rom: image.bios, hostCalls: false },
    },
    create,
  );
  let left = INSTRUCTIONS_PER_PROGRAM * (image.programs + 1);
  let reason = machine.run(Math.min(piece, left));
  while (!finished() && reason.kind === "budget" && (left -= piece) > 0) reason = machine.run(piece);
  if (!finished())
    throw new UnfinishedError("kseg", programIndex(read), `${reason.kind} at ${machine.cpu.pc.toString(16)}`);
  return readOutcome(image.programs, read);
}

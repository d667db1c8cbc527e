import { createInterpreter, InterpreterEngine } from "../../../src/engine/index.ts";
import { CPU_MODELS } from "../../../src/machine/cpu-models.ts";
import { Machine, type EngineFactory } from "../../../src/machine/machine.ts";
import { SOFT_RESET } from "./harness.ts";
import { programIndex, readOutcome, UnfinishedError, type Image, type Outcome } from "./image.ts";
import { BIOS_BASE, BIOS_BYTES, RAM_BYTES } from "./layout.ts";

/** More instructions than any program needs, harness included. */
const INSTRUCTIONS_PER_PROGRAM = 200_000;

/** Engines that images can be run with. */
export const ENGINE_NAMES = ["interp", "translator"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Translates whatever was seen at the end of a piece, although programs overwrite each other. */
const EAGER = { hot: 1, revisit: 4, newCode: 8, mostWrites: Infinity } as const;
/** Instructions that the translator runs at a time. */
const PIECE = 31;

const ENGINES: Readonly<Record<EngineName, { readonly create: EngineFactory; readonly piece: number }>> = {
  interp: { create: createInterpreter, piece: Infinity },
  translator: { create: (machine) => new InterpreterEngine(machine, EAGER), piece: PIECE },
};

/** Runs an image on kseg's machine. Throws {@link UnfinishedError}. */
export function runInKseg(image: Image, engine: EngineName = "interp"): Outcome {
  const { create, piece } = ENGINES[engine];
  const machine = new Machine(
    {
      model: CPU_MODELS["24Kc"]!,
      endian: image.endian,
      ramBytes: RAM_BYTES + BIOS_BYTES,
      ramRegions: [
        { base: 0, size: RAM_BYTES, offset: 0 },
        { base: BIOS_BASE, size: BIOS_BYTES, offset: RAM_BYTES },
      ],
      guestTime: "all",
      hostCalls: false,
    },
    create,
  );
  const put = (offset: number, words: Uint32Array): void =>
    words.forEach((word, index) => machine.memory.write32(offset + index * 4, word));
  for (const { pa, words } of image.ram) put(pa, words);
  put(RAM_BYTES, image.bios);
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
  const read = (pa: number, words: number): Uint32Array =>
    Uint32Array.from({ length: words }, (_, index) => machine.memory.read32(pa + index * 4));
  let left = INSTRUCTIONS_PER_PROGRAM * (image.programs + 1);
  let reason = machine.run(Math.min(piece, left));
  while (!finished && reason.kind === "budget" && (left -= piece) > 0) reason = machine.run(piece);
  if (!finished)
    throw new UnfinishedError("kseg", programIndex(read), `${reason.kind} at ${machine.cpu.pc.toString(16)}`);
  return readOutcome(image.programs, read);
}

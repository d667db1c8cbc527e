import fc from "fast-check";
import type { Endian } from "../../src/machine/memory.ts";
import { EnginePair } from "./engine-pair.ts";
import {
  bareSubject,
  CounterDevice,
  installKernel,
  prepare,
  RAM_BYTES,
  RAM_REGIONS,
  RANDOM_MODELS,
  RUNS,
  VARIABLE,
  VARIABLES,
} from "./random-run.ts";

const TICKS = 3000;

function newPair(model: string, endian: Endian): EnginePair {
  const options = { model, endian, ramBytes: RAM_BYTES, ramRegions: RAM_REGIONS };
  return new EnginePair(options).both(({ machine }) => {
    installKernel(bareSubject(machine));
    machine.bus.add(new CounterDevice((n, level) => machine.cpu.setInterruptLine(n, level)).region);
  });
}

/** What random programs did when they were run. */
export interface Compared {
  readonly runs: number;
  readonly exceptions: number;
  readonly translations: number;
}

/**
 * Runs `count` random programs by both engines in pieces, and compares the engines after each piece, RAM at the end of
 * each program. Throws with the smallest program that fast-check finds if they differ.
 */
export function compareEngines(endian: Endian, seed: number, count: number): Compared {
  const pairs = new Map(RANDOM_MODELS.map((model) => [model, newPair(model, endian)]));
  let runs = 0;
  let exceptions = 0;
  let translations = 0;
  fc.assert(
    fc.property(RUNS, (run) => {
      const pair = pairs.get(run.model)!;
      try {
        const before = pair.translations;
        pair.both(({ machine }) => prepare(bareSubject(machine), run));
        for (let left = TICKS, n = 0; left > 0; n++) {
          const piece = Math.min(left, run.pieces[n % run.pieces.length]!);
          left -= piece;
          // What is wrong in RAM is there at the end, too; looking each time takes half of the time.
          pair.run(piece, left === 0);
        }
        runs++;
        translations += pair.translations - before;
        exceptions += pair.interpreted.machine.memory.read32(VARIABLES + VARIABLE.count);
      } catch (error) {
        // What the two do next would differ whatever it is.
        pairs.set(run.model, newPair(run.model, endian));
        throw error;
      }
    }),
    { numRuns: count, seed },
  );
  return { runs, exceptions, translations };
}

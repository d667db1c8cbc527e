import { createInterpreter, InterpreterEngine } from "../../src/engine/index.ts";
import type { EngineFactory } from "../../src/machine/machine.ts";
import type { HostPlan } from "./axes.ts";

/** Translates whatever was seen twice, again as soon as there is more of it, and code that keeps changing. */
const EAGER = { sampleEvery: 5, hot: 1, mostDoublings: 0, mostBytes: 1 << 20 } as const;

/** Engines to run a guest on. The translator is far more eager than the one that users get. */
export const ENGINES = {
  interpreter: createInterpreter,
  translator: (machine) => new InterpreterEngine(machine, EAGER),
} as const satisfies Record<HostPlan["engine"], EngineFactory>;

/** Work for the engines that any JavaScript environment can do: nothing here is of Node or of the browser. */
import { createGuest, type GuestConfig } from "../../../src/index.ts";
import { compareEngines } from "../../translator/random-programs.ts";

type Engine = NonNullable<GuestConfig["engine"]>;

/** Random programs by interpreter and translator, which must agree; or a guest by some engines, which must agree. */
export type Task =
  | { readonly kind: "programs"; readonly seed: number; readonly count: number }
  | {
      readonly kind: "guest";
      /** Name of the image. */
      readonly image: string;
      readonly mode: NonNullable<GuestConfig["mode"]>;
      readonly engines: readonly Engine[];
      readonly input: string;
    };

/** What a task comes to. */
export type Answer = { readonly result: string; readonly milliseconds: number } | { readonly error: string };

/** Ticks that a guest is run for at a time. */
const SLICE = 2_000_000;
const MEMORY = 16 << 20;

/** What a task comes to, which is the same wherever it is carried out. `load` gives an image. Throws if engines differ. */
export async function carryOut(task: Task, load: (image: string) => Promise<Uint8Array>): Promise<string> {
  if (task.kind === "programs") return JSON.stringify(compareEngines("little", task.seed, task.count));
  const { mode, input, engines } = task;
  const kernel = await load(task.image);
  const outcomes = engines.map((engine) => runGuest({ kernel, mode, engine, memory: MEMORY }, input));
  const [first, ...others] = new Set(outcomes);
  if (first === undefined || others.length > 0)
    throw new Error(`${engines.join(", ")} differ:\n${outcomes.join("\n")}`);
  return first;
}

/** Runs a guest to its end. Returns its console, its counters and a hash of its state. */
function runGuest(config: Omit<GuestConfig, "onConsole">, input: string): string {
  const decoder = new TextDecoder();
  let console = "";
  const guest = createGuest({
    ...config,
    onConsole: (bytes) => (console += decoder.decode(bytes, { stream: true })),
  });
  guest.sendInput(new TextEncoder().encode(input));
  let result = guest.run(SLICE);
  while (result.kind === "running") result = guest.run(SLICE);
  const outcome = JSON.stringify({ result, hash: guest.hash(), stats: guest.stats(), console });
  guest.destroy();
  return outcome;
}

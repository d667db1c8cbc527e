/**
 * `npm run fuzz:engines`: random programs by the interpreter and by the translator, compared bit for bit (`--help`
 * lists the flags). A difference ends it with the smallest program that shows it, and with status 1.
 */
import { compareEngines } from "../test/translator/random-programs.ts";
import { positiveFlag, today, toolFlags } from "./tool-flags.ts";

/** Programs that one pair of machines runs. */
const BATCH = 250;
/** A line says how far it is each time so many more are done: a full run takes a quarter of an hour. */
const SAY_EVERY = 5000;

const values = toolFlags({
  name: "fuzz:engines",
  summary: "random programs by the interpreter and by the translator, compared",
  help: [
    "--programs N  how many (default 50000)",
    "--seed N      where to start (default 1)",
    "--slice       other programs each day, instead of --seed",
  ],
  options: {
    programs: { type: "string", default: "50000" },
    seed: { type: "string", default: "1" },
    slice: { type: "boolean", default: false },
  },
});

const positive = (name: string, text: string): number => positiveFlag("fuzz:engines", name, text);

const programs = positive("programs", values.programs);
const first = values.slice ? today() * Math.ceil(programs / BATCH) : positive("seed", values.seed);

let done = 0;
let exceptions = 0;
let translations = 0;
for (let seed = first; done < programs; seed++) {
  const endian = seed % 2 === 0 ? "big" : "little";
  const result = compareEngines(endian, seed, Math.min(BATCH, programs - done));
  done += result.runs;
  exceptions += result.exceptions;
  translations += result.translations;
  if (done % SAY_EVERY === 0 && done < programs) console.log(`${done} agree so far, up to seed ${seed}`);
}
console.log(`${done} programs agree: ${translations} translations, ${exceptions} exceptions and interrupts`);

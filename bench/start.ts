/** How long kseg takes from the start of its process to the guest's first instruction. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Kseg, ksegRun } from "./machines.ts";
import { median } from "./statistics.ts";
import type { Row, Section } from "./table.ts";

const HOOK = fileURLToPath(new URL("first-instruction.js", import.meta.url));
/** So short a time is measured so many times as often as others. */
const RUNS = 5;

/** Milliseconds that one start took: by the clock, and of processor time. */
function start({ folder }: Kseg): readonly [clock: number, cpu: number] {
  const [program, ...args] = ksegRun(folder, "--clock", "virtual");
  const { stderr } = spawnSync(program, ["--import", HOOK, ...args], { encoding: "utf8", input: "" });
  const found = /^([\d.]+) ([\d.]+)$/m.exec(stderr);
  if (found === null) throw new Error(`kseg did not start:\n${stderr}`);
  return [Number(found[1]), Number(found[2])];
}

/** The time to start the demo guest, of each kseg by turns. The first start, which fills the compile cache, is not counted. */
export function startTime(rounds: number, ksegs: readonly Kseg[]): Section {
  for (const kseg of ksegs) start(kseg);
  const found = ksegs.map((kseg) => ({ kseg, clock: [] as number[], cpu: [] as number[] }));
  for (let round = 0; round < rounds * RUNS; round++)
    for (const { kseg, clock, cpu } of found) {
      const [ofClock, ofCpu] = start(kseg);
      clock.push(ofClock);
      cpu.push(ofCpu);
    }
  const rows = found.map(({ kseg, clock, cpu }): Row => {
    const values = { ms: median(clock), "least ms": Math.min(...clock), "CPU ms": median(cpu) };
    return { name: kseg.name, values, samples: { ms: clock, "CPU ms": cpu } };
  });
  return { title: "From the start of the process to the guest's first instruction (demo guest)", rows };
}

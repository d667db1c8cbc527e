/** What one TLB refill costs, by the generated handler and by the hypervisor proper, and what an exit costs. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kseg, ksegRun } from "./machines.ts";
import { run } from "./process.ts";
import { median } from "./statistics.ts";
import type { Row, Section } from "./table.ts";

/** Fits the guest's TLB of 64 pairs but not the host's 16: every pair misses in every round. */
const MANY_PAGES = 96;
/** Fits the host's TLB: as many page touches, hardly a refill. */
const FEW_PAGES = 8;
const ROUNDS = 50_000;

const MANY = `touch ${MANY_PAGES} ${ROUNDS}`;
const FEW = `touch ${FEW_PAGES} ${(ROUNDS * MANY_PAGES) / FEW_PAGES}`;

/** A system call takes some ten exits if generated code settles none of its privileged instructions. */
const CALLS = "syscall 40000";

interface RunStats {
  readonly instructions: number;
  readonly guestInstructions: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly refills: { readonly fast: number; readonly slow: number };
}

interface Measured {
  readonly stats: RunStats;
  /** Seconds that the last command of the input took. */
  readonly last: number;
  /** Seconds that the one before it took. */
  readonly before: number;
}

/**
 * Runs the demo guest with these commands. The answer to a command has come when the next prompt shows;
 * the next command's echo follows at once, as all input is there from the beginning.
 */
async function demo(
  checkout: string,
  flags: readonly string[],
  commands: readonly string[],
): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "kseg-bench-"));
  try {
    const file = join(folder, "stats.json");
    const { output, when } = await run(
      ksegRun(checkout, ...flags, "--clock", "virtual", "--quiet", "--stats", file),
      { input: `${[...commands, "poweroff"].join("\n")}\n` },
    );
    const prompts: number[] = [];
    let from = 0;
    for (const command of [...commands, "poweroff"]) {
      const at = output.indexOf(`kseg> ${command}\n`, from);
      const seconds = when(`kseg> ${command}\n`, from)?.seconds;
      if (at < 0 || seconds === undefined) throw new Error(`no answer to ${command} in:\n${output}`);
      prompts.push(seconds);
      from = at + 1;
    }
    const [third, second, first] = prompts.slice(-3).toReversed();
    const stats = JSON.parse(readFileSync(file, "utf8")) as RunStats;
    return { stats, last: third! - second!, before: second! - first! };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const handlers = ({ instructions, guestInstructions }: RunStats): number => instructions - guestInstructions;

/** Two equal loops warm the engine up, then the loop with refills; the same run without it gives the counts. */
async function cost(checkout: string, refill: "fast" | "slow", rounds: number): Promise<Row> {
  const flags = ["--refill", refill];
  const without = await demo(checkout, flags, [FEW, FEW, FEW]);
  const runs: Measured[] = [];
  for (let round = 0; round < rounds; round++) runs.push(await demo(checkout, flags, [FEW, FEW, MANY]));
  const refills = runs[0]!.stats.refills[refill] - without.stats.refills[refill];
  const nanoseconds = runs.map(({ last, before }) => ((last - before) / refills) * 1e9);
  return {
    name: `refill ${refill}`,
    values: {
      "ns/refill": median(nanoseconds),
      "host instructions/refill": (handlers(runs[0]!.stats) - handlers(without.stats)) / refills,
      refills,
    },
    samples: { nanoseconds },
  };
}

/** The cost of one refill each way, on the demo guest's page-touching workload, and the ratio. */
export async function refillCost(rounds: number, { name, folder }: Kseg): Promise<Section> {
  const fast = await cost(folder, "fast", rounds);
  const slow = await cost(folder, "slow", rounds);
  const ratio = slow.values["ns/refill"]! / fast.values["ns/refill"]!;
  return {
    title: `One TLB refill in ${name} (demo guest: ${MANY}, less ${FEW})`,
    rows: [fast, slow, { name: "slow ÷ fast", values: { "ns/refill": ratio } }],
  };
}

/** The time of a loop of system calls by its exits: all that is in it is counted as theirs, the guest's code too. */
export async function exitCost(rounds: number, { name, folder }: Kseg): Promise<Section> {
  const flags = ["--fast-exits", "off"];
  const without = await demo(folder, flags, [CALLS, CALLS]);
  const runs: Measured[] = [];
  for (let round = 0; round < rounds; round++) runs.push(await demo(folder, flags, [CALLS, CALLS, CALLS]));
  const all = ({ stats }: Measured): number => Object.values(stats.exits).reduce((sum, count) => sum + count);
  const exits = all(runs[0]!) - all(without);
  const nanoseconds = runs.map(({ last }) => (last / exits) * 1e9);
  const values = {
    "ns/exit": median(nanoseconds),
    "host instructions/exit": (handlers(runs[0]!.stats) - handlers(without.stats)) / exits,
    exits,
  };
  return {
    title: `One exit in ${name} (demo guest: ${CALLS}, fast exits off; the guest's code is in it)`,
    rows: [{ name: "exit", values, samples: { nanoseconds } }],
  };
}

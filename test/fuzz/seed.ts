import { planOf, type Only } from "./axes.ts";
import { fuzzBare } from "./bare.ts";
import { compareHosts } from "./differential.ts";
import { HostileVm } from "./hostile-vm.ts";

/** How much of each part a seed runs. */
export interface Effort {
  /** Guest instructions under the hypervisor with all checks on. */
  readonly instructions: number;
  /** Of those, how many are executed again on each host that is compared, and on the bare machine. */
  readonly compared: number;
  readonly bare: number;
}

/** What one seed did. */
export interface SeedResult {
  readonly seed: number;
  readonly instructions: number;
  readonly exits: number;
  /** Exits that said the guest cannot go on. */
  readonly failures: number;
  /** Kinds of exceptions inside others that there were. */
  readonly nested: readonly number[];
  /** Hosts compared, and hosts that could not be. */
  readonly compared: number;
  readonly skipped: number;
}

/** The parts of a full seed of `instructions`: comparing hosts and the bare machine take a fraction each. */
export function effortOf(instructions: number): Effort {
  return { instructions, compared: Math.ceil(instructions / 50), bare: Math.ceil(instructions / 10) };
}

/** Runs a seed: a hostile guest with invariants checked after every exit, the comparison of hosts, the bare machine. */
export function runSeed(seed: number, effort: Effort, only: Only = {}): SeedResult {
  const { guest, host } = planOf(seed, only);
  const vm = new HostileVm(guest, host, "sampled");
  const outcome = vm.run(effort.instructions);
  vm.destroy();
  const comparison = compareHosts(guest, effort.compared);
  const bare = fuzzBare(seed, effort.bare);
  return {
    seed,
    instructions: outcome.instructions + comparison.instructions + bare,
    exits: outcome.exits,
    failures: outcome.failures,
    nested: outcome.nested,
    compared: comparison.compared,
    skipped: comparison.skipped,
  };
}

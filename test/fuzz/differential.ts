import { comparableHosts, describe, type GuestPlan, type HostPlan } from "./axes.ts";
import { HostileVm, type Outcome } from "./hostile-vm.ts";
import { NO_CUTS, type Cuts } from "./image.ts";

/** Two hosts disagree about one guest. */
export class DifferenceError extends Error {
  override readonly name = "DifferenceError";
  readonly guest: GuestPlan;
  readonly hosts: readonly HostPlan[];
  /** How far the guest was run. */
  readonly instructions: number;
  constructor(guest: GuestPlan, runs: readonly Run[], instructions: number, what: string) {
    const values = runs.map(({ host, outcome }) => `\n  on ${describe(host)}: ${outcome.state[what]}`);
    super(`${what} differs:${values.join("")}\n  guest: ${describe(guest)}`);
    this.guest = guest;
    this.instructions = instructions;
    this.hosts = runs.map(({ host }) => host);
  }
}

/** A host, and how a guest ended there. */
interface Run {
  readonly host: HostPlan;
  readonly outcome: Outcome;
}

/** Hosts that a guest is compared on. All pairs of settings come up, over the seeds. */
const HOSTS = 5;

/** The guest of a seed as the comparison wants it: without what hosts may rightly treat differently. */
function comparable(guest: GuestPlan): GuestPlan {
  return { ...guest, commpage: false, branchesInSlots: false };
}

export interface Comparison {
  readonly instructions: number;
  /** Hosts that were compared with the first. */
  readonly compared: number;
  /** Hosts that could not be, because the guest looked where hosts differ. */
  readonly skipped: number;
}

function runOn(guest: GuestPlan, host: HostPlan, instructions: number, cuts: Cuts): Run {
  const vm = new HostileVm(guest, host, "none", cuts);
  const outcome = vm.run(instructions);
  vm.destroy();
  return { host, outcome };
}

function areComparable(a: Run, b: Run): boolean {
  if ((a.outcome.incomparable ?? b.outcome.incomparable) !== null) return false;
  if (!(a.outcome.nearCommpage || b.outcome.nearCommpage)) return true;
  return a.host.dyntrans === b.host.dyntrans && (!a.host.dyntrans || a.host.pageSize === b.host.pageSize);
}

/**
 * Runs one guest, the same on every host, on `hosts`, and compares how it ends with the first of them. Throws
 * {@link DifferenceError} and FuzzError.
 */
export function compareOn(
  guest: GuestPlan,
  hosts: readonly HostPlan[],
  instructions: number,
  cuts: Cuts = NO_CUTS,
): Comparison {
  const total = { instructions: 0, compared: 0, skipped: 0 };
  let first: Run | null = null;
  for (const host of hosts) {
    const run = runOn(guest, host, instructions, cuts);
    total.instructions += run.outcome.instructions;
    first ??= run;
    if (run === first) continue;
    if (!areComparable(first, run)) {
      total.skipped++;
      continue;
    }
    total.compared++;
    for (const [name, value] of Object.entries(first.outcome.state))
      if (run.outcome.state[name] !== value)
        throw new DifferenceError(guest, [first, run], instructions, name);
  }
  return total;
}

/** Runs a guest on several hosts ({@link compareOn}). */
export function compareHosts(guest: GuestPlan, instructions: number): Comparison {
  const plan = comparable(guest);
  return compareOn(plan, comparableHosts(plan, HOSTS), instructions);
}

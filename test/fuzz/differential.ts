import { FuzzError, HostileVm, type GuestPlan, type HostPlan, type Outcome } from "./hostile-vm.ts";

/** Two hosts disagree about one guest. */
export class DifferenceError extends Error {
  override readonly name = "DifferenceError";
}

const describeHost = ({ model, pageSize, refill, gvaRoots, dyntrans, engine }: HostPlan): string =>
  `${model}, ${pageSize / 1024}K pages, ${refill} refill, ${gvaRoots} roots, dyntrans ${dyntrans ? "on" : "off"}, ${engine}`;

/**
 * Hosts on which a guest has to come to the same end. Wild guests see their own code, so none of theirs is
 * translated; and only a guest whose pages are large enough runs on both page sizes, without the commpage,
 * which lies elsewhere.
 */
function hostsFor(guest: GuestPlan): HostPlan[] {
  const pageSize = guest.guestPage === 4096 ? 4096 : 16384;
  const base: HostPlan = {
    ...{ model: "24Kc", pageSize, refill: "fast", gvaRoots: 8 },
    ...{ dyntrans: false, engine: "interpreter" },
  };
  const hosts: HostPlan[] = [
    base,
    { ...base, engine: "translator" },
    { ...base, refill: "slow" },
    { ...base, gvaRoots: 1 },
    { ...base, gvaRoots: 2 },
    { ...base, model: "24Kc-kscratch" },
    { ...base, model: "24Kc-rixi" },
    { ...base, model: "34Kc", refill: "slow", gvaRoots: 1 },
  ];
  if (guest.style === "tame") {
    hosts.push({ ...base, dyntrans: true }, { ...base, model: "34Kc", refill: "slow", dyntrans: true });
    if (pageSize === 16384) hosts.push({ ...base, pageSize: 4096 });
  }
  return hosts;
}

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

function runOn(guest: GuestPlan, host: HostPlan, instructions: number): Outcome {
  const vm = new HostileVm(guest, host, false);
  try {
    const outcome = vm.run(instructions);
    vm.destroy();
    return outcome;
  } catch (error) {
    if (error instanceof FuzzError)
      throw new FuzzError(`on ${describeHost(host)}, ${error.message}`, error.cause);
    throw error;
  }
}

/** Runs one guest on several hosts and compares how it ends. Throws {@link DifferenceError} and FuzzError. */
export function compareHosts(guest: GuestPlan, instructions: number): Comparison {
  const plan = comparable(guest);
  const [first, ...others] = hostsFor(plan);
  const expected = runOn(plan, first!, instructions);
  const total = { instructions: expected.instructions, compared: 0, skipped: 0 };
  for (const host of others) {
    const outcome = runOn(plan, host, instructions);
    total.instructions += outcome.instructions;
    if ((expected.incomparable ?? outcome.incomparable) !== null) {
      total.skipped++;
      continue;
    }
    total.compared++;
    for (const [name, value] of Object.entries(expected.state))
      if (outcome.state[name] !== value)
        throw new DifferenceError(
          `${name} differs:\n  ${describeHost(first!)}: ${value}\n  ${describeHost(host)}: ${outcome.state[name]}`,
        );
  }
  return total;
}

import { disassemble } from "../../src/isa/disassemble.ts";
import type { GuestPlan, HostPlan } from "./axes.ts";
import { compareOn, DifferenceError } from "./differential.ts";
import { FuzzError, HostileVm, SHORTEST_EPOCH } from "./hostile-vm.ts";
import { codeOf, NO_CUTS, type Cuts } from "./image.ts";

/*
 * Makes a failing seed's guest smaller while it goes on failing in the same way: fewer instructions, fewer things
 * that the VMM does, fewer words of code.
 */

/** A guest and the hosts on which it fails: the one where something is thrown, or two that disagree. */
interface Case {
  readonly guest: GuestPlan;
  readonly hosts: readonly HostPlan[];
}

interface Failure {
  readonly error: Error;
  /** An instruction budget with which it fails. */
  readonly instructions: number;
}

/** What is the same in two failures that have one cause: numbers are not. */
const kind = ({ error }: Failure): string => {
  const inner = error.cause instanceof Error ? error.cause : error;
  return `${inner.name} ${inner.message.split("\n")[0]!.replaceAll(/\b[0-9a-f]*\d[0-9a-f]*\b/g, "#")}`;
};

/** Runs a case with parts of the guest cut out. The failure and when it was, or null. */
function attempt({ guest, hosts }: Case, cuts: Cuts, instructions: number): Failure | null {
  const [host, other] = hosts;
  const vm = other === undefined ? new HostileVm(guest, host!, "all", cuts) : null;
  try {
    if (vm === null) compareOn(guest, hosts, instructions, cuts);
    else {
      vm.run(instructions);
      vm.destroy();
    }
    return null;
  } catch (error) {
    const used = vm === null ? instructions : vm.elapsed + 1;
    return { error: error as Error, instructions: Math.min(instructions, used) };
  }
}

/** Items of `all` without which `fails` still holds are left out: half of them at a time, then smaller pieces. */
function leaveOut(all: readonly number[], fails: (without: ReadonlySet<number>) => boolean): Set<number> {
  let without = new Set<number>();
  for (let size = Math.ceil(all.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    const left = all.filter((item) => !without.has(item));
    for (let at = 0; at < left.length; at += size) {
      const more = new Set([...without, ...left.slice(at, at + size)]);
      if (fails(more)) without = more;
    }
  }
  return without;
}

/** Shrinks a guest step by step. Each step keeps what fails in the way in which the whole guest does. */
class Shrinker {
  private readonly case: Case;
  private readonly kind: string;
  private best: Failure;
  private cuts: Cuts = NO_CUTS;

  constructor(failing: Case, first: Failure) {
    this.case = failing;
    this.best = first;
    this.kind = kind(first);
  }

  private fails(cuts: Cuts, instructions = this.best.instructions): boolean {
    const failure = attempt(this.case, cuts, instructions);
    if (failure === null || kind(failure) !== this.kind) return false;
    this.best = failure;
    this.cuts = cuts;
    return true;
  }

  private fewerInstructions(): void {
    for (let part = 0.5; part < 0.99;)
      if (!this.fails(this.cuts, Math.floor(this.best.instructions * part))) part = (1 + part) / 2;
  }

  /** Shrinks it and describes what is left. */
  run(): string {
    const code = codeOf(this.case.guest);
    this.fewerInstructions();
    const epochs = Array.from(
      { length: Math.ceil(this.best.instructions / SHORTEST_EPOCH) },
      (_, n) => n + 1,
    );
    leaveOut(epochs, (without) => this.fails({ ...this.cuts, epochs: without }));
    this.fewerInstructions();
    leaveOut(
      code.map(({ gpa }) => gpa),
      (without) => this.fails({ ...this.cuts, words: without }),
    );
    this.fewerInstructions();
    const left = code.filter(({ gpa }) => !this.cuts.words.has(gpa));
    const hex = (word: number): string => word.toString(16).padStart(8, "0");
    return [
      `shrunk to ${this.best.instructions} instructions and ${left.length} words of code:`,
      this.best.error.message,
      ...left.map(({ gva, word }) => `  ${hex(gva)}  ${hex(word)}  ${disassemble(word, gva)}`),
    ].join("\n");
  }
}

/**
 * Shrinks the guest with which a seed failed, if it was one: bare machines are not shrunk. The failure may come
 * earlier than it did, because all invariants are checked after every exit.
 */
export function shrink(error: unknown, instructions: number): string {
  if (!(error instanceof FuzzError || error instanceof DifferenceError) || error.guest === null)
    return "only guests are shrunk";
  const failing = { guest: error.guest, hosts: error.hosts };
  const budget = error instanceof DifferenceError ? error.instructions : instructions;
  const first = attempt(failing, NO_CUTS, budget);
  return first === null ? "it does not fail again" : new Shrinker(failing, first).run();
}

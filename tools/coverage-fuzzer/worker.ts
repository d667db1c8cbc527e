/** The process that fuzzes one target: it makes inputs, gives them to the parser and keeps those that do something new. */
import { Random } from "../../test/fuzz/random.ts";
import { Branches } from "./branches.ts";
import { Corpus } from "./corpus.ts";
import type { Target, TargetExports } from "./fuzz-target.ts";
import { bytesInUse } from "./heap.ts";
import type { Finding, Job, Message, Report } from "./job.ts";
import { Mutator, tokensOf } from "./mutator.ts";
import { PresentInput } from "./present-input.ts";
import { shrink } from "./shrink.ts";

/** So many inputs of 100 are repaired, if the target can do that. */
const REPAIRED = 90;
/** Different defects that are looked for. */
const MOST_FINDINGS = 10;
/** The heap may grow by this in the second half, in bytes: code that is compiled, counters of the engine's. */
const MOST_GROWTH = 8 << 20;
/** Inputs between two looks at the clock. */
const CLOCK_EVERY = 64;
/** Milliseconds between two messages on how far it is. */
const PROGRESS_EVERY = 1000;

/** Fuzzes a target. */
class Fuzzer {
  private readonly job: Job;
  private readonly branches: Branches;
  private readonly target: Target;
  private readonly random: Random;
  private readonly mutator: Mutator;
  private readonly corpus: Corpus;
  private readonly present: PresentInput;
  private readonly findings = new Map<string, Finding>();
  private readonly started = performance.now();
  private toldAt = this.started;
  private inputs = 0;

  constructor(job: Job, branches: Branches, target: Target) {
    this.job = job;
    this.branches = branches;
    this.target = target;
    this.random = new Random(job.seed, 0);
    this.corpus = new Corpus(this.random);
    this.mutator = new Mutator(this.random, tokensOf(branches.literals), target.longest);
    this.present = new PresentInput(job.present, "write");
  }

  async run(): Promise<Report> {
    const { seeds } = this.target;
    for (const seed of seeds) {
      this.corpus.add(seed);
      await this.take(seed);
    }
    const { inputs } = this.job;
    const seconds = this.job.seconds ?? Infinity;
    await this.fuzzUntil(() => this.inputs >= inputs / 2 || this.secondsPassed >= seconds / 2);
    const before = await this.bytesInUse();
    await this.fuzzUntil(() => this.inputs >= inputs || this.secondsPassed >= seconds);
    const growth = (await this.bytesInUse()) - before;
    if (growth > MOST_GROWTH) this.findings.set("leak", leak(growth));
    return {
      inputs: this.inputs,
      seconds: this.secondsPassed,
      taken: this.branches.taken,
      branches: this.branches.all,
      corpus: this.corpus.size,
      growth,
      findings: [...this.findings.values()],
    };
  }

  private get secondsPassed(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Besides what the fuzzer itself keeps. */
  private async bytesInUse(): Promise<number> {
    return (await bytesInUse()) - this.corpus.bytes;
  }

  private async fuzzUntil(isOver: () => boolean): Promise<void> {
    for (let n = 0; n % CLOCK_EVERY !== 0 || !isOver(); n++) {
      if (this.inputs >= this.job.inputs || this.findings.size >= MOST_FINDINGS) return;
      if (n % CLOCK_EVERY === 0) this.tell();
      const input = this.makeInput();
      // An await for each of a million inputs would take longer than most of them.
      const pending = this.take(input);
      if (pending !== undefined) await pending;
    }
  }

  private makeInput(): Uint8Array {
    const { corpus, mutator, random, target } = this;
    const made = mutator.mutate(corpus.pick(), corpus.pick());
    return target.repair === undefined || !random.chance(REPAIRED) ? made : target.repair(made);
  }

  /** Gives an input to the parser. Returns a promise if that is to be waited for. */
  private take(input: Uint8Array): Promise<void> | undefined {
    this.inputs++;
    this.present.set(this.inputs, input);
    this.branches.begin();
    try {
      const pending = this.target.take(input);
      if (pending instanceof Promise)
        return pending.then(
          () => this.taken(input),
          (error: unknown) => this.failed(input, error),
        );
    } catch (error) {
      // Shrinking gives other inputs to the parser.
      return this.failed(input, error);
    }
    this.taken(input);
    return undefined;
  }

  private taken(input: Uint8Array): void {
    if (this.branches.end() && this.job.guided) this.corpus.add(input);
  }

  private async failed(input: Uint8Array, error: unknown): Promise<void> {
    const signature = signatureOf(error);
    if (this.findings.has(signature)) return;
    const fails = async (other: Uint8Array): Promise<boolean> => {
      this.present.set(this.inputs, other);
      try {
        await this.target.take(other);
        return false;
      } catch (again) {
        return signatureOf(again) === signature;
      }
    };
    const details = error instanceof Error ? (error.stack ?? "") : "";
    const what = error instanceof Error ? `${error.name}: ${error.message}` : `throws ${String(error)}`;
    this.findings.set(signature, { kind: "error", what, details, input: await shrink(input, fails) });
  }

  private tell(): void {
    const now = performance.now();
    if (now - this.toldAt < PROGRESS_EVERY) return;
    this.toldAt = now;
    tell({ kind: "progress", inputs: this.inputs, taken: this.branches.taken });
  }
}

/** What tells errors apart: their class, and where they come from. */
function signatureOf(error: unknown): string {
  if (!(error instanceof Error)) return `throws ${typeof error}`;
  const where = /^\s+at .*$/m.exec(error.stack ?? "")?.[0] ?? "";
  return `${error.name}${where}`;
}

function leak(growth: number): Finding {
  const what = `the heap has grown by ${Math.round(growth / 2 ** 20)} MiB in the second half of the run`;
  return { kind: "leak", what, details: "", input: null };
}

function tell(message: Message): void {
  process.send!(message);
}

process.once("message", (job: Job) => {
  void (async () => {
    const branches = new Branches(job.covers);
    const { openTarget } = (await import(job.module)) as TargetExports;
    const report = await new Fuzzer(job, branches, await openTarget()).run();
    tell({ kind: "report", report });
    // Not before it was sent.
    process.disconnect();
  })();
});

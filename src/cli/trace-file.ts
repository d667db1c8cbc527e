/** `--trace`: what the hypervisor does, in a file that others can read. */
import {
  FtraceText,
  PerfettoTrace,
  type Guest,
  type Stats,
  type Tracer,
  type TraceWriter,
} from "../index.ts";
import { StreamFile } from "./stream-file.ts";

/** A file with one of these endings is text as ftrace prints it, any other is for Perfetto. */
const TEXT = /\.(?:ftrace|txt)$/i;

/** The file of a run's trace. */
export class TraceFile {
  private readonly file: StreamFile;
  private readonly writer: TraceWriter;
  private guest: Guest | null = null;

  /** Throws UsageError if it cannot be written. `onFailed` is called once if that shows later. */
  constructor(name: string, inputs: readonly (string | undefined)[], onFailed: (why: string) => void) {
    this.file = new StreamFile("--trace", name, inputs, onFailed);
    const Writer = TEXT.test(name) ? FtraceText : PerfettoTrace;
    this.writer = new Writer(
      (bytes) => this.file.write(bytes),
      () => this.guest?.time ?? 0,
    );
  }

  /** To be given to the guest. */
  get tracer(): Tracer {
    return this.writer.tracer;
  }

  /** The guest that is traced, before it runs: time is its time. */
  attach(guest: Guest): void {
    this.guest = guest;
    this.file.begin();
  }

  /** Records how far the counters are. */
  sample(guest: Guest): void {
    this.writer.sample(countersOf(guest.stats()));
  }

  /** Writes the rest. */
  close(): void {
    if (this.guest !== null) this.sample(this.guest);
    this.writer.finish();
    this.file.close();
  }

  /** Lets go of the file, whether it was closed or the run has never begun. */
  release(): void {
    this.file.close();
  }
}

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** What has a counter track. */
function countersOf(stats: Stats): Readonly<Record<string, number>> {
  return {
    "guest instructions": stats.guestInstructions,
    exits: sum(stats.exits),
    "fast exits": sum(stats.fastExits),
    "fast refills": stats.refills.fast,
    "slow refills": stats.refills.slow,
    "PTEs filled": stats.gvaPtesFilled,
    "PTEs invalidated": stats.gvaPtesInvalidated,
    "host TLB writes": stats.hostTlbWrites,
  };
}

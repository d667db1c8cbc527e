/** The files that a run leaves when it is over: those of `--save`, `--record` and `--stats`. */
import type { Guest, TimeTravel } from "../index.ts";
import { CliError } from "./errors.ts";
import type { RunFlags } from "./flags.ts";
import { checkOutputs, OutputFile } from "./output-file.ts";
import { SnapshotFile } from "./snapshot-io.ts";

/** What a run that is over is kept of. */
export interface FinishedRun {
  readonly guest: Guest;
  /** The guest as one whose run can be repeated; null if it is none. */
  readonly travel: TimeTravel | null;
  /** It can go on from a snapshot. */
  readonly canGoOn: boolean;
  /** Real time that it took. */
  readonly seconds: number;
}

/** What became of the files, in lines for people. */
export interface Written {
  readonly saved: readonly string[];
  readonly failed: readonly string[];
}

/** The names of the files that a run writes, by flag. */
export const outputsOf = ({
  stats,
  save,
  record,
  trace,
}: RunFlags): Readonly<Record<string, string | undefined>> => ({
  "--stats": stats,
  "--save": save,
  "--record": record,
  "--trace": trace,
});

/** The files of one run. They are tried out on construction: throws UsageError then. */
export class RunResults {
  /** Where snapshots go, at the end and before. */
  readonly snapshot: SnapshotFile | null;
  private readonly tape: SnapshotFile | null;
  private readonly figures: OutputFile | null;

  /** `inputs` are the files that the run reads; a snapshot may take the place of the one that it goes on from. */
  constructor(flags: RunFlags, inputs: readonly (string | undefined)[], isFromSnapshot: boolean) {
    checkOutputs(outputsOf(flags));
    const { stats, save, record } = flags;
    const notReplaced = isFromSnapshot ? [] : inputs;
    this.figures = stats === undefined ? null : new OutputFile("--stats", stats, inputs);
    this.snapshot = save === undefined ? null : new SnapshotFile("--save", save, notReplaced);
    this.tape = record === undefined ? null : new SnapshotFile("--record", record, notReplaced);
  }

  /** Writes them all: one that cannot be written does not keep the others from it. */
  async write({ guest, travel, canGoOn, seconds }: FinishedRun): Promise<Written> {
    const saved: string[] = [];
    const failed: string[] = [];
    const attempt = async (write: () => Promise<string | void>): Promise<void> => {
      try {
        const said = await write();
        if (said !== undefined) saved.push(said);
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        failed.push(error.message);
      }
    };
    const { snapshot, tape, figures } = this;
    if (snapshot !== null && canGoOn) await attempt(() => snapshot.write(guest.save()));
    if (tape !== null && travel !== null) await attempt(() => tape.write(travel.recording()));
    // Seconds are the only thing in it that depends on real time.
    if (figures !== null) await attempt(() => figures.write({ ...guest.stats(), seconds }));
    return { saved, failed };
  }
}

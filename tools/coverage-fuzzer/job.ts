/** What is asked of the process that fuzzes, and what it tells. */

export interface Job {
  /** See `TargetModule`. */
  readonly module: string;
  /** Absolute paths. */
  readonly covers: readonly string[];
  readonly seed: number;
  readonly inputs: number;
  /** It ends so much earlier if it has taken so many seconds; null: never. */
  readonly seconds: number | null;
  /** False: inputs are made of the seeds alone, whatever branches they take. To show what guidance is worth. */
  readonly guided: boolean;
  /** The file of {@link PresentInput}. */
  readonly present: string;
}

/** Something that a parser should not have done. */
export interface Finding {
  /** "crash": the whole process has ended. */
  readonly kind: "error" | "hang" | "leak" | "memory" | "crash";
  /** In a line. */
  readonly what: string;
  /** The stack, of an error. */
  readonly details: string;
  /** What has led to it; null if no single input has. */
  readonly input: Uint8Array | null;
}

/** What was done. */
export interface Report {
  readonly inputs: number;
  readonly seconds: number;
  /** Branches that were taken, of those that are loaded. */
  readonly taken: number;
  readonly branches: number;
  /** Inputs that are kept. */
  readonly corpus: number;
  /** Bytes by which the heap has grown in the second half. */
  readonly growth: number;
  readonly findings: readonly Finding[];
}

/** Messages of the process: how far it is, then what it has found. */
export type Message =
  | { readonly kind: "progress"; readonly inputs: number; readonly taken: number }
  | { readonly kind: "report"; readonly report: Report };

import { fpu } from "./fpu/command.ts";
import { generated } from "./generated/command.ts";
import { architecture } from "./qemu/command.ts";

/** A comparison of kseg with something outside of it, run by `npm run oracle`. */
export interface OracleSuite {
  readonly name: string;
  readonly summary: string;
  /** What options the suite takes, a line each. */
  readonly options: readonly string[];
  /** Runs it and prints what it found. True if both sides agree. Throws {@link OracleUsageError}. */
  run(args: readonly string[]): Promise<boolean>;
}

/** Every suite, in the order in which they run. */
export const SUITES: readonly OracleSuite[] = [architecture, fpu, generated];

/** Runs real guests through `bin/kseg.js`, as a user does. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GuestError, guestPaths } from "../../src/guests/index.ts";

const KSEG = fileURLToPath(new URL("../../bin/kseg.js", import.meta.url));

/** The fields of the statistics file that the tests look at; `seconds` alone depends on real time. */
export interface RunStats {
  readonly seconds: number;
  readonly instructions: number;
  readonly guestInstructions: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly refills: { readonly fast: number; readonly slow: number };
}

/** What a run left behind. */
export interface GuestRun {
  /** Console bytes, one character each. */
  readonly console: string;
  readonly errors: string;
  readonly status: number | null;
  readonly stats: RunStats;
}

type Found = Awaited<ReturnType<typeof guestPaths>>;

/** The files of a guest in the cache, or why it cannot be run, which is also printed. */
export async function cachedGuest(
  name: Parameters<typeof guestPaths>[0],
): Promise<{ readonly paths: Found } | { readonly paths?: never; readonly missing: string }> {
  try {
    return { paths: await guestPaths(name) };
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    console.log(`${name}: skipped: ${error.message}`);
    return { missing: error.message };
  }
}

/**
 * Runs a guest with this console input (nothing is typed by default) and more flags of `kseg run`. `onErrors` is called
 * with all that has come on stderr so far.
 */
export function runGuest(
  paths: Found,
  flags: readonly string[],
  input = "",
  onErrors: (errors: string) => void = () => {},
): Promise<GuestRun> {
  const folder = mkdtempSync(join(tmpdir(), "kseg-boot-"));
  const statsFile = join(folder, "stats.json");
  const args = [
    "run",
    "--guest",
    paths.guest,
    "--mode",
    paths.mode,
    "--clock",
    "virtual",
    "--timeout",
    "500",
    "--stats",
    statsFile,
    ...flags,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [KSEG, ...args]);
    let output = "";
    let errors = "";
    child.stdout.setEncoding("latin1").on("data", (chunk: string) => (output += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      errors += chunk;
      onErrors(errors);
    });
    child.on("error", reject);
    child.on("close", (status) => {
      try {
        const stats = JSON.parse(readFileSync(statsFile, "utf8")) as RunStats;
        resolve({ console: output, errors, status, stats });
      } catch {
        reject(
          new Error(`kseg ended with ${status} and left no statistics\n${errors}${output.slice(-2000)}`),
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
    child.stdin.on("error", () => undefined).end(input);
  });
}

/** Statistics without the one field that depends on real time. */
export function exactStats(run: GuestRun): Omit<RunStats, "seconds"> {
  const { seconds: _, ...exact } = run.stats;
  return exact;
}

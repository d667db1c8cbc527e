/** The guest of a run, from the files that the flags name. */
import {
  createGuest,
  createTimeTravel,
  GuestConfigError,
  replayGuest,
  restoreGuest,
  restoreTimeTravel,
  type Guest,
  type GuestConfig,
  type TimeTravel,
} from "../index.ts";
import { CliError, STATUS, UsageError } from "./errors.ts";
import type { RunFlags } from "./flags.ts";
import { readInput } from "./input-files.ts";
import { GuestInputError } from "../guests/errors.ts";
import type { RootAdditions } from "../guests/root-additions.ts";
import { readSnapshot, withSnapshot } from "./snapshot-io.ts";
import type { Choice, KernelChoice } from "./what-to-run.ts";

interface KernelFiles {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
}

/** What the files of a run hold. */
export type InputFiles = KernelFiles | { readonly snapshot: Uint8Array };

/**
 * What the files hold; null if they are pipes and their ends do not come within the timeout. `input` is what a command in
 * the guest gets, if all of that is known.
 */
export async function readFiles(
  choice: Choice,
  flags: RunFlags,
  input: Uint8Array | null,
): Promise<InputFiles | null> {
  const { timeout } = flags;
  const late = new AbortController();
  const timer = timeout === undefined ? undefined : setTimeout(() => late.abort(), timeout * 1000);
  try {
    if (choice.kind === "snapshot")
      return { snapshot: await readSnapshot(choice.flag, choice.file, late.signal) };
    const files = { kernel: await readInput("--kernel", choice.kernel, late.signal) };
    const given =
      choice.initrd === undefined ? undefined : await readInput("--initrd", choice.initrd, late.signal);
    const initrd = await withFolderAndCommand(given, choice, flags, input);
    return initrd === undefined ? files : { ...files, initrd };
  } catch (error) {
    if (late.signal.aborted) return null;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The initrd with what the flags add to it. Throws {@link UsageError} if that cannot be. */
async function withFolderAndCommand(
  initrd: Uint8Array | undefined,
  { share, program }: KernelChoice,
  { memory, quiet }: RunFlags,
  input: Uint8Array | null,
): Promise<Uint8Array | undefined> {
  const text = program?.command;
  if (share === undefined && text === undefined) return initrd;
  const command = text === undefined ? "shell" : { text, ...(input === null ? {} : { input }) };
  const additions: RootAdditions = {
    ...(share === undefined ? {} : { share }),
    ...(program === undefined ? {} : { program: command }),
  };
  try {
    const { withAdditions } = await import("../guests/root-additions.ts");
    const { archive, leftOut } = await withAdditions(initrd ?? new Uint8Array(0), additions, memory);
    if (leftOut.length > 0 && quiet !== true)
      process.stderr.write(`kseg: --share ${share}: left out ${leftOut.join(", ")}\n`);
    return archive;
  } catch (error) {
    if (!(error instanceof GuestInputError)) throw error;
    throw new UsageError(`--share ${error.path}: ${error.reason}`, { cause: error });
  }
}

type Callbacks = Pick<GuestConfig, "clock" | "onConsole" | "onSerial" | "tracer">;

/**
 * Whether the guest of a run can be turned back, or its run repeated: a debugger may want that. Not if it is traced, as
 * what happens on the way back is no part of the trace.
 */
export function canTravel({ record, replay, gdb, trace }: RunFlags): boolean {
  return record !== undefined || replay !== undefined || (gdb !== undefined && trace === undefined);
}

/**
 * A run that is recorded, or repeated, is not turned back: its start is all that has to be kept. If a debugger is there
 * snapshots are taken by real time (past-keeper.ts).
 */
const SPARSE = { interval: Infinity, snapshots: 40, output: "once" } as const;

/**
 * Makes the guest of a run: one that can be recorded if that is asked for. Throws {@link UsageError}, and
 * {@link CliError} if there is no memory for it.
 */
export function makeGuest(
  flags: RunFlags,
  choice: Choice,
  files: InputFiles,
  callbacks: Callbacks,
): Guest | TimeTravel {
  const config = { ...callbacks, engine: flags.engine, now: () => performance.now() };
  if (choice.kind === "kernel") return fromKernel(flags, choice, { ...(files as KernelFiles), ...config });
  const { snapshot } = files as Extract<InputFiles, { snapshot: Uint8Array }>;
  const { flag, file } = choice;
  return withSnapshot(flag, file, () => {
    if (flag === "--replay") return replayGuest(snapshot, config, SPARSE);
    return canTravel(flags) ? restoreTimeTravel(snapshot, config, SPARSE) : restoreGuest(snapshot, config);
  });
}

function fromKernel(
  flags: RunFlags,
  { mode, kernel, initrd, append, share }: KernelChoice,
  config: KernelFiles & Callbacks & Pick<GuestConfig, "engine" | "now">,
): Guest | TimeTravel {
  const { memory, hostCpu, hostPageSize, refill, gvaRoots, guestTlb, fastExits, guestFpu, dyntrans } = flags;
  try {
    const whole = {
      ...config,
      ...{ memory, mode, hostCpu },
      ...(hostPageSize === undefined ? {} : { hostPageSize }),
      ...(refill === undefined ? {} : { refill }),
      ...(gvaRoots === undefined ? {} : { gvaRoots }),
      ...(guestTlb === undefined ? {} : { guestTlb }),
      ...(fastExits === undefined ? {} : { fastExits }),
      ...(guestFpu === undefined ? {} : { guestFpu }),
      ...(dyntrans === undefined ? {} : { dyntrans }),
      ...(append === undefined ? {} : { append }),
    };
    return canTravel(flags) ? createTimeTravel(whole, SPARSE) : createGuest(whole);
  } catch (error) {
    if (error instanceof GuestConfigError) {
      const blamed: Partial<Record<string, string>> = {
        kernel: `--kernel ${kernel}: `,
        initrd: share === undefined ? `--initrd ${initrd}: ` : `--share ${share}: `,
        memory: "--memory: ",
        append: "--append: ",
        hostCpu: "--host-cpu: ",
        guestFpu: "--guest-fpu: ",
      };
      throw new UsageError(`${blamed[error.setting] ?? ""}${error.message}`, { cause: error });
    }
    // What WebAssembly throws when the system does not give it the memory.
    if (error instanceof RangeError && /memory/i.test(error.message))
      throw new CliError(`cannot get ${memory / 2 ** 20} MiB of memory for the machine`, STATUS.failed, {
        cause: error,
      });
    throw error;
  }
}

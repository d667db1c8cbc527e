/** Which guest the flags of a run mean: files of the user's, a guest from the cache, or the demo guest. */
import { fileURLToPath } from "node:url";
import { GuestError } from "../guests/errors.ts";
import type * as Paths from "../guests/paths.ts";
import { COMMAND_APPEND, SHELL_APPEND, type GuestName } from "../guests/names.ts";
import { CPU_MODELS, type Mode } from "../index.ts";
import { CliError, UsageError } from "./errors.ts";
import type { RunFlags } from "./flags.ts";

/** A kernel and how it is run. */
export interface KernelChoice {
  readonly kind: "kernel";
  readonly kernel: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly mode: Mode;
  /** It is the guest that comes with kseg. */
  readonly isDemo: boolean;
  /** A folder for its root file system. */
  readonly share?: string;
  /** Its root file system is kseg's, in which a shell starts, or one command. */
  readonly program?: { readonly command?: string };
}

/** A guest as a snapshot or recording has it: the file's name, and the flag that gave it. */
export interface SnapshotChoice {
  readonly kind: "snapshot";
  readonly flag: "--restore" | "--replay";
  readonly file: string;
}

export type Choice = KernelChoice | SnapshotChoice;

/**
 * Puts together what the flags say and what the guest they name needs. Throws {@link UsageError} for flags that
 * contradict each other, {@link CliError} if the cache does not have the guest.
 */
export async function whatToRun(flags: RunFlags): Promise<Choice> {
  const { guest, kernel, mode, restore, replay, gdb, gdbNoWait } = flags;
  if (gdbNoWait === true && gdb === undefined)
    throw new UsageError("--gdb-no-wait needs --gdb: say where gdb can connect (--gdb 1234)");
  if (restore !== undefined) return { kind: "snapshot", flag: "--restore", file: restore };
  if (replay !== undefined) return { kind: "snapshot", flag: "--replay", file: replay };
  if (guest !== undefined && kernel !== undefined)
    throw new UsageError(`--guest ${guest} has a kernel of its own: leave --kernel out`);
  checkCommand(flags);
  const usual = guest ?? usualGuest(flags);
  const choice = usual === undefined ? await ofFiles(flags) : await fromCache(usual, flags);
  if (choice.mode === "bare")
    refuseHypervisorFlags(flags, mode === undefined ? `--guest ${usual}` : "--mode bare");
  return choice;
}

/** Refuses what one command in place of a shell does not go together with. */
function checkCommand({ exec, initrd, save, record }: RunFlags): void {
  if (exec === undefined) return;
  if (initrd !== undefined)
    throw new UsageError("--exec brings a root file system of its own: leave --initrd out, or --exec");
  for (const [flag, value] of Object.entries({ "--save": save, "--record": record }))
    if (value !== undefined)
      throw new UsageError(
        `${flag} is about the whole guest, and --exec shows one command: leave one of them out`,
      );
}

/** The guest for a folder or a command if the user names none: Debian's, if it can be run in this mode. */
function usualGuest({ share, exec, kernel, mode, hostCpu, hostPageSize }: RunFlags): GuestName | undefined {
  if (kernel !== undefined || (share === undefined && exec === undefined)) return undefined;
  if (mode !== "te" || CPU_MODELS[hostCpu]?.segmentControl === true) return "debian";
  return hostPageSize === 16384 ? "kvm-linux-16k" : "kvm-linux-4k";
}

async function ofFiles(flags: RunFlags): Promise<KernelChoice> {
  const { kernel, initrd, append, mode = "te", hostPageSize, share, exec } = flags;
  const choice = {
    kind: "kernel",
    kernel: kernel ?? demoKernel(mode, hostPageSize),
    mode,
    isDemo: kernel === undefined,
    ...(share === undefined ? {} : { share }),
  } as const;
  if (initrd !== undefined || (share === undefined && exec === undefined))
    return {
      ...choice,
      ...(initrd === undefined ? {} : { initrd }),
      ...(append === undefined ? {} : { append }),
    };
  return {
    ...choice,
    initrd: await cached(exec === undefined ? "--share" : "--exec", ({ rootFileSystemPath }) =>
      rootFileSystemPath(),
    ),
    ...ofProgram(flags),
  };
}

/** What a root file system of kseg's is started with. */
function ofProgram({ append, exec }: RunFlags): Required<Pick<KernelChoice, "append" | "program">> {
  const commandLine = exec === undefined ? SHELL_APPEND : COMMAND_APPEND;
  return {
    append: append === undefined ? commandLine : `${commandLine} ${append}`,
    program: exec === undefined ? {} : { command: exec },
  };
}

async function fromCache(guest: GuestName, flags: RunFlags): Promise<KernelChoice> {
  const { initrd, mode, share } = flags;
  const paths = await cached(`--guest ${guest}`, ({ guestPaths }) => guestPaths(guest));
  const { append, program } = ofProgram(flags);
  return {
    kind: "kernel",
    kernel: paths.kernel,
    initrd: initrd ?? paths.initrd,
    append,
    mode: mode ?? paths.mode,
    isDemo: false,
    ...(share === undefined ? {} : { share }),
    ...(initrd === undefined ? { program } : {}),
  };
}

/** What `look` finds in the cache. Throws {@link CliError} that names `flag`, which wants it. */
async function cached<T>(flag: string, look: (cache: typeof Paths) => Promise<T>): Promise<T> {
  try {
    return await look(await import("../guests/paths.ts"));
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    const why = error.message.replace(/^guest \S+: /, "");
    throw new CliError(`${flag}: ${why}`, error.exitStatus, { cause: error });
  }
}

function refuseHypervisorFlags(
  { refill, gvaRoots, guestTlb, fastExits, guestFpu, dyntrans, hostPageSize, trace }: RunFlags,
  bare: string,
): void {
  const given = {
    "--refill": refill,
    "--gva-roots": gvaRoots,
    "--guest-tlb": guestTlb,
    "--fast-exits": fastExits,
    "--guest-fpu": guestFpu,
    "--dyntrans": dyntrans,
    "--host-page-size": hostPageSize,
    "--trace": trace,
  };
  for (const [flag, value] of Object.entries(given))
    if (value !== undefined)
      throw new UsageError(`${flag} is about the hypervisor, and ${bare} runs without it: leave ${flag} out`);
}

/** The demo guest's kernel for this way to run it. */
function demoKernel(mode: Mode, hostPageSize = 4096): string {
  const te = hostPageSize === 16384 ? "demo-te-16k.elf" : "demo-te.elf";
  return fileURLToPath(
    new URL(`../../guests/demo/${mode === "bare" ? "demo-bare.elf" : te}`, import.meta.url),
  );
}

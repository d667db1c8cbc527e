/** Which guest the flags of a run mean: files of the user's, a guest from the cache, or the demo guest. */
import { fileURLToPath } from "node:url";
import { GuestError, guestPaths, type GuestName } from "../guests/index.ts";
import type { Mode } from "../index.ts";
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
  const choice = guest !== undefined ? await fromCache(guest, flags) : ofFiles(flags);
  if (choice.mode === "bare")
    refuseHypervisorFlags(flags, mode === undefined ? `--guest ${guest}` : "--mode bare");
  return choice;
}

function ofFiles({ kernel, initrd, append, mode = "te", hostPageSize }: RunFlags): KernelChoice {
  return {
    kind: "kernel",
    kernel: kernel ?? demoKernel(mode, hostPageSize),
    ...(initrd === undefined ? {} : { initrd }),
    ...(append === undefined ? {} : { append }),
    mode,
    isDemo: kernel === undefined,
  };
}

async function fromCache(guest: GuestName, { initrd, append, mode }: RunFlags): Promise<KernelChoice> {
  try {
    const paths = await guestPaths(guest);
    return {
      kind: "kernel",
      kernel: paths.kernel,
      initrd: initrd ?? paths.initrd,
      append: append === undefined ? paths.append : `${paths.append} ${append}`,
      mode: mode ?? paths.mode,
      isDemo: false,
    };
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    const why = error.message.replace(/^guest \S+: /, "");
    throw new CliError(`--guest ${guest}: ${why}`, error.exitStatus, { cause: error });
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

/** `kseg explain`: how a guest's address is translated at some moment of a run, and what accesses to it do. */
import { Argument, Command } from "commander";
import { explanationText } from "../index.ts";
import { addHelp, RUN_STATUSES, type CommandHelp } from "./command-help.ts";
import { UsageError } from "./errors.ts";
import { addRunFlags, checkRestore, instructionCount, type RunFlags } from "./flags.ts";
import { runCommand } from "./run-command.ts";

const HELP: CommandHelp = {
  notes: [
    "The guest runs as with kseg run, but what it prints is not shown, and nobody types to it: piped input it gets. " +
      "Where the run ends, the address is explained: each step of its translation, for the guest's kernel mode and user " +
      "mode, and what a load, a store and a fetch would do there.",
  ],
  statuses: RUN_STATUSES,
  examples: [
    ["explain 400010", "an address of the demo guest's process"],
    ["explain 0x40100000 --guest kvm-linux-4k --exit-on ready", "of Linux, when its shell is there"],
    ["explain 77e00000 --after 5000000 --refill slow", "at another moment, on another host"],
  ],
  seeAlso: "kseg help run; docs/seeing.md",
};

/** Enough for the demo guest, and too few for most others, to have booted. */
const DEFAULT_INSTRUCTIONS = 10_000_000;

interface ExplainFlags extends RunFlags {
  readonly after?: number;
}

/** The sub-command, to be added to the program; `setStatus` takes the exit status of the run. */
export function explainCommand(setStatus: (status: number) => void): Command {
  const command = addHelp(new Command("explain"), HELP)
    .description("run a guest, and say what its address means then and what accesses to it do")
    .addArgument(new Argument("<address>", "of the guest, in hexadecimal").argParser(address))
    .option(
      "--after <n>",
      `explain when the guest has executed so many instructions (default: ${DEFAULT_INSTRUCTIONS}, with --exit-on none)`,
      (text: string) => instructionCount(text, "--after"),
    );
  return addRunFlags(command).action(async (gva: number, { after, ...flags }: ExplainFlags) => {
    checkRestore(command, flags);
    const instructions = after ?? (flags.exitOn === undefined ? DEFAULT_INSTRUCTIONS : Infinity);
    setStatus(
      await runCommand(
        { ...flags, clock: flags.clock ?? "virtual", quiet: true },
        {
          instructions,
          unattended: true,
          onConsole: () => {},
          onEnd: (guest) => process.stdout.write(`${explanationText(guest.inspect().explain(gva))}\n`),
        },
      ),
    );
  });
}

function address(text: string): number {
  if (/^(?:0x)?[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text, 16);
  throw new UsageError(`${text}: no address; give up to 8 hexadecimal digits`);
}

/** The commands of kseg, their flags and their help: what the parser, the help and the completions are made from. */
import { readFileSync } from "node:fs";
import { Command, type CommanderError } from "commander";
import { addHelp, RUN_STATUSES, type CommandHelp } from "./command-help.ts";
import { addRunFlags, checkRestore, type RunFlags } from "./flags.ts";
import { helpCommand } from "./help-command.ts";

const PROGRAM_HELP: CommandHelp = {
  statuses: RUN_STATUSES,
  examples: [
    ["run", "the demo guest"],
    ["guest fetch debian", "a real kernel into the cache"],
    ["run --guest debian", "runs it"],
    ["run --share tests --exec ./run.sh", "runs a program of yours in it"],
    ["help guest fetch", "the help of a command of a command"],
  ],
  seeAlso: "kseg help environment, kseg help qemu; README.md",
};

const RUN_HELP: CommandHelp = {
  notes: [
    "The console goes to stdout, everything else to stderr. On a terminal Ctrl-A X leaves, Ctrl-A S saves, Ctrl-A H " +
      "helps. Piped input waits until the guest can take it; its end does not end the run (the demo guest gets it as " +
      "Ctrl-D). Without a terminal a guest that waits takes a whole core, unless --clock is wall.",
    "--exit-on looks at each line when it has ended, and at the last one when nothing was printed for 5 to 10 ms of " +
      "guest time. --save writes a snapshot when --exit-on matches, at the timeout, on Ctrl-A X, when the guest waits " +
      "for input that cannot come, and when a signal ends kseg.",
    "With --exec stdout and stderr are the command's alone, and so is stdin.",
  ],
  statuses: RUN_STATUSES,
  examples: [
    ["run", "the demo guest, on this terminal"],
    ["run --guest debian --memory 512M", "Debian's kernel, directly on the machine"],
    [
      "run --guest kvm-linux-4k --refill slow --stats slow.json",
      "Linux under the hypervisor, without its refill handler",
    ],
    ["run --kernel vmlinux --initrd rootfs.gz --append console=ttyS0", "a kernel of your own"],
    ["run --share tests --exec ./run.sh --timeout 60", "a program of your own, and its exit status"],
    ["run --exit-on login: --save ready.snap", "saves the guest where it prints that"],
    ["run --restore ready.snap", "and goes on from there"],
    ["run -M malta -m 64 -nographic -kernel vmlinux", "QEMU's flags"],
  ],
  files: [
    ["~/.cache/kseg", "guests for --guest, --share and --exec (kseg guest list)"],
    ["FILE.ftrace", "with --trace: a text as ftrace's; any other name: Perfetto's binary format"],
  ],
  seeAlso: "kseg help qemu, kseg help guest; docs/guests.md, docs/snapshots.md, docs/debugging.md",
};

type SetStatus = (status: number) => void;

/** The commands, in the order of the help. Each loads what it needs when it is asked for. */
const COMMANDS: Readonly<Record<string, (setStatus: SetStatus) => Command | Promise<Command>>> = {
  run: (setStatus) => {
    const run = addHelp(new Command("run").description("run a guest on this terminal"), RUN_HELP);
    return addRunFlags(run).action(async (flags: RunFlags) => {
      checkRestore(run, flags);
      const { runCommand } = await import("./run-command.ts");
      setStatus(await runCommand(flags));
    });
  },
  explain: async (setStatus) => (await import("./explain-command.ts")).explainCommand(setStatus),
  stat: async (setStatus) => (await import("./stat-command.ts")).statCommand(setStatus),
  guest: async () => (await import("./guest-command.ts")).guestCommand(),
  disasm: async () => (await import("./disasm-command.ts")).disasmCommand(),
  bench: async () => (await import("./bench-command.ts")).benchCommand(),
};

/**
 * All commands, or if `wanted` is the name of one that alone. `setStatus` is called with the exit status of those that
 * have one of their own.
 */
export async function createProgram(setStatus: SetStatus, wanted?: string): Promise<Command> {
  const program = new Command("kseg")
    .description("A MIPS hypervisor and the MIPS machine under it.")
    .version(`kseg ${version()}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false);
  addHelp(program, PROGRAM_HELP);
  const isKnown = wanted !== undefined && Object.hasOwn(COMMANDS, wanted);
  for (const name of isKnown ? [wanted] : Object.keys(COMMANDS))
    program.addCommand(await COMMANDS[name]!(setStatus));
  // These two are about all commands.
  if (!isKnown) {
    const { completionCommand } = await import("./completion-command.ts");
    program.addCommand(completionCommand(program)).addCommand(helpCommand(program));
  }
  forAll(program, (command) =>
    command
      .helpOption("-h, --help", "print this help")
      .exitOverride((error) => {
        throw new CommandError(command, error);
      })
      // What is wrong is said by `explain`, in one line.
      .configureOutput({ outputError: () => {} }),
  );
  return program;
}

function forAll(command: Command, change: (command: Command) => void): void {
  change(command);
  for (const child of command.commands) forAll(child, change);
}

/** Commander's reason to stop, and the command it was at. */
export class CommandError extends Error {
  readonly command: Command;
  readonly reason: CommanderError;

  constructor(command: Command, reason: CommanderError) {
    super(reason.message, { cause: reason });
    this.name = "CommandError";
    this.command = command;
    this.reason = reason;
  }
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

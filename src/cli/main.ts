/** The command line: finds the command, and turns everything that goes wrong into one line and a status. */
import { readFileSync } from "node:fs";
import { Command, type CommanderError, type Option } from "commander";
import { benchCommand } from "./bench-command.ts";
import { heedBranchHints } from "./branch-hints.ts";
import { errorText, CliError, oneLine, STATUS, UsageError } from "./errors.ts";
import { addRunFlags, checkRestore, runsGuest, type RunFlags } from "./flags.ts";
import { explainCommand } from "./explain-command.ts";
import { disasmCommand } from "./disasm-command.ts";
import { helpCommand } from "./help-command.ts";
import { guestCommand } from "./guest-command.ts";
import { GuestError, systemReason } from "../guests/index.ts";
import { statCommand } from "./stat-command.ts";
import { fromQemu } from "./qemu-flags.ts";
import { runCommand } from "./run-command.ts";

const STATUSES = `
Exit status: 0 the guest powered off or --exit-on matched, 1 the guest or its VM failed,
2 bad usage or input, 124 timed out.`;

const RUN_NOTES = `
The console goes to stdout, everything else to stderr. On a terminal Ctrl-A X leaves.
Piped input waits until the guest can take it; its end does not end the run (the demo
guest gets it as Ctrl-D). Without a terminal a guest that waits takes a whole core, unless
--clock is wall. --exit-on looks at each line when it has ended, and at the last one when
nothing was printed for 5 to 10 ms of guest time. --save writes a snapshot when --exit-on
matches, at the timeout, on Ctrl-A X, when the guest waits for input that cannot come, and
when a signal ends kseg.
${STATUSES}`;

const EXAMPLES = `
Examples:
  kseg run                                 the demo guest
  kseg guest fetch debian                  a real kernel into the cache
  kseg run --guest debian                  runs it
  kseg run --kernel vmlinux --initrd initramfs.cpio.gz --append console=ttyS0
${STATUSES}`;

/** Runs kseg with these arguments (without Node's and the program's own). Returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  process.on("uncaughtException", (error) => process.exit(explain(error)));
  heedBranchHints();
  survivePipe(process.stdout);
  survivePipe(process.stderr);
  try {
    let status: number | null = null;
    const program = createProgram((ended) => (status = ended));
    await program.parseAsync(withOwnFlags(program, args), { from: "user" });
    // `kseg guest` leaves its status in the process.
    return status ?? Number(process.exitCode ?? STATUS.ok);
  } catch (error) {
    return explain(error);
  }
}

function createProgram(setStatus: (status: number) => void): Command {
  const program = new Command("kseg")
    .description("A MIPS hypervisor and the MIPS machine under it.")
    .version(`kseg ${version()}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("after", EXAMPLES);
  const run = new Command("run").description("run a guest on this terminal").addHelpText("after", RUN_NOTES);
  addRunFlags(run).action(async (flags: RunFlags) => {
    checkRestore(run, flags);
    setStatus(await runCommand(flags));
  });
  program
    .addCommand(run)
    .addCommand(explainCommand(setStatus))
    .addCommand(statCommand(setStatus))
    .addCommand(guestCommand())
    .addCommand(disasmCommand())
    .addCommand(benchCommand())
    .addCommand(helpCommand(program));
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

/** `args` without QEMU's spellings, if they are for a command that runs a guest. */
function withOwnFlags(program: Command, [name, ...args]: readonly string[]): readonly string[] {
  if (name === undefined) return [];
  const command = program.commands.find((one) => one.name() === name);
  if (command === undefined || !runsGuest(command)) return [name, ...args];
  const { options } = command;
  const namesOf = (some: readonly Option[]): string[] =>
    some.flatMap(({ long, short }) => [long, short].filter((text) => typeof text === "string"));
  const own = {
    names: [...namesOf(options), "-h", "--help"],
    withValue: namesOf(options.filter((one) => one.required)),
  };
  return [name, ...fromQemu(args, own)];
}

function forAll(command: Command, change: (command: Command) => void): void {
  change(command);
  for (const child of command.commands) forAll(child, change);
}

/** Commander's reason to stop, and the command it was at. */
class CommandError extends Error {
  readonly command: Command;
  readonly reason: CommanderError;

  constructor(command: Command, reason: CommanderError) {
    super(reason.message, { cause: reason });
    this.name = "CommandError";
    this.command = command;
    this.reason = reason;
  }
}

/** Says on stderr what went wrong, and returns the status for it. */
function explain(caught: unknown): number {
  const error =
    caught instanceof GuestError
      ? new CliError(caught.message, caught.exitStatus, { cause: caught })
      : caught;
  if (!(error instanceof CommandError)) {
    process.stderr.write(`${errorText(error)}\n`);
    return error instanceof CliError ? error.exitStatus : STATUS.failed;
  }
  const { command, reason } = error;
  // Help or the version was printed, because it was asked for.
  if (reason.exitCode === 0) return STATUS.ok;
  // Help was printed in place of a command that is missing.
  if (reason.code === "commander.help") return STATUS.usage;
  const [what = "", ...hints] = reason.message.replace(/^error: /, "").split("\n");
  const hint = hints.map((text) => ` ${text.replace("(Did", "(did")}`).join("");
  const message = `${oneLine(what).replace(/\.$/, "")}${hint}; see ${pathOf(command)} --help`;
  process.stderr.write(`${errorText(new UsageError(message, { cause: error }))}\n`);
  return STATUS.usage;
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** A reader of help or messages may go away in the middle: that is no error. */
function survivePipe(stream: NodeJS.WriteStream): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // A console that cannot be written is the run's affair, which listens as well.
    if (error.code === "EPIPE" || stream.listenerCount("error") > 1) return;
    // What cannot be said there cannot be explained there either: it would fail again, without end.
    if (stream === process.stderr) return;
    process.exitCode = explain(
      new CliError(`cannot write: ${systemReason(error) ?? error.message}`, STATUS.failed),
    );
  });
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

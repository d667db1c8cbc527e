/** The command line: finds the command, and turns everything that goes wrong into one line and a status. */
import type { Command, Option } from "commander";
import { heedBranchHints } from "./branch-hints.ts";
import { putCompilersBehindGuest } from "./compiler-priority.ts";
import { errorText, CliError, oneLine, STATUS, UsageError } from "./errors.ts";
import { runsGuest } from "./flags.ts";
import { GuestError, systemReason } from "../guests/errors.ts";
import { CommandError, createProgram } from "./program.ts";
import { fromQemu } from "./qemu-flags.ts";

/** Runs kseg with these arguments (without Node's and the program's own). Returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  process.on("uncaughtException", (error) => process.exit(explain(error)));
  heedBranchHints();
  putCompilersBehindGuest();
  survivePipe(process.stdout);
  survivePipe(process.stderr);
  try {
    let status: number | null = null;
    const program = await createProgram((ended) => (status = ended), args[0]);
    await program.parseAsync(withOwnFlags(program, args), { from: "user" });
    // `kseg guest` leaves its status in the process.
    return status ?? Number(process.exitCode ?? STATUS.ok);
  } catch (error) {
    return explain(error);
  }
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

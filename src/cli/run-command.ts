/** `kseg run`: a guest on this terminal, from its start to the exit status. */
import { createGuest, GuestConfigError, type Guest, type GuestConfig } from "../index.ts";
import { ConsoleInput } from "./console-input.ts";
import { ConsoleOutput } from "./console-output.ts";
import { CliError, STATUS, UsageError } from "./errors.ts";
import { ESCAPE_HELP, EscapeKeys } from "./escape-keys.ts";
import type { RunFlags } from "./flags.ts";
import { readInput } from "./input-files.ts";
import { LineMatcher } from "./line-matcher.ts";
import { OutputFile } from "./output-file.ts";
import { RunLoop, type Ending } from "./run-loop.ts";
import { summary } from "./summary.ts";
import { onSignals, useTerminal } from "./terminal.ts";
import { whatToRun, type Choice } from "./what-to-run.ts";

const CTRL_D = 0x04;

/** Runs a guest as the flags say. Returns kseg's exit status. Throws {@link CliError}. */
export async function runCommand(flags: RunFlags): Promise<number> {
  const startedAt = performance.now();
  const choice = await whatToRun(flags);
  const statsFile =
    flags.stats === undefined ? null : new OutputFile("--stats", flags.stats, [choice.kernel, choice.initrd]);
  const files = await readFiles(choice, flags.timeout);
  if (files === null) {
    process.stderr.write(`kseg: ${noteOn({ kind: "timeout", seconds: flags.timeout! })}\n`);
    return STATUS.timeout;
  }
  const input = ConsoleInput.ofProcess();
  const clock = flags.clock ?? (input.isTerminal && process.stdout.isTTY ? "wall" : "virtual");
  const matcher = flags.exitOn === undefined ? null : new LineMatcher(flags.exitOn);
  let matched = false;

  const loop: RunLoop = new RunLoop({
    now: () => performance.now(),
    beforeSlice: (guest) => {
      input.regulate(guest.inputPending);
      watch(() => matched || matcher?.sliceEnded());
    },
    onWait: () => watch(() => matched || matcher?.silent()),
    outputBehind: () => output.behind,
    inputOpen: () => !input.ended,
    startedAt,
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
  });
  const output = new ConsoleOutput(process.stdout, (reason) => {
    if (reason === "pipe") loop.end({ kind: "broken-pipe" });
    else loop.end({ kind: "failed", report: `cannot write the console: ${reason}` });
  });
  const watch = (isMatch: () => boolean | undefined): void => {
    try {
      if (isMatch() === true) loop.end({ kind: "matched" });
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      loop.end({ kind: "failed", report: error.message });
    }
  };
  const onConsole = (bytes: Uint8Array): void => {
    output.write(bytes);
    // When output comes depends on how fast this computer is, the end of a slice on the guest alone: the run ends there.
    watch(() => {
      matched ||= matcher?.matches(bytes) ?? false;
      return false;
    });
  };

  let guest: Guest | null = null;
  const signals = onSignals((status) => loop.end({ kind: "signal", status }));
  try {
    guest = create(flags, choice, { ...files, clock, onConsole });
    // On a terminal nobody has typed anything yet.
    if (clock === "virtual" && !input.isTerminal) await input.readAhead(() => loop.ending !== null);
    const began = performance.now();
    const restore = connect(input, guest, loop, { isDemo: choice.isDemo, quiet: flags.quiet === true });
    let ending: Ending;
    try {
      ending = await loop.run(guest);
    } finally {
      restore();
    }
    const seconds = (performance.now() - began) / 1000;
    // From here on a signal ends kseg at once, whoever may be waited for.
    signals.restore();
    await output.flush();
    if (!output.atLineStart && process.stdout.isTTY && process.stderr.isTTY) process.stderr.write("\n");
    report(ending, guest, seconds, flags);
    // Seconds are the only thing in it that depends on real time.
    await statsFile?.write({ ...guest.stats(), seconds });
    return statusOf(ending);
  } finally {
    signals.restore();
    input.close();
    guest?.destroy();
  }
}

/** Connects kseg's input to the guest. Returns what puts the terminal back as it was. */
function connect(
  input: ConsoleInput,
  guest: Guest,
  loop: RunLoop,
  { isDemo, quiet }: { readonly isDemo: boolean; readonly quiet: boolean },
): () => void {
  const send = (bytes: Uint8Array): void => {
    guest.sendInput(bytes);
    loop.wake();
  };
  const keys = new EscapeKeys();
  const typed = (piece: Uint8Array): void => {
    for (const part of keys.take(piece))
      if (part.kind === "input") send(part.bytes);
      else if (part.kind === "leave") loop.end({ kind: "left" });
      else process.stderr.write(`\n${ESCAPE_HELP}\n`);
  };
  const restore = input.isTerminal ? useTerminal(input) : (): void => {};
  if (input.isTerminal && !quiet) process.stderr.write("kseg: Ctrl-A X leaves, Ctrl-A H helps\n");
  input.listen({
    onBytes: input.isTerminal ? typed : send,
    onEnd: () => {
      if (isDemo) guest.sendInput(Uint8Array.of(CTRL_D));
      loop.wake();
    },
    onError: (error) => loop.end({ kind: "bad-input", report: error.message }),
  });
  return restore;
}

interface InputFiles {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
}

/** What the files hold; null if they are pipes and their ends do not come within `timeout` seconds. */
async function readFiles(
  { kernel, initrd }: Choice,
  timeout: number | undefined,
): Promise<InputFiles | null> {
  const late = new AbortController();
  const timer = timeout === undefined ? undefined : setTimeout(() => late.abort(), timeout * 1000);
  try {
    const files = { kernel: await readInput("--kernel", kernel, late.signal) };
    return initrd === undefined
      ? files
      : { ...files, initrd: await readInput("--initrd", initrd, late.signal) };
  } catch (error) {
    if (late.signal.aborted) return null;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

type RunConfig = InputFiles & Pick<GuestConfig, "clock" | "onConsole">;

function create(flags: RunFlags, { mode, kernel, initrd, append }: Choice, config: RunConfig): Guest {
  const { memory, hostCpu, hostPageSize, engine, refill, gvaRoots, guestTlb, fastExits, guestFpu, dyntrans } =
    flags;
  try {
    return createGuest({
      ...config,
      ...{ memory, mode, hostCpu, engine },
      ...(hostPageSize === undefined ? {} : { hostPageSize }),
      ...(refill === undefined ? {} : { refill }),
      ...(gvaRoots === undefined ? {} : { gvaRoots }),
      ...(guestTlb === undefined ? {} : { guestTlb }),
      ...(fastExits === undefined ? {} : { fastExits }),
      ...(guestFpu === undefined ? {} : { guestFpu }),
      ...(dyntrans === undefined ? {} : { dyntrans }),
      ...(append === undefined ? {} : { append }),
      now: () => performance.now(),
    });
  } catch (error) {
    if (error instanceof GuestConfigError) {
      const blamed: Partial<Record<keyof GuestConfig, string>> = {
        kernel: `--kernel ${kernel}: `,
        initrd: `--initrd ${initrd}: `,
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

function report(ending: Ending, guest: Guest, seconds: number, flags: RunFlags): void {
  const lines: string[] = [];
  const note = noteOn(ending);
  if (note !== null) lines.push(`kseg: ${note}`);
  if (flags.quiet !== true) lines.push(...summary(guest.stats(), seconds));
  if (lines.length > 0) process.stderr.write(`${lines.join("\n")}\n`);
}

/** What is said of an ending even if no summary is wanted. */
function noteOn(ending: Ending): string | null {
  switch (ending.kind) {
    case "reset":
      return "the guest asked for a reset";
    case "timeout":
      return `timed out after ${ending.seconds} s`;
    case "stuck":
      return "the guest waits for input that cannot come";
    case "failed":
    case "bad-input":
      return ending.report;
    default:
      return null;
  }
}

function statusOf(ending: Ending): number {
  switch (ending.kind) {
    case "power-off":
    case "reset":
    case "matched":
    case "left":
      return STATUS.ok;
    case "failed":
    case "stuck":
      return STATUS.failed;
    case "bad-input":
      return STATUS.usage;
    case "timeout":
      return STATUS.timeout;
    case "broken-pipe":
      return STATUS.brokenPipe;
    case "signal":
      return ending.status;
  }
}

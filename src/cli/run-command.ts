/** `kseg run`: a guest on this terminal, from its start to the exit status. */
import { DivergenceError, SnapshotError, type DebuggedGuest, type Guest, type TimeTravel } from "../index.ts";
import { CommandSession } from "./command-session.ts";
import { ConsoleInput } from "./console-input.ts";
import { ConsoleOutput } from "./console-output.ts";
import { CliError, errorText, STATUS, UsageError } from "./errors.ts";
import { addressOf, GdbServer, listenForGdb } from "./gdb-server.ts";
import { ESCAPE_HELP, EscapeKeys } from "./escape-keys.ts";
import type { RunFlags } from "./flags.ts";
import { LineMatcher } from "./line-matcher.ts";
import { canTravel, makeGuest, readFiles, type InputFiles } from "./make-guest.ts";
import { PacedGuest } from "./paced-guest.ts";
import { PastKeeper } from "./past-keeper.ts";
import { RunLoop, type Ending, type RunnableGuest } from "./run-loop.ts";
import { RunResults } from "./run-results.ts";
import type { SnapshotFile } from "./snapshot-io.ts";
import { summary } from "./summary.ts";
import { onSignals, useTerminal } from "./terminal.ts";
import { TraceFile } from "./trace-file.ts";
import { whatToRun, type Choice } from "./what-to-run.ts";

const CTRL_D = 0x04;

/** What another command makes of a run. */
export interface RunView {
  /** Takes the guest's console in place of standard output. */
  readonly onConsole?: (bytes: Uint8Array) => void;
  /** The run ends when the guest has executed so many instructions. */
  readonly instructions?: number;
  /** Nobody types to the guest: a terminal is left as it is. */
  readonly unattended?: boolean;
  /** Called before the guest runs. */
  readonly onStart?: (guest: Guest) => void;
  /** Called when the run is over. */
  readonly onEnd?: (guest: Guest) => void;
}

/** Runs a guest as the flags say. Returns kseg's exit status. Throws {@link CliError}. */
export async function runCommand(flags: RunFlags, view: RunView = {}): Promise<number> {
  const startedAt = performance.now();
  const choice = await whatToRun(flags);
  const inputs = choice.kind === "kernel" ? [choice.kernel, choice.initrd] : [choice.file];
  const results = new RunResults(flags, inputs, choice.kind === "snapshot");
  const isCommand = choice.kind === "kernel" && choice.program?.command !== undefined;
  // Without a command the files come first: they may be read from the standard input (/dev/stdin).
  let input = isCommand ? ConsoleInput.ofProcess() : null;
  try {
    const commandInput = input === null ? null : await wholeInputOf(input, view.unattended === true);
    const files = await readFiles(choice, flags, commandInput);
    if (files === null) {
      process.stderr.write(`kseg: ${noteOn({ kind: "timeout", seconds: flags.timeout! })}\n`);
      return STATUS.timeout;
    }
    input ??= ConsoleInput.ofProcess();
    const hasWholeInput = commandInput !== null;
    const run = { flags, view, choice, files, input, isCommand, hasWholeInput, startedAt };
    return await runFiles({ ...run, inputs, results });
  } finally {
    input?.close();
  }
}

/** A run whose files have been read. */
interface PreparedRun {
  readonly flags: RunFlags;
  readonly view: RunView;
  readonly choice: Choice;
  readonly files: InputFiles;
  /** The names of those files. */
  readonly inputs: readonly (string | undefined)[];
  readonly input: ConsoleInput;
  readonly isCommand: boolean;
  /** All of the command's input is in the files. */
  readonly hasWholeInput: boolean;
  readonly startedAt: number;
  readonly results: RunResults;
}

async function runFiles(run: PreparedRun): Promise<number> {
  const { flags, view, choice, files, inputs, input, isCommand, startedAt, results } = run;
  const onTerminal = input.isTerminal && process.stdout.isTTY && !isCommand;
  const clock = flags.clock ?? (onTerminal ? "wall" : "virtual");
  const matcher = flags.exitOn === undefined ? null : new LineMatcher(flags.exitOn);
  let matched = false;
  let guest: Guest | TimeTravel | null = null;
  /** Input that the guest is yet to be given. */
  const held: Uint8Array[] = [];
  /**
   * Input waits while a recorded run is repeated. What a debugger has turned back goes another way with what is typed
   * then, but whoever writes to a pipe cannot know of that.
   */
  const holdsInput = (): boolean => {
    const travel = asTravel(guest);
    if (flags.replay !== undefined) return travel?.isReplaying === true;
    return !input.isTerminal && travel?.isInPast === true;
  };
  const send = (bytes: Uint8Array): void => {
    if (holdsInput()) held.push(bytes);
    else guest?.sendInput(bytes);
  };

  const loop: RunLoop = new RunLoop({
    now: () => performance.now(),
    beforeSlice: (running) => {
      if (guest !== null) trace?.sample(guest);
      keeper?.look();
      if (!holdsInput()) for (const bytes of held.splice(0)) guest?.sendInput(bytes);
      input.regulate(running.inputPending + (session?.heldBytes ?? 0));
      watch(() => matched || matcher?.sliceEnded());
      const status = session?.status ?? null;
      if (status !== null) loop.end({ kind: "command", status });
    },
    onWait: () => watch(() => matched || matcher?.silent()),
    heldBack: () => debuggedGuest?.standstill ?? output.behind ?? errors?.behind ?? null,
    inputOpen: () => !input.ended,
    instructionsLeft: () => (view.instructions ?? Infinity) - (guest?.stats().guestInstructions ?? 0),
    startedAt,
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
  });
  const onBroken = (reason: string): void => {
    if (reason === "pipe") loop.end({ kind: "broken-pipe" });
    else loop.end({ kind: "failed", report: `cannot write the console: ${reason}` });
  };
  const output = new ConsoleOutput(process.stdout, onBroken);
  const errors = isCommand ? new ConsoleOutput(process.stderr, onBroken) : null;
  const session = isCommand ? new CommandSession(send) : null;
  const watch = (isMatch: () => boolean | undefined): void => {
    try {
      if (isMatch() === true) loop.end({ kind: "matched" });
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      loop.end({ kind: "failed", report: error.message });
    }
  };
  const onOutput = (bytes: Uint8Array): void => {
    if (view.onConsole === undefined) output.write(bytes);
    else view.onConsole(bytes);
    // When output comes depends on how fast this computer is, the end of a slice on the guest alone: the run ends there.
    watch(() => {
      matched ||= matcher?.matches(bytes) ?? false;
      return false;
    });
  };

  let traceFailure: Ending | null = null;
  const trace =
    flags.trace === undefined
      ? null
      : new TraceFile(flags.trace, inputs, (why) => {
          traceFailure = { kind: "failed", report: why };
          loop.end(traceFailure);
        });
  let debuggedGuest: GdbServer | null = null;
  let keeper: PastKeeper | null = null;
  let isOver = false;
  const signals = onSignals((status) => {
    // Whoever may be waited for then; what is written to files meanwhile is written whole.
    if (isOver) process.exit(status);
    loop.end({ kind: "signal", status });
  });
  try {
    const server = flags.gdb === undefined ? null : await listenForGdb(flags.gdb);
    const running = makeGuest(flags, choice, files, {
      // What can be repeated is under the virtual clock.
      clock: canTravel(flags) ? "virtual" : clock,
      ...(session === null
        ? { onConsole: onOutput }
        : {
            onConsole: (bytes) => session.takeConsole(bytes),
            onSerial: (port, bytes) => (port === 1 ? onOutput(bytes) : errors!.write(bytes)),
          }),
      ...(trace === null ? {} : { tracer: trace.tracer }),
    });
    guest = running;
    if (trace !== null && running.hostDebug === null)
      throw new UsageError(
        "--trace is about the hypervisor, and the guest runs without it: leave --trace out",
      );
    trace?.attach(running);
    const travel = asTravel(running);
    const paced =
      travel === null || clock === "virtual" ? null : new PacedGuest(travel, () => performance.now());
    // On a terminal nobody has typed anything yet.
    if (clock === "virtual" && !input.isTerminal) await input.readAhead(() => loop.ending !== null);
    const began = performance.now();
    const { instructions: before } = running.stats();
    const save = (): Promise<void> => saveNow(running, results.snapshot);
    const isDemo = choice.kind === "kernel" && choice.isDemo;
    view.onStart?.(running);
    let restore = (): void => {};
    if (session !== null) {
      if (!run.hasWholeInput) connectCommand(input, session, loop);
    } else if (view.unattended !== true || !input.isTerminal)
      restore = connect(input, send, loop, save, { isDemo, quiet: flags.quiet === true });
    let ending: Ending;
    try {
      if (server !== null) {
        const wake = (): void => loop.wake();
        const kill = (): void => loop.end({ kind: "left" });
        const waits = flags.gdbNoWait !== true;
        const stands = (): void => paced?.rest();
        keeper = travel === null ? null : new PastKeeper(travel, () => performance.now());
        const attended = (isThere: boolean): void => {
          if (keeper !== null) keeper.isWanted = isThere;
        };
        const hooks = { waits, wake, kill, stands, attended };
        const debugged = flags.trace === undefined ? running : forwardsOnly(running);
        debuggedGuest = new GdbServer(debugged, paced ?? running, server, hooks);
        process.stderr.write(`kseg: gdb can connect with: target remote ${addressOf(server)}\n`);
      }
      ending = await runToEnd(loop, debuggedGuest ?? paced ?? running, flags.replay);
    } finally {
      restore();
    }
    await debuggedGuest?.close();
    // The last of the trace may not find room.
    trace?.close();
    ending = traceFailure ?? session?.endingOf(ending) ?? ending;
    view.onEnd?.(running);
    const ran = { seconds: (performance.now() - began) / 1000, before };
    isOver = true;
    // Before anybody is waited for: one signal rarely comes alone.
    const finished = { guest: running, travel, canGoOn: canGoOn(ending), seconds: ran.seconds };
    const { saved, failed } = await results.write(finished);
    await output.flush();
    await errors?.flush();
    if (output.failure !== null && ending.kind !== "failed")
      ending = { kind: "failed", report: `cannot write the console: ${output.failure}` };
    if (session === null && !output.atLineStart && process.stdout.isTTY && process.stderr.isTTY)
      process.stderr.write("\n");
    report(ending, running, ran, flags.quiet === true || session !== null);
    if (flags.quiet !== true) for (const line of saved) process.stderr.write(`kseg: ${line}\n`);
    for (const line of failed) process.stderr.write(`${errorText(new CliError(line, STATUS.failed))}\n`);
    if (failed.length > 0) return STATUS.failed;
    return statusOf(ending);
  } finally {
    signals.restore();
    trace?.release();
    guest?.destroy();
  }
}

const asTravel = (guest: Guest | TimeTravel | null): TimeTravel | null =>
  guest !== null && "isReplaying" in guest ? guest : null;

/** The guest for a debugger that cannot turn it back. */
const forwardsOnly = (guest: Guest): DebuggedGuest => ({
  debug: guest.debug,
  hostDebug: guest.hostDebug,
  inspect: () => guest.inspect(),
  stats: () => guest.stats(),
  get time() {
    return guest.time;
  },
});

/** Runs the guest; one that does not do what was recorded fails. */
async function runToEnd(loop: RunLoop, guest: RunnableGuest, replay: string | undefined): Promise<Ending> {
  try {
    return await loop.run(guest);
  } catch (error) {
    // Of a recording that is not the guest's, or that lets it come to no end of time.
    if (!(error instanceof DivergenceError || error instanceof SnapshotError)) throw error;
    return { kind: "failed", report: `--replay ${replay}: ${error.message}` };
  }
}

/** Ctrl-A S: saves the guest as it is now, and says so on a line of its own. */
async function saveNow(guest: Guest, file: SnapshotFile | null): Promise<void> {
  let said = "nowhere to save: start kseg with --save FILE";
  try {
    if (file !== null) said = await file.write(guest.save());
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    said = error.message;
  }
  process.stderr.write(`\nkseg: ${said}\n`);
}

/** Connects kseg's input to the guest, by `give`. Returns what puts the terminal back as it was. */
function connect(
  input: ConsoleInput,
  give: (bytes: Uint8Array) => void,
  loop: RunLoop,
  save: () => Promise<void>,
  { isDemo, quiet }: { readonly isDemo: boolean; readonly quiet: boolean },
): () => void {
  const send = (bytes: Uint8Array): void => {
    give(bytes);
    loop.wake();
  };
  const keys = new EscapeKeys();
  const typed = (piece: Uint8Array): void => {
    for (const part of keys.take(piece))
      if (part.kind === "input") send(part.bytes);
      else if (part.kind === "leave") loop.end({ kind: "left" });
      else if (part.kind === "save") void save();
      else process.stderr.write(`\n${ESCAPE_HELP}\n`);
  };
  const restore = input.isTerminal ? useTerminal(input) : (): void => {};
  if (input.isTerminal && !quiet) process.stderr.write("kseg: Ctrl-A X leaves, Ctrl-A H helps\n");
  input.listen({
    onBytes: input.isTerminal ? typed : send,
    onEnd: () => {
      if (isDemo) give(Uint8Array.of(CTRL_D));
      loop.wake();
    },
    onError: (error) => loop.end({ kind: "bad-input", report: error.message }),
  });
  return restore;
}

/** All input of a command, if it can be had at once: the guest gets it faster so. Else null. */
async function wholeInputOf(input: ConsoleInput, unattended: boolean): Promise<Uint8Array | null> {
  if (input.isTerminal) return unattended ? new Uint8Array(0) : null;
  await input.readAhead(() => false);
  return input.takeWhole();
}

/** Connects kseg's input to the command in the guest. A terminal stays as it is: it sends lines, and Ctrl-D ends them. */
function connectCommand(input: ConsoleInput, session: CommandSession, loop: RunLoop): void {
  input.listen({
    onBytes: (bytes) => {
      session.input(bytes);
      loop.wake();
    },
    onEnd: () => {
      session.endInput();
      loop.wake();
    },
    onError: (error) => loop.end({ kind: "bad-input", report: error.message }),
  });
}

/** How long a guest ran, and the instructions that there had been by then. */
interface Ran {
  readonly seconds: number;
  readonly before: number;
}

function report(ending: Ending, guest: Guest, { seconds, before }: Ran, quiet: boolean): void {
  const lines: string[] = [];
  const note = noteOn(ending);
  if (note !== null) lines.push(`kseg: ${note}`);
  if (!quiet) lines.push(...summary(guest.stats(), seconds, before));
  if (lines.length > 0) process.stderr.write(`${lines.join("\n")}\n`);
}

/** Whether a guest whose run has ended like this can go on from a snapshot: it has not ended itself. */
function canGoOn({ kind }: Ending): boolean {
  return ["matched", "left", "timeout", "stuck", "signal"].includes(kind);
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
    case "no-status":
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
    case "no-status":
      return STATUS.noStatus;
    case "command":
    case "signal":
      return ending.status;
  }
}

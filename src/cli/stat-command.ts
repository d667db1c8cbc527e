/** `kseg stat`: a guest's counters while it runs, as kvm_stat shows KVM's. */
import { Command } from "commander";
import type { Guest } from "../index.ts";
import { TICKS_PER_SECOND } from "../index.ts";
import { addHelp, RUN_STATUSES, type CommandHelp } from "./command-help.ts";
import { hasColours } from "../guests/index.ts";
import { STATUS } from "./errors.ts";
import { addRunFlags, checkRestore, fileName, type RunFlags } from "./flags.ts";
import { runCommand } from "./run-command.ts";
import { outputsOf } from "./run-results.ts";
import { keyValueLines, LOG_HEADER, logLine, screenLines, StatHistory } from "./stat-table.ts";
import { checkOutputs } from "./output-file.ts";
import { StreamFile } from "./stream-file.ts";

const HELP: CommandHelp = {
  notes: [
    "The guest runs as with kseg run, but nobody types to it (piped input it gets), and its console is not shown. On a " +
      "terminal the counters fill the screen, renewed each second, until the run ends or Ctrl-C. --log prints how much " +
      "they grew, a line a second and one at the end. --key-value prints them all at the end, and so does kseg stat " +
      "without a terminal. KVM's counters overlap.",
  ],
  statuses: RUN_STATUSES,
  examples: [
    ["stat", "the demo guest's counters, on a screen"],
    ["stat --guest kvm-linux-4k --exit-on ready --key-value", "those of a boot, one a line"],
    ["stat --log --timeout 10 --console out.txt", "ten seconds, the console into a file"],
  ],
  seeAlso: "kseg help run; docs/seeing.md",
};

/** Milliseconds between two looks at the counters. */
const INTERVAL = 1000;
/** Lines of the log before its headings come again. */
const LINES_PER_HEADER = 20;

interface StatFlags extends RunFlags {
  readonly log?: boolean;
  readonly keyValue?: boolean;
  readonly console?: string;
}

/** The sub-command, to be added to the program; `setStatus` takes the exit status of the run. */
export function statCommand(setStatus: (status: number) => void): Command {
  const command = addHelp(new Command("stat"), HELP)
    .description("run a guest and show KVM's counters meanwhile")
    .option("--log", "a line a second instead of a screen")
    .option("--key-value", "all counters at the end, one a line (the default without a terminal)")
    .option("--console <file>", "write the guest's console there", (text: string) =>
      fileName(text, "--console"),
    );
  return addRunFlags(command).action(async ({ log, keyValue, console, ...flags }: StatFlags) => {
    checkRestore(command, flags);
    setStatus(await run(flags, log === true, keyValue === true, console));
  });
}

async function run(flags: RunFlags, log: boolean, keyValue: boolean, console?: string): Promise<number> {
  const display = log ? new Log() : process.stdout.isTTY && !keyValue ? new Screen() : null;
  const { kernel, initrd, restore, replay } = flags;
  checkOutputs({ ...outputsOf(flags), "--console": console });
  let failure = "";
  const file =
    console === undefined
      ? null
      : new StreamFile("--console", console, [kernel, initrd, restore, replay], (why) => (failure = why));
  let timer: NodeJS.Timeout | undefined;
  let status: number;
  try {
    status = await runCommand(
      { ...flags, quiet: true },
      {
        unattended: true,
        onConsole: (bytes) => file?.write(bytes),
        onStart: (guest) => {
          file?.begin();
          display?.show(guest);
          timer = setInterval(() => display?.show(guest), INTERVAL);
        },
        onEnd: (guest) => {
          display?.end(guest);
          if (!keyValue && display !== null) return;
          process.stdout.write(`${keyValueLines(guest.stats()).join("\n")}\n`);
        },
      },
    );
  } finally {
    clearInterval(timer);
    file?.close();
  }
  if (failure === "") return status;
  process.stderr.write(`kseg: ${failure}\n`);
  return STATUS.failed;
}

/** Follows the counters, in seconds of real time. */
class Watch {
  private readonly history = new StatHistory();
  private last: number | null = null;

  rows(guest: Guest): ReturnType<StatHistory["update"]> {
    const now = performance.now();
    const seconds = this.last === null ? 0 : (now - this.last) / 1000;
    this.last = now;
    return this.history.update(guest.stats(), seconds);
  }
}

/** A line a second. */
class Log {
  private readonly watch = new Watch();
  private lines = -1;

  show(guest: Guest): void {
    const rows = this.watch.rows(guest);
    // The first look is what the others are compared with.
    if (++this.lines === 0) return;
    if (this.lines % LINES_PER_HEADER === 1) process.stdout.write(`${LOG_HEADER}\n`);
    process.stdout.write(`${logLine(rows)}\n`);
  }

  /** What has happened since the last line. */
  end(guest: Guest): void {
    this.show(guest);
  }
}

const ALTERNATE = { enter: "\u001b[?1049h\u001b[?25l", leave: "\u001b[?25h\u001b[?1049l" } as const;
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
const REVERSE = "\u001b[7m";
const NORMAL = "\u001b[0m";
const USUAL_SIZE = { columns: 80, rows: 24 } as const;
/** The line of the column headings. */
const HEADINGS = 2;

/** The whole terminal, which is given back however kseg ends. */
class Screen {
  private readonly watch = new Watch();
  private readonly colour = hasColours(process.stdout);
  private readonly leave = (): void => void process.stdout.write(ALTERNATE.leave);
  private readonly enter = (): void => void process.stdout.write(ALTERNATE.enter);
  private readonly suspend = (): void => {
    this.leave();
    process.kill(process.pid, "SIGSTOP");
    // It goes on. By SIGCONT's event it would come later than the next look at the counters, which is due.
    this.enter();
  };
  private isEntered = false;

  show(guest: Guest): void {
    if (!this.isEntered) {
      process.on("exit", this.leave).on("SIGTSTP", this.suspend);
      this.enter();
    }
    this.isEntered = true;
    // A terminal that does not know its size says 0.
    const columns = process.stdout.columns || USUAL_SIZE.columns;
    const height = process.stdout.rows || USUAL_SIZE.rows;
    const seconds = (guest.time / TICKS_PER_SECOND).toFixed(1);
    const title = `kvm statistics - ${seconds} s of guest time (Ctrl-C ends)`;
    const lines = screenLines(title, this.watch.rows(guest), height).map((line, n) => {
      const cut = line.slice(0, columns);
      return n === HEADINGS && this.colour ? `${REVERSE}${cut.padEnd(columns)}${NORMAL}` : cut;
    });
    process.stdout.write(HOME + lines.map((line) => `${line}${CLEAR_LINE}\r\n`).join("") + CLEAR_BELOW);
  }

  end(): void {
    if (!this.isEntered) return;
    process.off("exit", this.leave).off("SIGTSTP", this.suspend);
    this.leave();
  }
}

/** The flags of `kseg run`, stated once: what they take, their defaults, their help. An interface: keep them. */
import { type Command, Option } from "commander";
import { CPU_MODELS, DEFAULT_CPU_MODEL, type GuestConfig, type Mode } from "../index.ts";
import { GUESTS, type GuestName } from "../guests/names.ts";
import { withChoices } from "./completion-values.ts";
import { UsageError } from "./errors.ts";
import type { GdbAddress } from "./gdb-server.ts";
import { nearest } from "../nearest.ts";

/** What the flags of `kseg run` say, checked. */
export interface RunFlags {
  readonly guest?: GuestName;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  /** A folder for the guest. */
  readonly share?: string;
  /** What it runs in place of a shell. */
  readonly exec?: string;
  /** Bytes. */
  readonly memory: number;
  /** Absent: what the guest is made for, "te" if that is not known. */
  readonly mode?: Mode;
  readonly hostCpu: string;
  readonly hostPageSize?: 4096 | 16384;
  readonly engine: "auto" | "jit" | "interp";
  readonly refill?: "fast" | "slow";
  readonly gvaRoots?: number;
  readonly guestTlb?: NonNullable<GuestConfig["guestTlb"]>;
  readonly fastExits?: "on" | "off";
  readonly guestFpu?: "on" | "off";
  readonly dyntrans?: "on" | "off";
  /** Absent: virtual away from a terminal, wall on one. */
  readonly clock?: "virtual" | "wall";
  readonly exitOn?: RegExp;
  /** Seconds of real time. */
  readonly timeout?: number;
  readonly stats?: string;
  readonly save?: string;
  readonly restore?: string;
  readonly record?: string;
  readonly replay?: string;
  readonly trace?: string;
  readonly gdb?: GdbAddress;
  /** With `gdb`: whether the guest runs before a debugger is there. */
  readonly gdbNoWait?: boolean;
  readonly quiet?: boolean;
}

interface Flag {
  readonly name: `--${string}`;
  /** What the value is called in the help; none for a switch. */
  readonly value?: string;
  readonly help: string;
  /** What the help of `kseg run` adds: other commands that have the flag have no `--mode`. */
  readonly inRun?: string;
  readonly parse?: (text: string, flag: string) => unknown;
  /** The default, as it would be typed. */
  readonly preset?: string;
  /** What it is when it is not given, in words, for a flag of which it matters whether it was. */
  readonly otherwise?: string;
  readonly choices?: readonly string[];
  /** It says which guest there is and what it runs on: a snapshot says that itself. */
  readonly inSnapshot?: true;
}

/** Under which headings the help shows the flags. */
const GROUPS = {
  "Guest:": "--guest --kernel --initrd --append --share --exec --memory --mode --clock",
  "Machine and hypervisor:":
    "--host-cpu --host-page-size --engine --refill --gva-roots --guest-tlb --fast-exits --guest-fpu --dyntrans",
  "End of the run, and what it leaves:": "--exit-on --timeout --stats --quiet",
  "Snapshots and recordings:": "--save --restore --record --replay",
  "Tracing and debugging:": "--trace --gdb --gdb-no-wait",
};

/** The heading of a flag. */
const headingOf = (name: string): string | undefined =>
  Object.entries(GROUPS).find(([, names]) => names.split(" ").includes(name))?.[0];

const PAGE_SIZES: Readonly<Record<string, 4096 | 16384>> = { "4k": 4096, "16k": 16384 };
const ENGINES = ["auto", "jit", "interp"] as const;

/** In the order of the help. */
export const RUN_FLAGS: readonly Flag[] = [
  {
    name: "--guest",
    inSnapshot: true,
    value: "NAME",
    help: "guest from the cache (kseg guest), with its kernel, initrd, command line and mode",
    ...oneOf("guest", GUESTS),
  },
  {
    name: "--kernel",
    inSnapshot: true,
    value: "FILE",
    help: "32-bit MIPS ELF kernel; without it and --guest, the demo guest, with --share or --exec debian",
    parse: fileName,
  },
  { name: "--initrd", inSnapshot: true, value: "FILE", help: "initial RAM disk", parse: fileName },
  {
    name: "--append",
    inSnapshot: true,
    value: "STRING",
    help: "kernel command line; with --guest, added to the guest's own",
  },
  {
    name: "--share",
    inSnapshot: true,
    value: "FOLDER",
    help: "put a copy of the folder into the guest as /share, where its shell starts",
    parse: fileName,
  },
  {
    name: "--exec",
    inSnapshot: true,
    value: "COMMAND",
    help: "run this there in place of a shell, with kseg's input and output, and end with its status",
    parse: shellCommand,
  },
  {
    name: "--memory",
    inSnapshot: true,
    value: "SIZE",
    help: "guest memory, as 64M, 1G or 262144K",
    parse: size,
    preset: "256M",
  },
  {
    name: "--mode",
    inSnapshot: true,
    value: "MODE",
    help: "under the hypervisor (trap and emulate), or directly on the machine",
    ...oneOf("mode", ["te", "bare"]),
    otherwise: "te, with --guest the guest's",
  },
  {
    name: "--host-cpu",
    inSnapshot: true,
    value: "NAME",
    help: "CPU model of the machine",
    inRun: "with bare the one that the guest sees",
    ...oneOf("CPU", Object.keys(CPU_MODELS)),
    preset: DEFAULT_CPU_MODEL,
  },
  {
    name: "--host-page-size",
    inSnapshot: true,
    value: "SIZE",
    help: "pages of the host's page tables",
    inRun: "not with --mode bare",
    ...oneOf("page size", Object.keys(PAGE_SIZES), (name) => PAGE_SIZES[name]),
    otherwise: "4k",
  },
  {
    name: "--engine",
    value: "NAME",
    help: "hot code translated to WebAssembly, all code, or everything interpreted",
    ...oneOf("engine", ENGINES),
    preset: "auto",
  },
  {
    name: "--refill",
    inSnapshot: true,
    value: "HOW",
    help: "host TLB misses by the generated handler, or by an exit each",
    inRun: "not with --mode bare",
    ...oneOf("refill", ["fast", "slow"]),
    otherwise: "fast",
  },
  {
    name: "--gva-roots",
    inSnapshot: true,
    value: "N",
    help: "guest ASIDs whose page tables the hypervisor keeps, 1 to 64",
    inRun: "not with --mode bare",
    parse: wholeNumber(1, 64),
    otherwise: "8",
  },
  {
    name: "--guest-tlb",
    inSnapshot: true,
    value: "N",
    help: "entries of the TLB that the guest sees",
    inRun: "not with --mode bare",
    ...oneOf("TLB size", ["64", "128", "256", "512", "1024", "2048", "4096"], Number),
    otherwise: "512",
  },
  {
    name: "--fast-exits",
    inSnapshot: true,
    value: "HOW",
    help: "simple traps settled by generated code, or by an exit each",
    inRun: "not with --mode bare",
    ...oneOf("choice", ["on", "off"]),
    otherwise: "on",
  },
  {
    name: "--guest-fpu",
    inSnapshot: true,
    value: "HOW",
    help: "the guest has the host CPU's FPU, or none",
    inRun: "not with --mode bare",
    ...oneOf("choice", ["on", "off"]),
    otherwise: "off",
  },
  {
    name: "--dyntrans",
    inSnapshot: true,
    value: "HOW",
    help: "on rewrites kernel code that traps and maps CP0 registers over guest memory",
    inRun: "not with --mode bare",
    ...oneOf("choice", ["on", "off"]),
    otherwise: "off",
  },
  {
    name: "--clock",
    value: "CLOCK",
    help: "guest time from retired instructions, or from the clock",
    ...oneOf("clock", ["virtual", "wall"]),
    otherwise: "virtual, on a terminal wall",
  },
  { name: "--exit-on", value: "REGEX", help: "end with status 0 when a console line matches", parse: regex },
  { name: "--timeout", value: "SECONDS", help: "end with status 124 after this long", parse: seconds },
  { name: "--stats", value: "FILE.json", help: "write counters there at the end", parse: fileName },
  {
    name: "--save",
    value: "FILE",
    help: "write a snapshot there at the end, unless the guest has ended by itself, and on Ctrl-A S",
    parse: fileName,
  },
  {
    name: "--restore",
    value: "FILE",
    help: "go on from a snapshot, which has the guest and all that it runs on",
    parse: fileName,
  },
  {
    name: "--record",
    value: "FILE",
    help: "write there at the end what repeats the run: its start, and all input with its time",
    parse: fileName,
  },
  {
    name: "--replay",
    value: "FILE",
    help: "repeat a recorded run; live input goes on where it ends",
    parse: fileName,
  },
  {
    name: "--trace",
    value: "FILE",
    help: "write what the hypervisor does there: as text like ftrace's if FILE ends in .ftrace, for Perfetto otherwise; not with --mode bare",
    parse: fileName,
  },
  {
    name: "--gdb",
    value: "[HOST:]PORT",
    help: "wait there for gdb, which then has the guest, backwards too; 0 is a free port",
    parse: gdbAddress,
  },
  { name: "--gdb-no-wait", help: "run before gdb is there, too; with --gdb" },
  { name: "--quiet", help: "no summary at the end" },
];

/** Adds the flags to a command, whose `opts()` are then {@link RunFlags}. Bad values throw {@link UsageError}. */
export function addRunFlags(command: Command): Command {
  for (const flag of RUN_FLAGS) {
    const { help, inRun } = flag;
    command.addOption(optionOf(inRun === undefined ? flag : { ...flag, help: `${help}; ${inRun}` }));
  }
  return command;
}

/** Whether the command has the flags of `kseg run`. */
export const runsGuest = (command: Command): boolean =>
  RUN_FLAGS.every(({ name }) => command.options.some(({ long }) => long === name));

/** Checks that nothing is asked of a snapshot that it has decided already. Throws {@link UsageError}. */
export function checkRestore(
  command: Command,
  { restore, replay }: Pick<RunFlags, "restore" | "replay">,
): void {
  if (restore !== undefined && replay !== undefined)
    throw new UsageError(`--replay ${replay} begins with a snapshot of its own: leave --restore out`);
  const source = restore === undefined ? `--replay ${replay}` : `--restore ${restore}`;
  if (restore === undefined && replay === undefined) return;
  const given = (option: Option): boolean => command.getOptionValueSource(option.attributeName()) === "cli";
  const both = RUN_FLAGS.find((flag) => flag.inSnapshot === true && given(optionOf(flag)));
  if (both === undefined) return;
  throw new UsageError(`${both.name} is decided by the snapshot of ${source}: leave ${both.name} out`);
}

/** The flag of `kseg run` called `name`, for a command that has it too. */
export function runFlag(name: Flag["name"]): Option {
  const flag = RUN_FLAGS.find((one) => one.name === name);
  if (flag === undefined) throw new RangeError(`kseg run has no flag ${name}`);
  return optionOf(flag);
}

function optionOf({ name, value, help, parse, preset, otherwise, choices }: Flag): Option {
  const listed = choices === undefined ? "" : `: ${choices.join(", ")}`;
  const unless = otherwise === undefined ? "" : ` (default: ${otherwise})`;
  const option = new Option(value === undefined ? name : `${name} <${value}>`, help + listed + unless);
  const heading = headingOf(name);
  if (heading !== undefined) option.helpGroup(heading);
  if (parse !== undefined) option.argParser((text: string) => parse(text, name));
  if (preset !== undefined) option.default(parse === undefined ? preset : parse(preset, name), preset);
  return choices === undefined ? option : withChoices(option, choices);
}

/** A flag that takes one of a few names. */
function oneOf(
  what: string,
  choices: readonly string[],
  toValue: (name: string) => unknown = (name) => name,
): Pick<Flag, "choices" | "parse"> {
  return { choices, parse: (text, flag) => toValue(choiceOf(text, choices, flag, what)) };
}

/**
 * The one of `choices` that `text` names. `after` is what it stands behind on the command line, `what` what it should
 * be. Throws {@link UsageError}.
 */
export function choiceOf<T extends string>(
  text: string,
  choices: readonly T[],
  after: string,
  what: string,
): T {
  const choice = choices.find((name) => name.toLowerCase() === text.toLowerCase());
  if (choice !== undefined) return choice;
  const guess = nearest(text, choices);
  const hint = guess === undefined ? "" : `did you mean ${guess}? `;
  throw new UsageError(`${after} ${text}: unknown ${what}; ${hint}choose from ${choices.join(", ")}`);
}

/** The name of a file. Throws {@link UsageError} if it is empty. */
export function fileName(text: string, flag: string): string {
  if (text === "") throw new UsageError(`${flag}: the file name is empty`);
  return text;
}

function shellCommand(text: string, flag: string): string {
  if (text.trim() === "") throw new UsageError(`${flag}: the command is empty`);
  return text;
}

const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function size(text: string, flag: string): number {
  const found = /^(\d{1,9})([kmg])(?:i?b)?$/i.exec(text);
  if (found === null)
    throw new UsageError(`${flag} ${text}: not a size; give a whole number and K, M or G, such as 256M`);
  return Number(found[1]) * UNITS[found[2]!.toLowerCase()]!;
}

function wholeNumber(least: number, most: number): (text: string, flag: string) => number {
  return (text, flag) => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= least && value <= most) return value;
    throw new UsageError(`${flag} ${text}: give a whole number from ${least} to ${most}`);
  };
}

/** A number of instructions. */
export function instructionCount(text: string, flag: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new UsageError(`${flag} ${text}: give a number of instructions, 1 or more`);
}

const LOOPBACK = "127.0.0.1";

function gdbAddress(text: string, flag: string): GdbAddress {
  const found = /^(?:(?<host>[^:[\]]+|\[[0-9a-f:.%]+\]):)?(?<port>\d{1,5})$/i.exec(text)?.groups;
  const port = Number(found?.["port"]);
  if (found === undefined || port > 0xffff)
    throw new UsageError(`${flag} ${text}: give a port from 0 to 65535, or HOST:PORT`);
  return { host: found["host"]?.replace(/^\[(.*)\]$/, "$1") ?? LOOPBACK, port };
}

function regex(text: string, flag: string): RegExp {
  // It would match before the guest has said anything.
  if (text === "") throw new UsageError(`${flag}: the regular expression is empty`);
  try {
    return new RegExp(text, "u");
  } catch {
    // Some escapes that people type (\-, \_) are errors only in the strict syntax.
  }
  try {
    return new RegExp(text);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, "") : "";
    throw new UsageError(`${flag}: bad regular expression: ${why}`, { cause: error });
  }
}

/** 24 days: Node's timers take no more milliseconds than 2^31. */
const LONGEST = 24 * 24 * 3600;

function seconds(text: string, flag: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || value <= 0)
    throw new UsageError(`${flag} ${text}: give a number of seconds above 0, such as 60 or 0.5`);
  if (value > LONGEST) throw new UsageError(`${flag} ${text}: give at most ${LONGEST} seconds`);
  return value;
}

/**
 * QEMU's spellings of what `kseg run` can do, so that a command line for its Malta board can be pasted. What kseg always
 * does, or has not and so need not turn off, is accepted and means nothing.
 */
import { UsageError } from "./errors.ts";
import { nearest } from "../nearest.ts";

/** One of QEMU's flags. */
interface QemuFlag {
  /** Its names, with one hyphen. */
  readonly names: readonly string[];
  /** What its value is called in the help; none for a switch. */
  readonly value?: string;
  /** What it is in kseg, for the help. */
  readonly meaning: string;
  /** kseg's own flags for it. Throws {@link UsageError} for a value that kseg cannot do. */
  readonly translate: (value: string, name: string) => readonly string[];
}

/** A flag that is a flag of kseg's by another name. */
const renamed = (own: string, name: string, value: string): QemuFlag => ({
  names: [name],
  value,
  meaning: own,
  translate: (text) => [own, text],
});

/** A flag that is accepted if its value is one of these, and does nothing. */
const idle = (meaning: string, accepted: readonly string[], ...names: string[]): QemuFlag => ({
  names,
  value: accepted.join("|"),
  meaning,
  translate: (value, name) => {
    if (!accepted.includes(value))
      throw new UsageError(
        `${name} ${value}: kseg cannot do that; give ${accepted.join(" or ")}, or leave it out`,
      );
    return [];
  },
});

const silent = (meaning: string, ...names: string[]): QemuFlag => ({
  names,
  meaning,
  translate: () => [],
});

const fixed = (own: readonly string[], meaning: string, ...names: string[]): QemuFlag => ({
  names,
  meaning,
  translate: () => own,
});

/** `-s`, and `-gdb`: whether the guest waits for it, `-S` says. */
const QEMU_GDB_PORT = "1234";
const WAIT = "-S";

export const QEMU_FLAGS: readonly QemuFlag[] = [
  renamed("--kernel", "-kernel", "FILE"),
  renamed("--initrd", "-initrd", "FILE"),
  renamed("--append", "-append", "STRING"),
  {
    names: ["-m"],
    value: "SIZE",
    meaning: "--memory; a number alone is MiB",
    translate: (value) => {
      const amount = value.replace(/^size=/, "");
      return ["--memory", /^\d+$/.test(amount) ? `${amount}M` : amount];
    },
  },
  renamed("--host-cpu", "-cpu", "NAME"),
  {
    names: ["-M", "-machine"],
    value: "malta",
    meaning: "--mode bare --host-cpu 24Kf --memory 128M, as QEMU has them, unless they are given",
    translate: machine,
  },
  {
    names: ["-accel"],
    value: "kvm|tcg",
    meaning: "kvm is --mode te, tcg is --mode bare",
    translate: (value, name) => {
      const [kind = ""] = value.split(",");
      return ["--mode", acceleratorMode(kind, `${name} ${value}`)];
    },
  },
  fixed(["--mode", "te"], "--mode te", "-enable-kvm"),
  fixed(["--gdb", QEMU_GDB_PORT], `--gdb ${QEMU_GDB_PORT}; without -S the guest does not wait`, "-s"),
  {
    names: ["-gdb"],
    value: "tcp:[HOST]:PORT",
    meaning: "--gdb, on this computer only unless there is a HOST",
    translate: (value, name) => {
      const address = /^tcp:(?<host>[^,]*):(?<port>\d+)(?:,.*)?$/.exec(value)?.groups;
      if (address === undefined) throw new UsageError(`${name} ${value}: give tcp::PORT or tcp:HOST:PORT`);
      const { host, port } = address;
      return ["--gdb", host === "" ? port! : `${host}:${port}`];
    },
  },
  silent("the guest waits for gdb", WAIT),
  silent("always: a guest that asks for a reset ends kseg", "-no-reboot"),
  silent("always: there is no picture", "-nographic"),
  silent("nothing", "-nodefaults", "-no-user-config", "-no-fd-bootchk"),
  idle("always: the console is kseg's terminal", ["mon:stdio", "stdio"], "-serial"),
  idle("there is no monitor", ["none"], "-monitor"),
  idle("there is no picture", ["none"], "-display", "-vga"),
  idle("there is no network", ["none"], "-nic", "-net"),
  idle("there is no such port, and no sound", ["none"], "-parallel", "-audio"),
  idle("guests have one CPU", ["1", "cpus=1"], "-smp"),
  idle("always: the clock is UTC", ["base=utc"], "-rtc"),
  {
    names: ["-name"],
    value: "NAME",
    meaning: "nothing",
    translate: () => [],
  },
];

/** What the Malta board of QEMU has and kseg has not, by flag, with what to do. */
const LACKING: Readonly<Record<string, string>> = {
  ...all("the machine has no disks: give an --initrd, or a folder with --share", [
    ...["-hda", "-hdb", "-hdc", "-hdd", "-cdrom", "-drive", "-blockdev", "-sd", "-mtdblock", "-pflash"],
  ]),
  ...all("the machine has no network", ["-netdev", "-device", "-usb", "-virtfs"]),
  ...all("kseg starts the kernel itself: give it with -kernel", ["-bios"]),
  ...all("kernels get the board monitor's tables, no device tree: leave it out", ["-dtb"]),
  ...all("use --restore, --save", ["-loadvm", "-incoming", "-snapshot"]),
  ...all("use --trace or kseg stat", ["-d", "-D", "-trace", "-plugin"]),
  ...all("a guest that turns itself off ends kseg", ["-no-shutdown"]),
  ...all("use the shell's &", ["-daemonize"]),
};

function all(reason: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]));
}

function acceleratorMode(kind: string, given: string): "te" | "bare" {
  if (kind === "kvm") return "te";
  if (kind === "tcg") return "bare";
  throw new UsageError(`${given}: kseg cannot do that; give kvm (the hypervisor) or tcg (without)`);
}

/** `-M malta[,accel=...]`. */
function machine(value: string, name: string): readonly string[] {
  const [kind = "", ...properties] = value.split(",");
  if (kind.replace(/^type=/, "") !== "malta")
    throw new UsageError(`${name} ${value}: the only machine is malta`);
  return properties.flatMap((property) => {
    const accelerator = /^accel=(.*)$/.exec(property)?.[1];
    if (accelerator === undefined)
      throw new UsageError(`${name} ${value}: ${property} is nothing that kseg can do; leave it out`);
    return ["--mode", acceleratorMode(accelerator, `${name} ${value}`)];
  });
}

const PROGRAM = /(?:^|[\\/])qemu-system-(\w+)(?:\.exe)?$/;
/** What is QEMU's way unless something else is given. */
const DEFAULTS = ["--mode", "bare", "--host-cpu", "24Kf", "--memory", "128M"];

/** What a command's own flags are. */
export interface OwnFlags {
  readonly names: readonly string[];
  /** Those of them that take a value. */
  readonly withValue: readonly string[];
}

/**
 * `args` with all of QEMU's spellings replaced by kseg's, for a command that has the flags of `kseg run`. Throws
 * {@link UsageError} for a flag that is neither QEMU's nor kseg's, with the nearest one.
 */
export function fromQemu(args: readonly string[], own: OwnFlags): string[] {
  const rest = [...args];
  const translated: string[] = [];
  const given = new Set<string>();
  let isQemuLine = dropProgram(rest);
  for (;;) {
    const arg = rest.shift();
    if (arg === undefined) break;
    if (arg === "--") {
      translated.push(arg, ...rest.splice(0));
      break;
    }
    if (!/^-[A-Za-z]/.test(arg) || own.names.includes(arg)) {
      translated.push(arg);
      if (own.withValue.includes(arg) && rest.length > 0) translated.push(rest.shift()!);
      continue;
    }
    const flag = flagCalled(arg, own);
    const value = flag.value === undefined ? "" : rest.shift();
    if (value === undefined) throw new UsageError(`${arg}: its value is missing`);
    given.add(flag.names[0]!);
    isQemuLine ||= flag.names.includes("-M");
    translated.push(...flag.translate(value, arg));
  }
  // What is given later counts.
  return [...(isQemuLine ? DEFAULTS : []), ...gdbWait(given, translated), ...translated];
}

/** Takes QEMU's own name, if it was pasted with the rest, off `args`. True if it was there. */
function dropProgram(args: string[]): boolean {
  const target = PROGRAM.exec(args[0] ?? "")?.[1];
  if (target === undefined) return false;
  if (target !== "mips" && target !== "mipsel")
    throw new UsageError(
      `${args[0]}: kseg is a 32-bit MIPS machine, as qemu-system-mips and qemu-system-mipsel`,
    );
  args.shift();
  return true;
}

const byName = new Map(QEMU_FLAGS.flatMap((flag) => flag.names.map((name) => [name, flag] as const)));

function flagCalled(name: string, own: OwnFlags): QemuFlag {
  const flag = byName.get(name);
  if (flag !== undefined) return flag;
  const why = LACKING[name];
  if (why !== undefined) throw new UsageError(`${name}: ${why}`);
  const guess = name.length > 2 ? nearest(name, [...byName.keys(), ...own.names]) : undefined;
  const hint = guess === undefined ? "" : ` (did you mean ${guess}?)`;
  throw new UsageError(`unknown option '${name}'${hint}; see kseg help qemu`);
}

/** With QEMU's flags for gdb the guest waits only for `-S`. */
function gdbWait(given: ReadonlySet<string>, translated: readonly string[]): string[] {
  const waits = given.has(WAIT);
  if (waits && !translated.some((arg) => arg.startsWith("--gdb")))
    throw new UsageError("-S: nobody could let the guest run: give -s or -gdb tcp::PORT as well");
  return !waits && (given.has("-s") || given.has("-gdb")) ? ["--gdb-no-wait"] : [];
}

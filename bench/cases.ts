/** Everything that is measured as a duel of two machines, in groups: one group is one table. */
import { fileURLToPath } from "node:url";
import { guestPaths } from "../src/guests/index.ts";
import type { Duel, Entry, Span } from "./duel.ts";
import { type Job, ksegMachine, type Machine, QEMU, THIS_KSEG } from "./machines.ts";
import { checksumIn, type Program, PROGRAMS, programJob, programSpan } from "./programs.ts";

/** A comparison that can be made. Files are looked for and built when it is. */
export interface Case {
  readonly name: string;
  readonly duel: () => Promise<Duel>;
}

/** Cases that make one table. */
export interface Group {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly Case[];
  /** Whether the cases are alike, so that a geometric mean says something. */
  readonly mean: boolean;
}

const KSEG = ksegMachine(THIS_KSEG);

function entry(machine: Machine, job: Job, span: Span, label = machine.name): Entry {
  return { machine, label, job, span };
}

type How = Pick<Job, "cpu" | "mode" | "engine">;

/** A program of guests/bench on a machine. */
async function programEntry(
  program: Program,
  machine: Machine,
  how: How,
  label = machine.name,
): Promise<Entry> {
  const nothing = { name: "nothing", rounds: 0 };
  return {
    machine,
    label,
    job: await programJob(program, how),
    span: programSpan(program.name),
    rest: { job: await programJob(nothing, how), to: programSpan(nothing.name).to },
  };
}

/** A program of guests/bench, bare, in kseg and in QEMU. */
function againstQemu(program: Program): Case {
  const { name } = program;
  const how: How = { cpu: "24Kc", mode: "bare", engine: "auto" };
  return {
    name,
    duel: async () => ({
      name,
      a: await programEntry(program, KSEG, how),
      b: await programEntry(program, QEMU, how),
      answer: (output) => checksumIn(output, program.name),
    }),
  };
}

/** A program of guests/bench in kseg, under the hypervisor and on the machine that it would otherwise run on. */
function teAgainstBare(program: Program): Case {
  const name = `te-${program.name}`;
  const how = (mode: Job["mode"]): How => ({ cpu: "P5600", mode, engine: "auto" });
  return {
    name,
    duel: async () => ({
      name,
      a: await programEntry(program, KSEG, how("te"), "te"),
      b: await programEntry(program, KSEG, how("bare"), "bare"),
      answer: (output) => checksumIn(output, program.name),
    }),
  };
}

/** A loop without an operating system (bench/guests), as a whole process: starting and warming up count. */
function loop(name: string, engine: Job["engine"]): Case {
  const shown = `${name}-loop${engine === "auto" ? "" : `-${engine}`}`;
  return {
    name: shown,
    duel: () => {
      const kernel = fileURLToPath(new URL(`guests/${name}.elf`, import.meta.url));
      const job: Job = { kernel, memory: 64, cpu: "24Kc", mode: "bare", engine };
      const span: Span = { to: " done\n" };
      return Promise.resolve({
        name: shown,
        a: entry(KSEG, job, span),
        b: entry(QEMU, job, span),
        answer: (output) => output,
      });
    },
  };
}

const SHELL = "kseg: shell ready";

async function bootJob(guest: "debian" | "kvm-linux-4k"): Promise<Job> {
  const { kernel, initrd, append, mode } = await guestPaths(guest);
  return { kernel, initrd, append, memory: 256, cpu: "24Kc", mode, engine: "auto" };
}

/**
 * Debian's kernel measures the CPU's frequency by the clock chip for 1 to 2 seconds of its own time; what passes
 * between the two lines around that does not count.
 */
const BOOT: Span = { to: SHELL, without: ["NR_IRQS", "CPU frequency"] };

const debianBoot: Case = {
  name: "debian-boot",
  duel: async () => {
    const job = await bootJob("debian");
    return { name: "debian-boot", a: entry(KSEG, job, BOOT), b: entry(QEMU, job, BOOT) };
  },
};

/** A kernel made for trap and emulate, against Debian's on the bare machine; both as a user sees them start. */
const teBoot: Case = {
  name: "te-boot",
  duel: async () => ({
    name: "te-boot",
    a: entry(KSEG, await bootJob("kvm-linux-4k"), { to: SHELL }, "KVM Linux te"),
    b: entry(KSEG, await bootJob("debian"), { to: SHELL }, "Debian bare"),
  }),
};

const inGroup = (group: Program["group"]): readonly Program[] =>
  PROGRAMS.filter((program) => program.group === group);

/** All groups, in the order in which they are measured. */
export const GROUPS: readonly Group[] = [
  {
    name: "cpu",
    title: "CPU-bound programs, Debian bare, between their first and last line",
    cases: inGroup("cpu").map(againstQemu),
    mean: true,
  },
  {
    name: "system",
    title: "System-heavy programs, Debian bare, between their first and last line",
    cases: inGroup("system").map(againstQemu),
    mean: true,
  },
  {
    name: "boot",
    title: "Debian's boot to a shell, bare, without RTC calibration",
    cases: [debianBoot],
    mean: false,
  },
  {
    name: "te-cpu",
    title: "CPU-bound programs, same kernel, P5600, under trap and emulate ÷ bare",
    cases: inGroup("cpu").map(teAgainstBare),
    mean: true,
  },
  {
    name: "te-system",
    title: "System-heavy programs, same kernel, P5600, under trap and emulate ÷ bare",
    cases: inGroup("system").map(teAgainstBare),
    mean: true,
  },
  {
    name: "te-boot",
    title: "Linux for trap and emulate to a shell, against Debian bare",
    cases: [teBoot],
    mean: false,
  },
  {
    name: "loops",
    title: "Loops without an operating system, bare, whole processes",
    cases: (["auto", "interp"] as const).flatMap((engine) =>
      ["integer", "memory", "calls"].map((name) => loop(name, engine)),
    ),
    mean: false,
  },
];

/** The same work by this kseg and by another. */
export function against(duel: Duel, other: Machine): Duel {
  const a = { ...duel.a, label: KSEG.name };
  return { ...duel, a, b: { ...a, machine: other, label: other.name } };
}

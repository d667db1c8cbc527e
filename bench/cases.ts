/** Everything that is measured as a duel of two machines, in groups: one group is one table. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { guestPaths } from "../src/guests/index.ts";
import { buildBareProgram, buildFolder } from "./build.ts";
import type { Duel, Entry, Part, Span } from "./duel.ts";
import { type Job, ksegMachine, type Machine, QEMU, THIS_KSEG } from "./machines.ts";
import { checksumIn, type Program, PROGRAMS, programJob, programSpan } from "./programs.ts";
import { V86 } from "./v86.ts";

/** Cases that make one table. */
export interface Group {
  readonly name: string;
  readonly title: string;
  /** Their names. */
  readonly cases: readonly string[];
  /** How some of them are measured. Files are looked for and built when a duel is asked for. */
  readonly duels: (names: readonly string[]) => readonly (() => Promise<Duel>)[];
  /** Whether the cases are alike, so that a geometric mean says something. */
  readonly mean: boolean;
}

/** A case that is measured by itself. */
interface Case {
  readonly name: string;
  readonly duel: () => Promise<Duel>;
}

/** Cases that are measured one by one. */
function separately(cases: readonly Case[]): Pick<Group, "cases" | "duels"> {
  return {
    cases: cases.map(({ name }) => name),
    duels: (names) => cases.filter(({ name }) => names.includes(name)).map(({ duel }) => duel),
  };
}

const KSEG = ksegMachine(THIS_KSEG);

function entry(machine: Machine, job: Job, label = machine.name): Entry {
  return { machine, label, job };
}

type How = Pick<Job, "cpu" | "mode" | "engine">;

/** Programs of guests/bench on a machine. */
async function programsEntry(
  programs: readonly Program[],
  machine: Machine,
  how: How,
  label = machine.name,
): Promise<Entry> {
  const nothing = { name: "nothing", rounds: 0 };
  return {
    ...entry(machine, await programJob(programs, how), label),
    rest: { job: await programJob([nothing], how), to: programSpan(nothing.name).to },
  };
}

function programPart({ name }: Program, shown = name): Part {
  return { name: shown, span: programSpan(name), answer: (output) => checksumIn(output, name) };
}

/** A program of guests/bench, bare, in kseg and in QEMU. */
function againstQemu(program: Program): Case {
  const how: How = { cpu: "24Kc", mode: "bare", engine: "auto" };
  return {
    name: program.name,
    duel: async () => ({
      a: await programsEntry([program], KSEG, how),
      b: await programsEntry([program], QEMU, how),
      parts: [programPart(program)],
    }),
  };
}

/**
 * Programs of guests/bench in kseg, under the hypervisor and on the machine that they would otherwise run on. As
 * the boot takes long under the hypervisor, they share one.
 */
function teAgainstBare(programs: readonly Program[]): Pick<Group, "cases" | "duels"> {
  const caseOf = ({ name }: Program): string => `te-${name}`;
  const how = (mode: Job["mode"]): How => ({ cpu: "P5600", mode, engine: "auto" });
  const duelOf = async (chosen: readonly Program[]): Promise<Duel> => ({
    a: await programsEntry(chosen, KSEG, how("te"), "te"),
    b: await programsEntry(chosen, KSEG, how("bare"), "bare"),
    parts: chosen.map((program) => programPart(program, caseOf(program))),
  });
  return {
    cases: programs.map(caseOf),
    duels: (names) => [() => duelOf(programs.filter((program) => names.includes(caseOf(program))))],
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
        a: entry(KSEG, job),
        b: entry(QEMU, job),
        parts: [{ name: shown, span, answer: (output) => output }],
      });
    },
  };
}

/**
 * A program of guests/bench without an operating system, in kseg and as i386's code in v86: four times as many rounds as
 * against QEMU, as both emulators take a while to compile what they run.
 */
function againstV86({ rounds, ...rest }: Program): Case {
  const program = { ...rest, rounds: 4 * rounds };
  const name = `v86-${program.name}`;
  const jobFor = (target: "mipsel" | "i386"): Job => {
    const kernel = join(buildFolder(), `${program.name}-${target}.elf`);
    buildBareProgram(target, program, kernel);
    return { kernel, memory: 64, cpu: "24Kc", mode: "bare", engine: "auto" };
  };
  return {
    name,
    duel: () =>
      Promise.resolve({
        a: entry(KSEG, jobFor("mipsel")),
        b: entry(V86, jobFor("i386")),
        parts: [programPart(program, name)],
      }),
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
    return { a: entry(KSEG, job), b: entry(QEMU, job), parts: [{ name: "debian-boot", span: BOOT }] };
  },
};

/** A kernel made for trap and emulate, against Debian's on the bare machine; both as a user sees them start. */
const teBoot: Case = {
  name: "te-boot",
  duel: async () => ({
    a: entry(KSEG, await bootJob("kvm-linux-4k"), "te"),
    b: entry(KSEG, await bootJob("debian"), "bare"),
    parts: [{ name: "te-boot", span: { to: SHELL } }],
  }),
};

/** Debian's kernel on the same CPU, under trap and emulate and bare. */
const teDebianBoot: Case = {
  name: "te-debian-boot",
  duel: async () => {
    const job: Job = { ...(await bootJob("debian")), cpu: "P5600" };
    return {
      a: entry(KSEG, { ...job, mode: "te" }, "te"),
      b: entry(KSEG, job, "bare"),
      parts: [{ name: "te-debian-boot", span: { to: SHELL } }],
    };
  },
};

const inGroup = (group: Program["group"]): readonly Program[] =>
  PROGRAMS.filter((program) => program.group === group);

/** All groups, in the order in which they are measured. */
export const GROUPS: readonly Group[] = [
  {
    name: "cpu",
    title: "CPU-bound programs, Debian bare, between their first and last line",
    ...separately(inGroup("cpu").map(againstQemu)),
    mean: true,
  },
  {
    name: "system",
    title: "System-heavy programs, Debian bare, between their first and last line",
    ...separately(inGroup("system").map(againstQemu)),
    mean: true,
  },
  {
    name: "boot",
    title: "Debian's boot to a shell, bare, without RTC calibration",
    ...separately([debianBoot]),
    mean: false,
  },
  {
    name: "te-cpu",
    title: "CPU-bound programs, same kernel, P5600, under trap and emulate ÷ bare",
    ...teAgainstBare(inGroup("cpu")),
    mean: true,
  },
  {
    name: "te-system",
    title: "System-heavy programs, same kernel, P5600, under trap and emulate ÷ bare",
    ...teAgainstBare(inGroup("system")),
    mean: true,
  },
  {
    name: "te-boots",
    title: "Boots to a shell under trap and emulate (te-boot: KVM_GUEST Linux), against Debian bare",
    ...separately([teBoot, teDebianBoot]),
    mean: false,
  },
  {
    name: "loops",
    title: "Loops without an operating system, bare, whole processes",
    ...separately(
      (["auto", "interp"] as const).flatMap((engine) =>
        ["integer", "memory", "calls"].map((name) => loop(name, engine)),
      ),
    ),
    mean: false,
  },
  {
    name: "v86",
    title: "The program mix without an operating system, in kseg and (built for i386) in v86",
    ...separately(PROGRAMS.filter(({ name }) => name === "mix").map(againstV86)),
    mean: false,
  },
];

/** The same work by this kseg and by another. */
export function against(duel: Duel, other: Machine): Duel {
  const a = { ...duel.a, label: KSEG.name };
  return { ...duel, a, b: { ...a, machine: other, label: other.name } };
}

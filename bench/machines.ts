/** The machines that are compared, and how each is told to run the same thing. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CommandLine } from "./process.ts";

/** Something cannot be measured here; `message` says what is missing. */
export class UnavailableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UnavailableError";
  }
}

/** What a machine runs. */
export interface Job {
  readonly kernel: string;
  readonly initrd?: string;
  /** Kernel command line. */
  readonly append?: string;
  /** Memory in MiB. */
  readonly memory: number;
  readonly cpu: "24Kc" | "P5600";
  /** `mode` and `engine` are kseg's alone: any other machine is bare. */
  readonly mode: "bare" | "te";
  readonly engine: "auto" | "interp";
}

/** One side of a comparison. */
export interface Machine {
  /** What the columns of a table call it. */
  readonly name: string;
  /** How to run a job there. @throws {UnavailableError} */
  command(job: Job): CommandLine;
}

/** A kseg that can be measured. */
export interface Kseg {
  /** What the tables call it. */
  readonly name: string;
  /** Top folder of its checkout. */
  readonly folder: string;
}

/** The one that this file belongs to. */
export const THIS_KSEG: Kseg = { name: "kseg", folder: fileURLToPath(new URL("..", import.meta.url)) };

/** A command line of kseg from a checkout, with the Node that runs this. */
export function ksegCommand(folder: string, ...args: string[]): CommandLine {
  return [process.execPath, `${folder}/bin/kseg.js`, ...args];
}

/** That of `kseg run`. */
export function ksegRun(folder: string, ...args: string[]): CommandLine {
  return ksegCommand(folder, "run", ...args);
}

/** As many entries as a guest's TLB can have: Debian's kernel makes use of any number. */
const GUEST_TLB = "4096";

/** kseg as a machine. */
export function ksegMachine({ name, folder }: Kseg): Machine {
  return {
    name,
    command: (job) =>
      ksegRun(
        folder,
        ...["--clock", "virtual", "--quiet", "--memory", `${job.memory}M`],
        ...["--mode", job.mode, "--host-cpu", job.cpu, "--engine", job.engine],
        ...(job.mode === "te" ? ["--guest-tlb", GUEST_TLB] : []),
        ...image(job, "--"),
      ),
  };
}

/** QEMU's Malta, without cards whose ROMs are extra packages. */
export const QEMU: Machine = {
  name: "QEMU",
  command: (job) => {
    if (spawnSync("qemu-system-mipsel", ["--version"]).error !== undefined)
      throw new UnavailableError("qemu-system-mipsel is not installed (Debian: qemu-system-mips)");
    const machine = "-M malta -nographic -no-reboot -nic none -vga none".split(" ");
    return [
      "qemu-system-mipsel",
      ...machine,
      ...["-cpu", job.cpu, "-m", String(job.memory), ...image(job, "-")],
    ];
  },
};

/** The files of a job as options that begin with `dash`. */
function image({ kernel, initrd, append }: Job, dash: string): string[] {
  return [
    ...[`${dash}kernel`, kernel],
    ...(initrd === undefined ? [] : [`${dash}initrd`, initrd]),
    ...(append === undefined ? [] : [`${dash}append`, append]),
  ];
}

/** The same images in kseg and in QEMU, by turns: whole processes, medians and their ratio. */
import { fileURLToPath } from "node:url";
import { GuestError, guestPaths } from "../src/guests/index.ts";
import { type CommandLine, ksegRun, median, qemuMalta, type Run, run, type RunOptions } from "./process.ts";
import type { Row, Section } from "./table.ts";

const PROGRAMS = ["integer", "memory", "calls"] as const;
const ENGINES = ["auto", "interp"] as const;

/** Both sides' seconds, one by one. */
async function byTurns(
  rounds: number,
  commands: readonly [kseg: CommandLine, qemu: CommandLine],
  options: RunOptions,
  check: (kseg: Run, qemu: Run) => void,
  seconds: (run: Run) => number,
): Promise<{ kseg: number[]; qemu: number[] }> {
  const times = { kseg: [] as number[], qemu: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const kseg = await run(commands[0], options);
    const qemu = await run(commands[1], options);
    check(kseg, qemu);
    times.kseg.push(seconds(kseg));
    times.qemu.push(seconds(qemu));
  }
  return times;
}

function row(name: string, { kseg, qemu }: { kseg: number[]; qemu: number[] }): Row {
  const [a, b] = [median(kseg), median(qemu)];
  return {
    name,
    values: { "kseg s": a, "QEMU s": b, "kseg ÷ QEMU": a / b },
    samples: { kseg, qemu },
  };
}

/** Loops of our own (bench/guests), bare. What they print must be the same in both. */
export async function programs(rounds: number): Promise<Section> {
  const rows: Row[] = [];
  for (const [name, engine] of PROGRAMS.flatMap((program) => ENGINES.map((one) => [program, one] as const))) {
    const kernel = fileURLToPath(new URL(`guests/${name}.elf`, import.meta.url));
    const times = await byTurns(
      rounds,
      [
        ksegRun(
          ...["--mode", "bare", "--memory", "64M", "--clock", "virtual", "--quiet"],
          ...["--engine", engine, "--kernel", kernel],
        ),
        qemuMalta("-m", "64", "-kernel", kernel),
      ],
      { until: " done\n" },
      (kseg, qemu) => {
        const line = `${name} `;
        if (!kseg.output.startsWith(line) || kseg.output !== qemu.output)
          throw new Error(`${name}: kseg printed "${kseg.output}", QEMU "${qemu.output}"`);
      },
      ({ seconds }) => seconds,
    );
    rows.push(row(`${name} loop, ${engine}`, times));
  }
  return { title: "Bare programs, whole processes", rows };
}

const READY = "kseg: shell ready";

/**
 * Debian's boot to the shell. Its kernel measures the CPU's frequency by the clock chip for 1 to 2 seconds
 * of its own time; what passes between the two lines around that is subtracted from both.
 */
export async function debianBoot(rounds: number): Promise<Section> {
  const title = "Debian's boot to a shell, bare";
  let guest: Awaited<ReturnType<typeof guestPaths>>;
  try {
    guest = await guestPaths("debian");
  } catch (error) {
    if (error instanceof GuestError) return { title, rows: [], skipped: error.message };
    throw error;
  }
  const { kernel, initrd, append } = guest;
  const image = (dash: string): string[] => [
    `${dash}kernel`,
    kernel,
    `${dash}initrd`,
    initrd,
    `${dash}append`,
    append,
  ];
  const calibration = ({ when }: Run): number => {
    const [from, to] = [when("NR_IRQS"), when("CPU frequency")];
    if (from === undefined || to === undefined)
      throw new Error("the lines around the calibration are missing");
    return to - from;
  };
  const spent = { kseg: [] as number[], qemu: [] as number[] };
  const times = await byTurns(
    rounds,
    [
      ksegRun("--mode", "bare", "--memory", "256M", "--clock", "virtual", "--quiet", ...image("--")),
      qemuMalta("-m", "256", ...image("-")),
    ],
    { until: READY },
    (kseg, qemu) => {
      spent.kseg.push(calibration(kseg));
      spent.qemu.push(calibration(qemu));
    },
    (one) => one.seconds - calibration(one),
  );
  return {
    title,
    rows: [row("boot without RTC calibration", times), row("  the calibration itself", spent)],
  };
}

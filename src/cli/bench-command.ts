/** `kseg bench mmu`: what translation and exits cost, on this computer. */
import { Argument, Command } from "commander";
import { GuestError, terminalProgress } from "../guests/index.ts";
import type { GuestConfig } from "../index.ts";
import { addHelp, type CommandHelp } from "./command-help.ts";
import { withChoices } from "./completion-values.ts";
import { choiceOf, runFlag } from "./flags.ts";
import { bootExits } from "./mmu-bench/boot.ts";
import { measure, type Cost } from "./mmu-bench/measure.ts";
import {
  asidTurns,
  lookup,
  PAGE_COUNTS,
  PLAIN,
  REFILLS,
  TRAPS,
  type MmuProgram,
  type Turns,
} from "./mmu-bench/programs.ts";
import { OutputFile } from "./output-file.ts";
import { HEAD, textOfBoot, textOfPart, type BootExits, type Part } from "./mmu-bench/report.ts";

const MEASUREMENTS = ["mmu"] as const;

const HELP: CommandHelp = {
  notes: [
    "Small guests do one thing over and over; what it costs is what their loop takes beyond the same number of " +
      'instructions that do not trap. "host instr." counts generated code and handlers, TypeScript is in the time only. ' +
      '"real system" is KVM of Linux 5.10 under trap and emulate, measured in QEMU: its host instructions (below: its ' +
      "exits) for a whole event, all of which it handles in machine code.",
    "The exits of a boot need the guest kvm-linux-16k in the cache. It takes a minute or more; on a computer that does " +
      'nothing else the times are worth more. A time that cannot be told from noise is shown as "noise" (null in --json).',
  ],
  examples: [
    ["bench mmu", "the table"],
    ["bench mmu --host-cpu P5600 --json p5600.json", "of another host, as figures too"],
  ],
  seeAlso: "kseg help guest build; docs/performance.md",
};

interface BenchFlags {
  readonly hostCpu: string;
  readonly hostPageSize?: NonNullable<GuestConfig["hostPageSize"]>;
  readonly fastExits?: "on" | "off";
  readonly json?: string;
}

/** Sizes of the guest's TLB between which a look-up is compared. */
const TLB_SIZES = [64, 256, 512, 1024, 4096] as const;

const TURNS = [
  { title: "change of the guest's ASID under 8 roots, by pages mapped", gvaRoots: 8, touching: false },
  { title: "the same, each of the pages touched after it", gvaRoots: 8, touching: true },
  { title: "the same under one root", gvaRoots: 1, touching: true },
] as const;

/** The sub-command, to be added to the program. */
export function benchCommand(): Command {
  const command = addHelp(new Command("bench"), HELP)
    .description("measure what translation and exits cost")
    .addArgument(
      withChoices(
        new Argument("<what>", `what to measure: ${MEASUREMENTS.join(", ")}`).argParser((text) =>
          choiceOf(text, MEASUREMENTS, "bench", "measurement"),
        ),
        MEASUREMENTS,
      ),
    )
    .option("--json <FILE>", "write the figures there as well");
  for (const name of ["--host-cpu", "--host-page-size", "--fast-exits"] as const)
    command.addOption(runFlag(name));
  return command.action((_what: string, flags: BenchFlags) => benchMmu(flags));
}

async function benchMmu({ hostCpu, hostPageSize, fastExits, json }: BenchFlags): Promise<void> {
  const file = json === undefined ? null : new OutputFile("--json", json);
  const config: Partial<GuestConfig> = {
    hostCpu,
    ...(hostPageSize === undefined ? {} : { hostPageSize }),
    ...(fastExits === undefined ? {} : { fastExits }),
  };
  const progress = terminalProgress(process.stderr, Date.now, "kseg bench");
  let done = 0;
  const onMeasured = (what: string): void => progress.bar(++done, MEASURED, what);
  const print = (text: string): void => {
    progress.clear();
    process.stdout.write(text);
  };
  print(HEAD);
  const parts: Part[] = [];
  for (const part of measurements(config, onMeasured)) {
    parts.push(part);
    print(textOfPart(part));
  }
  progress.bar(done, MEASURED, "a boot");
  const boot = await bootOrNote(config, () => progress.clear());
  if (boot !== null) process.stdout.write(textOfBoot(boot));
  await file?.write({ config, parts, boot });
}

/** Measurements in all, the boot among them. */
const MEASURED = REFILLS.length + TRAPS.length + TURNS.length * PAGE_COUNTS.length + TLB_SIZES.length + 1;

/** The parts of the table, each measured when its turn comes; `onMeasured` is told of each measurement. */
function* measurements(config: Partial<GuestConfig>, onMeasured: (what: string) => void): Generator<Part> {
  const told = (title: string, cost: Cost): Cost => {
    onMeasured(title);
    return cost;
  };
  const titled = (title: string, programs: readonly MmuProgram[]): Part => ({
    title,
    costs: programs.map((program) => told(title, measure(program, PLAIN, config))),
  });
  yield titled("host TLB miss", REFILLS);
  yield titled("trap of a guest", TRAPS);
  for (const { title, ...turns } of TURNS)
    yield { title, costs: PAGE_COUNTS.map((pages) => told(title, asidChange({ pages, ...turns }, config))) };
  yield titled(
    "look-up in the guest's TLB",
    TLB_SIZES.map((entries) => lookup(entries)),
  );
}

/** A change compared with a write of the ASID that is there already. */
function asidChange(turns: Turns, config: Partial<GuestConfig>): Cost {
  return measure(asidTurns(turns, true), asidTurns(turns, false), config);
}

/** The exits of a boot, or a line that says why there are none. `onEnd` is called before anything is printed. */
async function bootOrNote(config: Partial<GuestConfig>, onEnd: () => void): Promise<BootExits | null> {
  try {
    return await bootExits(config);
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    onEnd();
    process.stderr.write(`kseg: no exits of a boot: ${error.message}\n`);
    return null;
  } finally {
    onEnd();
  }
}

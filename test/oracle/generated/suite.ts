import { isDeepStrictEqual } from "node:util";
import { ENGINE_NAMES } from "../malta.ts";
import { compareRam, compareReports, type KnownDifference } from "./compare.ts";
import type { Configuration } from "./configurations.ts";
import { checkReports } from "./expectations.ts";
import { buildImage } from "./image.ts";
import { readReports } from "./reports.ts";
import { runInKseg } from "./run-kseg.ts";
import { runInQemu } from "./run-qemu.ts";

/** What a configuration's comparison found. */
export interface GeneratedCodeResult {
  /** Length of the refill handler. */
  readonly handlerWords: number;
  readonly scenarios: number;
  readonly exits: number;
  /** Refills that the generated handler served in kseg. */
  readonly refills: number;
  /** TLB entries of the guest that were found in QEMU's TLB, over all exits. */
  readonly entries: number;
  readonly complaints: readonly string[];
  readonly met: ReadonlySet<KnownDifference>;
}

/** Runs all scenarios of a configuration on both machines, checks both and compares them. */
export async function compareConfiguration(configuration: Configuration): Promise<GeneratedCodeResult> {
  const image = buildImage(configuration);
  const running = runInQemu(image);
  const run = runInKseg(image);
  const others = ENGINE_NAMES.filter((engine) => !isDeepStrictEqual(runInKseg(image, engine), run));
  const qemuRam = await running;
  const kseg = readReports(image, "kseg", run.ram);
  const qemu = readReports(image, "QEMU", qemuRam);
  const { complaints, met } = compareReports(image, kseg, qemu);
  const exits = qemu.filter(({ exit }) => exit !== null);
  return {
    handlerWords: image.world.vcpu.code.sections.find(({ name }) => name === "tlb_refill")!.lines.length,
    scenarios: image.programs.length,
    exits: exits.length,
    refills: run.refills.at(-1) ?? 0,
    entries: exits.reduce((sum, { tlb }) => sum + tlb.length, 0),
    complaints: [
      ...checkReports(image, "kseg", kseg),
      ...checkReports(image, "QEMU", qemu),
      ...complaints,
      ...others.map((engine) => `kseg does something else by ${engine}`),
      ...compareRam(run.ram, qemuRam),
    ],
    met,
  };
}

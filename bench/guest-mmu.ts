/** The figures of `kseg bench mmu` as sections. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BootExits, Part } from "../src/cli/mmu-bench/report.ts";
import { ksegCommand, THIS_KSEG } from "./machines.ts";
import { run } from "./process.ts";
import type { Row, Section } from "./table.ts";

/** What `--json` leaves. */
interface Figures {
  readonly parts: readonly Part[];
  readonly boot: BootExits | null;
}

/** What the hypervisor's MMU costs, by part; last what a boot leaves the machine for, if the guest is there. */
export async function guestMmu(): Promise<Section[]> {
  const folder = mkdtempSync(join(tmpdir(), "kseg-bench-"));
  try {
    const file = join(folder, "mmu.json");
    await run(ksegCommand(THIS_KSEG.folder, "bench", "mmu", "--json", file));
    return sectionsOf(JSON.parse(readFileSync(file, "utf8")) as Figures);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sectionsOf({ parts, boot }: Figures): Section[] {
  const sections = parts.map(({ title, costs }): Section => ({
    title: `${title[0]!.toUpperCase()}${title.slice(1)}`,
    rows: costs.map(({ name, nanoseconds, hostInstructions, exits, fastExits, real }): Row => {
      const ns = nanoseconds === null ? {} : { ns: nanoseconds };
      const values = { ...ns, "host instructions": hostInstructions, exits };
      return {
        name,
        values: {
          ...values,
          ...(fastExits === undefined ? {} : { "fast exits": fastExits }),
          ...(real === undefined ? {} : { "real system": real }),
        },
      };
    }),
  }));
  return boot === null ? sections : [...sections, exitsOf(boot)];
}

const exitsOf = ({ guest, rows }: BootExits): Section => ({
  title: `Exits of the boot of ${guest}, up to its shell`,
  rows: rows.map(({ name, exits, real }) => ({
    name,
    values: { exits, ...(real === undefined ? {} : { "real system": real }) },
  })),
});

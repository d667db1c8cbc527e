/**
 * `npm run bench`: how fast kseg is, against QEMU on the same images and against itself (`--help` lists the
 * flags).
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { toolFlags, usageError } from "../tools/tool-flags.ts";
import { debianBoot, programs } from "./against-qemu.ts";
import { qemuMissing } from "./process.ts";
import { refillCost } from "./refill.ts";
import { format, type Section } from "./table.ts";

interface Bench {
  readonly title: string;
  readonly needsQemu: boolean;
  readonly measure: (rounds: number) => Promise<Section>;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  programs: { title: "Bare programs", needsQemu: true, measure: programs },
  boot: { title: "Debian's boot", needsQemu: true, measure: debianBoot },
  refill: { title: "TLB refill", needsQemu: false, measure: refillCost },
};

const values = toolFlags({
  name: "bench",
  summary: "how fast kseg is, against QEMU on the same images and against itself",
  help: [
    `--only LIST   some of the sections: ${Object.keys(BENCHES).join(",")}`,
    "--rounds N    runs of each side (default 3)",
    "--json FILE   the figures and their samples as JSON",
  ],
  options: {
    only: { type: "string", default: Object.keys(BENCHES).join(",") },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});

const rounds = Number(values.rounds);
const names = values.only.split(",");
const unknown = names.filter((name) => BENCHES[name] === undefined);
if (unknown.length > 0) usageError("bench", `--only does not take ${unknown.join(",")}`);
if (!Number.isInteger(rounds) || rounds < 1) usageError("bench", "--rounds takes a positive number");

const noQemu = qemuMissing();
const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.versions.node}`;
console.log(`${machine}; medians of ${rounds}\n`);
const sections: Section[] = [];
for (const name of names) {
  const { title, needsQemu, measure } = BENCHES[name]!;
  const section =
    needsQemu && noQemu !== undefined ? { title, rows: [], skipped: noQemu } : await measure(rounds);
  sections.push(section);
  console.log(format(section));
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, rounds, sections }, null, 2)}\n`);

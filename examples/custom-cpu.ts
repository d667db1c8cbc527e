/**
 * Runs the same guest on host CPUs of one's own: a 24Kc with ever more TLB entries. The guest does the same on each,
 * but its host's TLB misses less often.
 *
 * Run it with `npx node examples/custom-cpu.ts`.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node custom-cpu.ts`.
 */
import { readFileSync } from "node:fs";
import { CPU_MODELS, createGuest, TICKS_PER_SECOND, type CpuModel } from "kseg";

const kernel = readFileSync(new URL(import.meta.resolve("kseg/guests/demo-te.elf")));
const input = new TextEncoder().encode("touch 100 50\npoweroff\n");

function refillsOn(hostCpu: CpuModel): { readonly refills: number; readonly instructions: number } {
  const guest = createGuest({ kernel, hostCpu, memory: 32 << 20, onConsole() {} });
  guest.sendInput(input);
  const result = guest.run(60 * TICKS_PER_SECOND);
  if (result.kind !== "off") throw new Error(`the guest is ${result.kind}`);
  const { refills, guestInstructions } = guest.stats();
  return { refills: refills.fast, instructions: guestInstructions };
}

const base = CPU_MODELS["24Kc"]!;
for (const tlbEntries of [8, 16, 32, 64, 128]) {
  const { refills, instructions } = refillsOn({ ...base, name: `24Kc with ${tlbEntries}`, tlbEntries });
  console.log(`${tlbEntries} entries: ${refills} refills in ${instructions} instructions`);
}

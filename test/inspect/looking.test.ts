import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createGuest, type Guest, type GuestConfig, type Inspection } from "../../src/index.ts";
import { demoFile } from "../cli/kseg.ts";

/** Takes every view that there is. */
function lookAtAll(inspection: Inspection): void {
  const { pc, gpr } = inspection.registers();
  inspection.cp0();
  inspection.hostCp0();
  inspection.hostTlb();
  inspection.guestTlb();
  for (const root of inspection.roots()) {
    inspection.gvaMap(root, 0, 0x7fff_ffff, 0x10_0000);
    inspection.pageTable(root, pc);
  }
  inspection.physical();
  inspection.code(pc, 4, 4);
  for (const gva of [pc, ...gpr]) inspection.explain(gva);
}

/** What a guest did: what it printed, and all that was counted. */
function runDemo(config: Partial<GuestConfig>, look: (guest: Guest) => void): unknown {
  let console = "";
  const guest = createGuest({
    kernel: readFileSync(demoFile("demo-te.elf")),
    memory: 64 << 20,
    ...config,
    onConsole: (bytes) => (console += new TextDecoder().decode(bytes)),
  });
  guest.sendInput(new TextEncoder().encode("churn 40\npoweroff\n"));
  let result = guest.run(30_001);
  while (result.kind === "running") {
    look(guest);
    result = guest.run(30_001);
  }
  const stats = guest.stats();
  guest.destroy();
  expect(console).toContain("40 processes in");
  return { console, result, stats };
}

test.each<Partial<GuestConfig>>([
  {},
  { refill: "slow", dyntrans: "on" },
  { mode: "bare", kernel: readFileSync(demoFile("demo-bare.elf")) },
])("who looks at a guest changes nothing (%#)", (config) => {
  const alone = runDemo(config, () => {});
  expect(runDemo(config, (guest) => lookAtAll(guest.inspect()))).toEqual(alone);
});

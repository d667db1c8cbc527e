import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createGuest, TICKS_PER_SECOND, type GuestConfig, type RunResult } from "../src/index.ts";
import { demoFile } from "./cli/kseg.ts";

/** More processes than there are ASIDs, twice over: the demo guest flushes its TLB and begins anew. */
const COMMANDS = "churn 600\npoweroff\n";

function run(config: Partial<GuestConfig>): { readonly console: string; readonly result: RunResult } {
  let console = "";
  const guest = createGuest({
    kernel: readFileSync(demoFile("demo-te.elf")),
    ...config,
    onConsole: (bytes) => (console += new TextDecoder().decode(bytes)),
  });
  guest.sendInput(new TextEncoder().encode(COMMANDS));
  let result: RunResult;
  do result = guest.run(TICKS_PER_SECOND);
  while (result.kind === "running");
  guest.destroy();
  return { console, result };
}

test.each<Partial<GuestConfig>>([
  { guestTlb: 64 },
  {},
  { guestTlb: 4096 },
  { gvaRoots: 1 },
  { hostPageSize: 16384, kernel: readFileSync(demoFile("demo-te-16k.elf")) },
  { mode: "bare", kernel: readFileSync(demoFile("demo-bare.elf")) },
])("the demo guest uses its ASIDs up and goes on, whatever the size of its TLB (%#)", (config) => {
  const { console, result } = run(config);
  expect(result).toEqual({ kind: "off", how: "power-off" });
  expect(console).toMatch(/^600 processes in \d+ Count ticks/m);
  expect(console).not.toContain("panic");
});

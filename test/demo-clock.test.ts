import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createGuest } from "../src/index.ts";
import { demoFile } from "./cli/kseg.ts";

test.each([
  ["demo-te.elf", "te"],
  ["demo-bare.elf", "bare"],
] as const)("%s takes input that is there at the start, however slow its computer is", (file, mode) => {
  let now = 0;
  let output = "";
  const guest = createGuest({
    kernel: readFileSync(demoFile(file)),
    mode,
    memory: 16 << 20,
    clock: "wall",
    // Slow: input is at the UART after a few looks at the clock.
    now: () => (now += 0.5),
    onConsole: (bytes) => (output += Buffer.from(bytes).toString("latin1")),
  });
  guest.sendInput(Buffer.from("uptime\npoweroff\n"));
  let result = guest.run(1_000_000);
  for (let slice = 0; slice < 50_000 && result.kind !== "off"; slice++) result = guest.run(1_000_000);
  expect(result).toEqual({ kind: "off", how: "power-off" });
  expect(output).toContain("kseg> uptime");
});

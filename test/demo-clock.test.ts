import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createGuest } from "../src/index.ts";
import { parseElf } from "../src/loader/elf.ts";
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

test.each([1, 2, 3, 4, 5, 6, 8, 10, 12])(
  "has a clock although its computer pauses for 15 ms, %i instructions into timer_init",
  (instructions) => {
    let now = 0;
    let longest = 0;
    let output = "";
    const kernel = readFileSync(demoFile("demo-te.elf"));
    const guest = createGuest({
      ...{ kernel, memory: 16 << 20, clock: "wall", now: () => (now += 0.001) },
      onConsole: (bytes) => (output += Buffer.from(bytes).toString("latin1")),
    });
    guest.debug.setBreakpoint(parseElf(kernel).symbols().get("timer_init")!);
    while (guest.run(1_000_000).kind !== "debug");
    for (let n = 0; n < instructions; n++) guest.debug.step();
    now += 15;
    for (let slice = 0; slice < 4000 && !output.includes("kseg> "); slice++) {
      const result = guest.run(100_000);
      if (result.kind !== "idle") continue;
      longest = Math.max(longest, result.milliseconds);
      now += result.milliseconds;
    }
    guest.destroy();
    expect(output).toContain("kseg> ");
    // A tick is 10 ms; Count takes 43 s to come round.
    expect(longest).toBeLessThan(100);
  },
);

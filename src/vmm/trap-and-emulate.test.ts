import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { createGuest } from "./create-guest.ts";

const demo = readFileSync(new URL("../../guests/demo/demo-te.elf", import.meta.url));

it.each([8, 256, 257, 385, 512, 1024])("a guest with %i MiB has its memory and its devices", (mebibytes) => {
  let console = "";
  const guest = createGuest({
    kernel: demo,
    memory: mebibytes << 20,
    onConsole: (bytes) => (console += String.fromCharCode(...bytes)),
  });
  guest.sendInput(new TextEncoder().encode("poweroff\n"));
  let result = guest.run(TICKS_PER_SECOND);
  for (let second = 0; second < 5 && result.kind === "running"; second++)
    result = guest.run(TICKS_PER_SECOND);
  expect(result).toEqual({ kind: "off", how: "power-off" });
  // What lies above the first 256 MiB is out of the demo kernel's reach.
  expect(console).toContain(`${Math.min(mebibytes, 256)} MiB of memory`);
  guest.destroy();
});

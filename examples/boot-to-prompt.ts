/**
 * Boots a kernel, waits for its prompt, gives a command and takes the answer.
 *
 * Run it with `npx node examples/boot-to-prompt.ts [KERNEL]`; without a file it boots the demo guest.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node boot-to-prompt.ts`.
 */
import { readFileSync } from "node:fs";
import { createGuest, TICKS_PER_SECOND } from "kseg";

const PROMPT = "kseg> ";
const file = process.argv[2] ?? new URL(import.meta.resolve("kseg/guests/demo-te.elf"));

let screen = "";
const guest = createGuest({
  kernel: readFileSync(file),
  onConsole: (bytes) => (screen += Buffer.from(bytes).toString("latin1")),
});

/** Runs until the guest has printed `text`, and returns what it printed before. */
function runUntil(text: string): string {
  while (!screen.includes(text)) {
    const result = guest.run(TICKS_PER_SECOND / 100); // 10 ms of the guest's time
    if (result.kind === "failed") throw new Error(result.report);
    if (result.kind !== "running" && !screen.includes(text)) throw new Error(`${result.kind}: ${screen}`);
  }
  const at = screen.indexOf(text);
  const before = screen.slice(0, at);
  screen = screen.slice(at + text.length);
  return before;
}

runUntil(PROMPT);
console.log(`at the prompt after ${(guest.time / TICKS_PER_SECOND).toFixed(2)} s of its time`);
guest.sendInput(new TextEncoder().encode("ps\n"));
console.log(runUntil(PROMPT).replaceAll("\r", ""));
guest.destroy();

/**
 * Watches a page of the guest's kernel: stops in front of each store to it, and says which function stores what.
 *
 * Run it with `npx node examples/watch-a-page.ts`.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node watch-a-page.ts`.
 */
import { readFileSync } from "node:fs";
import { createGuest, disassemble, kernelSymbols, TICKS_PER_SECOND } from "kseg";

const PAGE = 4096;
const STORES = 8;

const kernel = readFileSync(new URL(import.meta.resolve("kseg/guests/demo-te.elf")));
const symbols = [...kernelSymbols(kernel)].sort(([, a], [, b]) => a - b);
const functionAt = (address: number): string => symbols.findLast(([, start]) => start <= address)?.[0] ?? "?";

const guest = createGuest({ kernel, onConsole() {} });
const { debug } = guest;
const page = new Map(symbols).get("stats")! & -PAGE; // the page with the kernel's statistics
const watchpoint = debug.setWatchpoint(page, PAGE, "write");
guest.run(TICKS_PER_SECOND / 100); // the first store: the kernel clears its memory

debug.remove(watchpoint);
guest.run(TICKS_PER_SECOND / 10); // the kernel boots
debug.setWatchpoint(page, PAGE, "write");
for (let n = 0; n < STORES; n++) {
  const result = guest.run(TICKS_PER_SECOND);
  if (result.kind !== "debug") throw new Error(`the guest is ${result.kind}`);
  const pc = debug.readRegister("pc")!;
  const word = new DataView(debug.readMemory(pc, 4).buffer).getUint32(0, debug.endian === "little");
  console.log(`${functionAt(pc)}: ${disassemble(word, pc)}`);
}

/**
 * Counts the exits that a function of the guest's kernel causes: by a breakpoint where it begins, and one where it
 * returns to. Without fast exits each trap is an exit, so that this shows all that the function costs.
 *
 * Run it with `npx node examples/exits-of-a-function.ts`.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node exits-of-a-function.ts`.
 */
import { readFileSync } from "node:fs";
import { createGuest, kernelSymbols, TICKS_PER_SECOND, type Stats } from "kseg";

const FUNCTION = "asid_activate"; // makes the address space of a process the current one
const CALLS = 3;

const kernel = readFileSync(new URL(import.meta.resolve("kseg/guests/demo-te.elf")));
const guest = createGuest({ kernel, fastExits: "off", onConsole() {} });
guest.sendInput(new TextEncoder().encode("ps\npoweroff\n"));
const { debug } = guest;

/** Runs up to `address`; false if the guest ends before. */
function runTo(address: number): boolean {
  const breakpoint = debug.setBreakpoint(address);
  const { kind } = guest.run(TICKS_PER_SECOND);
  debug.remove(breakpoint);
  return kind === "debug";
}

const entry = kernelSymbols(kernel).get(FUNCTION)!;
for (let call = 1; call <= CALLS && runTo(entry); call++) {
  const before: Stats = guest.stats();
  runTo(debug.readRegister("ra")!);
  const after = guest.stats();
  const causes = Object.entries(after.exits)
    .map(([cause, count]) => [cause, count - (before.exits[cause] ?? 0)] as const)
    .filter(([, count]) => count > 0)
    .map(([cause, count]) => `${count} ${cause}`);
  const instructions = after.guestInstructions - before.guestInstructions;
  console.log(
    `call ${call} of ${FUNCTION}: ${instructions} instructions, exits: ${causes.join(", ") || "none"}`,
  );
}

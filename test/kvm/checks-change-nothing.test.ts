/** Whoever has the invariants checked sees the guest that everyone else sees. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createGuest, type Stats } from "../../src/index.ts";

const kernel = new Uint8Array(readFileSync(new URL("../../guests/demo/demo-te.elf", import.meta.url)));

/** The statistics of the demo guest after it has touched more pages than its TLB has entries. */
function statsOf(checkInvariants: boolean): Stats {
  let console = "";
  const guest = createGuest({
    kernel,
    memory: 16 << 20,
    guestTlb: 64,
    checkInvariants,
    onConsole: (bytes) => (console += String.fromCharCode(...bytes)),
  });
  guest.sendInput(new TextEncoder().encode("touch 80 1\npoweroff\n"));
  while (guest.run(10_000_000).kind !== "off") expect(console).not.toContain("panic");
  return guest.stats();
}

test("statistics are the same with and without checks of the invariants", { timeout: 120_000 }, () => {
  const checked = statsOf(true);
  expect(checked.fastExits["cop_unusable"]).toBeGreaterThan(100);
  expect(checked).toEqual(statsOf(false));
});

/**
 * Two guests in one program: what the first prints is compared line by line with what the second prints, which is the
 * same guest on another host. They take turns, and neither knows of the other.
 *
 * Run it with `npx node examples/two-guests.ts`.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node two-guests.ts`.
 */
import { readFileSync } from "node:fs";
import { createGuest, TICKS_PER_SECOND, type Guest, type GuestConfig } from "kseg";

const kernel = readFileSync(new URL(import.meta.resolve("kseg/guests/demo-te.elf")));

interface Running {
  readonly guest: Guest;
  readonly printed: () => string;
}

function start(config: Partial<GuestConfig>): Running {
  let text = "";
  const guest = createGuest({
    ...{ kernel, memory: 32 << 20, ...config },
    onConsole: (bytes) => (text += Buffer.from(bytes).toString("latin1")),
  });
  guest.sendInput(new TextEncoder().encode("ps\ntouch 50 20\npoweroff\n"));
  return { guest, printed: () => text };
}

const fast = start({ refill: "fast" });
const slow = start({ refill: "slow", hostCpu: "34Kc" });

let turns = 0;
for (let results = ["running"]; results.includes("running"); turns++)
  results = [fast, slow].map(({ guest }) => guest.run(TICKS_PER_SECOND / 1000).kind);

for (const { guest } of [fast, slow]) {
  const { exits, refills } = guest.stats();
  const sum = Object.values(exits).reduce((total, count) => total + count, 0);
  console.log(`${sum} exits, ${refills.fast} fast and ${refills.slow} slow refills at tick ${guest.time}`);
}
const same = fast.printed() === slow.printed();
console.log(`after ${turns} turns they have printed ${same ? "the same" : "something else"}`);

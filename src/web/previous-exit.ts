import type { TimeTravel } from "../index.ts";

/** How far back is looked at first, in instructions, and how much farther each time. */
const FIRST_LOOK = 256;
const FARTHER = 8;
/** So many steps take about as long as bringing a guest back once (measured): less is not worth halving. */
const STEPS = 20_000;

/**
 * Brings a guest back to where the last exit before had just been taken, as stepping up to it does: as many exits as one
 * instruction ago had just come to be. If there was none it is brought to the earliest moment that it can be. `exits`
 * counts them.
 */
export function toPreviousExit(guest: TimeTravel, exits: () => number): void {
  const first = guest.first.instructions;
  let high = guest.moment.instructions - 1;
  if (high <= first) return guest.goTo(first);
  const exitsAt = (instructions: number): number => {
    guest.goTo(instructions);
    return exits();
  };
  const wanted = exitsAt(high);
  let low = high;
  for (let distance = FIRST_LOOK; ; distance *= FARTHER) {
    low = Math.max(first, high - distance);
    if (exitsAt(low) < wanted) break;
    if (low === first) return;
    high = low;
  }
  while (high - low > STEPS) {
    const middle = Math.floor((low + high) / 2);
    if (exitsAt(middle) < wanted) low = middle;
    else high = middle;
  }
  if (guest.moment.instructions !== low) guest.goTo(low);
  while (exits() < wanted && guest.debug.step().kind === "debug");
}

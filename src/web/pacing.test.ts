import { expect, it } from "vitest";
import { TICKS_PER_SECOND } from "../index.ts";
import { Pacing } from "./pacing.ts";

const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;

it("a guest that is busy never rests, and its parts come to take some 10 ms", () => {
  const pacing = new Pacing();
  let milliseconds = 0;
  for (let n = 0; n < 100; n++) {
    const ticks = pacing.part;
    // A computer on which the guest runs at a tenth of its real speed.
    milliseconds = (ticks / TICKS_PER_MILLISECOND) * 10;
    expect(pacing.partDone({ ticks, idle: 0, milliseconds })).toBe(0);
  }
  expect(milliseconds).toBeGreaterThan(2);
  expect(milliseconds).toBeLessThan(20);
});

it("a guest that only waits takes as long as on a real machine", () => {
  const pacing = new Pacing();
  let guestTicks = 0;
  let real = 0;
  while (guestTicks < TICKS_PER_SECOND) {
    const ticks = pacing.part;
    guestTicks += ticks;
    real += 0.1;
    const rest = pacing.partDone({ ticks, idle: ticks, milliseconds: 0.1 });
    // A timer that is always 1 ms late.
    if (rest > 0) {
      real += rest + 1;
      pacing.rested(rest + 1);
    }
  }
  expect(real).toBeGreaterThan(980);
  expect(real).toBeLessThan(1100);
});

it("time in which a guest was busy is not made up for when it waits later", () => {
  const pacing = new Pacing();
  pacing.partDone({ ticks: pacing.part, idle: 0, milliseconds: 5000 });
  const ticks = 20 * TICKS_PER_MILLISECOND;
  expect(pacing.partDone({ ticks, idle: ticks, milliseconds: 1 })).toBeCloseTo(19);
});

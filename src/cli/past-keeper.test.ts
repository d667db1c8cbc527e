import { expect, test } from "vitest";
import { PastKeeper } from "./past-keeper.ts";

/** Looks every 100 ms for a minute; when snapshots are taken, in seconds. */
function kept(cost: number, change: (keeper: PastKeeper, travel: { isInPast: boolean }, at: number) => void) {
  let clock = 0;
  const taken: number[] = [];
  const travel = {
    isInPast: false,
    keep(): void {
      taken.push(Math.floor(clock / 1000));
      clock += cost;
    },
  };
  const keeper = new PastKeeper(travel, () => clock);
  for (; clock < 60_000; clock += 100) {
    change(keeper, travel, clock);
    keeper.look();
  }
  return taken;
}

test("a snapshot a second is taken where that is cheap, and fewer where it is not", () => {
  const always = (keeper: PastKeeper): void => void (keeper.isWanted = true);
  expect(kept(1, always).length).toBeGreaterThan(50);
  // A twentieth of the time is spent on them.
  expect(kept(500, always)).toHaveLength(6);
});

test("none is taken while nobody wants them, or in the past", () => {
  expect(kept(1, () => {})).toEqual([]);
  const taken = kept(1, (keeper, travel, at) => {
    keeper.isWanted = at > 10_000 && at < 50_000;
    travel.isInPast = at > 20_000 && at < 30_000;
  });
  expect(taken.length).toBeGreaterThan(20);
  for (const at of taken) expect((at >= 10 && at <= 20) || (at >= 30 && at <= 50)).toBe(true);
});

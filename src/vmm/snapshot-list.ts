import { isBehind, type Place } from "./place.ts";
import type { GuestImage } from "./snapshot-file.ts";

/** A moment of a guest's past. */
export interface Snapshot extends Place {
  readonly image: GuestImage;
  /** So many of the inputs had been given. */
  readonly inputs: number;
  /** Console input that the guest had not taken yet, in bytes. In the image of the first snapshot only. */
  readonly pending: number;
}

/**
 * Drops the snapshot that is missed least: the older they are, the farther apart they may be. The first and the last
 * stay. `interval` is the time in which there will be another one.
 */
export function thinOut(snapshots: Snapshot[], interval: number): void {
  const newest = snapshots.at(-1)!.time + Math.min(interval, Number.MAX_SAFE_INTEGER);
  let least = Infinity;
  let dropped = 1;
  for (let n = 1; n < snapshots.length - 1; n++) {
    const gap = snapshots[n + 1]!.time - snapshots[n - 1]!.time;
    const weight = gap / (newest - snapshots[n]!.time);
    if (weight >= least) continue;
    least = weight;
    dropped = n;
  }
  snapshots.splice(dropped, 1);
}

/** The last snapshot before a place, and before so many guest instructions; null if there is none. */
export function lastBefore(
  snapshots: readonly Snapshot[],
  place: Place,
  instructions = Infinity,
): Snapshot | null {
  return snapshots.findLast((one) => isBehind(place, one) && one.instructions < instructions) ?? null;
}

import { TICKS_PER_SECOND } from "../machine/timeline.ts";

/**
 * Whole cycles of a clock of `hz` that `ticks` of the timeline hold. Seconds and the rest are counted apart:
 * the plain product leaves the exact integers after half a minute.
 */
export function cyclesIn(ticks: number, hz: number): number {
  const seconds = Math.floor(ticks / TICKS_PER_SECOND);
  const rest = ticks - seconds * TICKS_PER_SECOND;
  return seconds * hz + Math.floor((rest * hz) / TICKS_PER_SECOND);
}

/** The first tick at which {@link cyclesIn} reaches `cycles`. */
export function ticksFor(cycles: number, hz: number): number {
  const seconds = Math.floor(cycles / hz);
  const rest = cycles - seconds * hz;
  return seconds * TICKS_PER_SECOND + Math.ceil((rest * TICKS_PER_SECOND) / hz);
}

/**
 * Virtual time and the events that fall due in it.
 *
 * The unit is the *tick*: the time in which a guest retires one instruction, 5 ns. CP0 Count advances every
 * second tick (100 MHz). Under the virtual clock `now` is the number of retired guest instructions plus
 * the idle time that was skipped, so a run is deterministic; under the wall clock it follows real time.
 */
export const TICKS_PER_SECOND = 200_000_000;

/** What devices see of time. All times are in ticks, exact integers. */
export interface Timeline {
  now(): number;
  /** Registers what runs when the timer `name` falls due. Each name is registered once, at construction. */
  register(name: string, callback: () => void): void;
  /** Arms timer `name` for the absolute time `when`, replacing an earlier one. */
  schedule(name: string, when: number): void;
  cancel(name: string): void;
}

/** An interrupt line into an interrupt controller or the CPU. */
export type InterruptLine = (level: boolean) => void;

import { CAUSE } from "../isa/cp0.ts";

/** What could end a WAIT: nothing, an interrupt of a device, or the CPU's own timer as well. */
export type WakeUp = "nothing" | "device" | "timer";

/** What could end a WAIT with these values of Status and IntCtl. Software interrupts cannot: no one raises them. */
export function wakeUpOf(status: number, intCtl: number): WakeUp {
  const enabled = (status & CAUSE.IP & ~CAUSE.IP01) >>> 8;
  if (enabled === 0) return "nothing";
  return ((enabled >>> (intCtl >>> 29)) & 1) !== 0 ? "timer" : "device";
}

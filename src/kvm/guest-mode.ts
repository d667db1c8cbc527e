import { STATUS } from "../isa/cp0.ts";

/** The bits of the guest's virtual Status that decide its mode. The supervisor bit does not count. */
export const GUEST_MODE_MASK = STATUS.UM | STATUS.EXL | STATUS.ERL;
/** What those bits are in guest user mode; anything else is guest kernel mode. */
export const GUEST_USER_MODE = STATUS.UM;

/** True if a guest whose virtual Status is `status` runs in user mode. The generated code decides alike. */
export function isGuestUser(status: number): boolean {
  return (status & GUEST_MODE_MASK) === GUEST_USER_MODE;
}

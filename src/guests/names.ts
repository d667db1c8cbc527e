/** What can be said of guests without looking at the cache: whoever wants no more than this loads quickly. */
import { COMMAND_INIT } from "../archives/command-init.ts";

export { READY as COMMAND_READY, STATUS as COMMAND_STATUS } from "../archives/command-init.ts";

/** Guests that can be run, by name. */
export const GUESTS = ["debian", "kvm-linux-4k", "kvm-linux-16k"] as const;

/** Name of a guest. */
export type GuestName = (typeof GUESTS)[number];

/** Every guest finds its console on the first serial port, and its first program in the initramfs. */
const consoleAndInit = (init: string): string => `console=ttyS0 rdinit=${init}`;

/** Kernel command line for a guest in which a shell starts. */
export const SHELL_APPEND = consoleAndInit("/init");

/**
 * Kernel command line for a guest that runs one command in place of a shell: the kernel says nothing but that it
 * panics, at which it resets the board. It skips the tests of its cryptography, which take seconds.
 */
export const COMMAND_APPEND = `${consoleAndInit(COMMAND_INIT)} loglevel=1 panic=-1 cryptomgr.notests=1`;

/** Obtaining real guests: what the command line uses of this layer. Needs Node. */
export { GuestCache } from "./cache.ts";
export { hasColours, styled } from "./colours.ts";
export { fetchDebian } from "./debian.ts";
export { GuestError, GuestUsageError, systemReason } from "./errors.ts";
export { importFiles } from "./import.ts";
export { buildKvmLinux, parsePageSizes } from "./kvm-linux.ts";
export { GUESTS, type GuestName } from "./names.ts";
export { guestName, guestPaths, listArtefacts } from "./paths.ts";
export { terminalProgress } from "./progress.ts";

/** Obtaining real guests: what the command line uses of this layer. Needs Node. */
export { GuestCache } from "./cache.ts";
export { fetchDebian } from "./debian.ts";
export { GuestError, GuestUsageError, systemReason } from "./errors.ts";
export { importFiles } from "./import.ts";
export { buildKvmLinux, parsePageSizes } from "./kvm-linux.ts";
export { guestName, guestPaths, GUESTS, listArtefacts, type GuestName } from "./paths.ts";
export { terminalProgress } from "./progress.ts";

/** Obtaining real guests: what the command line uses of this layer. Needs Node. */
export { READY as COMMAND_READY, STATUS as COMMAND_STATUS } from "../archives/command-init.ts";
export { GuestCache } from "./cache.ts";
export { hasColours, styled } from "./colours.ts";
export { fetchDebian } from "./debian.ts";
export { GuestError, GuestInputError, GuestUsageError, systemReason } from "./errors.ts";
export { importFiles } from "./import.ts";
export { buildKvmLinux, parsePageSizes } from "./kvm-linux.ts";
export {
  COMMAND_APPEND,
  guestName,
  guestPaths,
  GUESTS,
  listArtefacts,
  rootFileSystemPath,
  SHELL_APPEND,
  type GuestName,
} from "./paths.ts";
export { terminalProgress } from "./progress.ts";
export { withAdditions, type RootAdditions } from "./root-additions.ts";

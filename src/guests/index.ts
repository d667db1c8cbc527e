/** Obtaining real guests: what the command line (and tests) use of this layer. Needs Node. */
export {
  ARTEFACTS,
  type Artefact,
  type ArtefactName,
  cacheRoot,
  GuestCache,
  type Manifest,
} from "./cache.ts";
export { fetchDebian } from "./debian.ts";
export {
  CacheError,
  ChecksumError,
  CommandFailedError,
  GuestError,
  GuestInputError,
  GuestMissingError,
  GuestUsageError,
  MissingToolsError,
  systemReason,
} from "./errors.ts";
export { importFiles } from "./import.ts";
export { packInitramfs, SHELL_READY } from "./initramfs.ts";
export { type BuildOptions, buildKvmLinux, PAGE_SIZES, type PageSize, parsePageSizes } from "./kvm-linux.ts";
export { type GuestName, guestName, type GuestPaths, guestPaths, GUESTS, listArtefacts } from "./paths.ts";
export { type Progress, silent, terminalProgress } from "./progress.ts";

/** Where the finished guests are: what `kseg run` and the tests ask. */
import { type Artefact, type ArtefactName, ARTEFACTS, GuestCache } from "./cache.ts";
import { GuestError, GuestMissingError, GuestUsageError } from "./errors.ts";
import { ensureInitramfs, INITRAMFS_FILE } from "./initramfs.ts";
import { GUESTS, SHELL_APPEND, type GuestName } from "./names.ts";

/** Files and settings that start a guest. */
export interface GuestPaths {
  readonly guest: GuestName;
  /** ELF file of the kernel. */
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel command line. */
  readonly append: string;
  /** How the kernel is linked: for bare hardware or for trap-and-emulate. */
  readonly mode: "bare" | "te";
  /** Version of the kernel's package or tarball. */
  readonly version: string;
}

interface GuestRecipe {
  readonly artefact: ArtefactName;
  readonly file: string;
  readonly mode: "bare" | "te";
  /** The command that obtains the kernel. */
  readonly command: string;
}

const RECIPES: Readonly<Record<GuestName, GuestRecipe>> = {
  debian: { artefact: "debian-kernel", file: "vmlinuz", mode: "bare", command: "kseg guest fetch debian" },
  "kvm-linux-4k": {
    artefact: "kvm-linux-4k",
    file: "vmlinux",
    mode: "te",
    command: "kseg guest build kvm-linux --page-size 4k",
  },
  "kvm-linux-16k": {
    artefact: "kvm-linux-16k",
    file: "vmlinux",
    mode: "te",
    command: "kseg guest build kvm-linux --page-size 16k",
  },
};

/** Narrows a string to the name of a guest. @throws {GuestUsageError} for any other string. */
export function guestName(text: string): GuestName {
  const found = GUESTS.find((name) => name === text);
  if (found === undefined)
    throw new GuestUsageError(`unknown guest ${text}; there are: ${GUESTS.join(", ")}`);
  return found;
}

/**
 * Files of a guest, verified against their checksums; packs the initramfs anew when it is out of date.
 * @throws {GuestMissingError} when something has to be obtained first, naming the command.
 * @throws {ChecksumError} when a file was changed.
 */
export async function guestPaths(
  guest: GuestName,
  cache: GuestCache = new GuestCache(),
): Promise<GuestPaths> {
  const { artefact, file, mode, command } = RECIPES[guest];
  const kernel = await cache.load(artefact);
  if (kernel === undefined) throw new GuestMissingError(guest, "its kernel is not in the cache", command);
  return {
    guest,
    kernel: kernel.file(file),
    initrd: await rootFileSystemPath(guest, cache),
    append: SHELL_APPEND,
    mode,
    version: kernel.manifest.source["version"] ?? "unknown",
  };
}

/**
 * The file of the root file system that all guests share, for `guest`.
 * @throws {GuestMissingError} when it has to be obtained first.
 */
export async function rootFileSystemPath(
  guest: GuestName = "debian",
  cache: GuestCache = new GuestCache(),
): Promise<string> {
  const initramfs = await ensureInitramfs(cache);
  if (initramfs !== undefined) return initramfs.file(INITRAMFS_FILE);
  const { command } = RECIPES.debian;
  throw new GuestMissingError(guest, "busybox for its initramfs is not in the cache", command);
}

/** State of one artefact in the cache. */
export interface ArtefactState {
  readonly name: ArtefactName;
  readonly state: "ready" | "missing" | "damaged";
  /** What is wrong when damaged. */
  readonly problem: string;
  readonly artefact: Artefact | undefined;
}

/** Every artefact's state, with all checksums verified. */
export async function listArtefacts(cache: GuestCache): Promise<ArtefactState[]> {
  const states: ArtefactState[] = [];
  for (const name of ARTEFACTS) {
    try {
      const artefact = await cache.load(name);
      states.push({ name, state: artefact === undefined ? "missing" : "ready", problem: "", artefact });
    } catch (error) {
      if (!(error instanceof GuestError)) throw error;
      states.push({ name, state: "damaged", problem: error.message, artefact: undefined });
    }
  }
  return states;
}

/** `kseg guest fetch debian`: Debian's Malta kernel and a busybox root file system, through the machine's apt. */
import { rm } from "node:fs/promises";
import { type AptCandidate, PrivateApt } from "./apt.ts";
import type { ArtefactName, GuestCache } from "./cache.ts";
import { GUEST_ARCHITECTURE, storeDeb } from "./contents.ts";
import { GuestError } from "./errors.ts";
import { type GuestPaths, guestPaths } from "./paths.ts";
import type { Progress } from "./progress.ts";

/** The last Debian release with mipsel; used when the machine's own release has none. */
const LAST_MIPSEL_SUITE = "bookworm";

/** Bytes of disk that lists, downloads and results take. */
const SPACE = 200e6;

const KERNEL_PATTERN = "^linux-image-[0-9].*-4kc-malta$";
const BUSYBOX = "busybox-static";

/** The name with the highest version number in it, comparing digits as numbers. */
export function newestKernel(names: readonly string[]): string | undefined {
  return [...names].sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
}

/**
 * Obtains Debian's newest Malta kernel for mipsel and busybox, packs the initramfs and returns their paths.
 * May be interrupted and run again at any time: finished downloads are kept, newer versions replace older ones.
 * @throws {GuestError} without apt, without network, or when what arrives is not what it should be.
 */
export async function fetchDebian(cache: GuestCache, progress: Progress): Promise<GuestPaths> {
  await cache.locked(cache.work("debian"), 0, async () => {
    const folder = await cache.makeWork("debian");
    await cache.requireSpace(SPACE);
    progress.step(`1/4 package lists (${GUEST_ARCHITECTURE})`);
    const { apt, kernel, busybox } = await findPackages(folder);
    const wanted = [
      { step: 2, artefact: "debian-kernel", candidate: kernel },
      { step: 3, artefact: "busybox", candidate: busybox },
    ] as const;
    for (const { step, artefact, candidate } of wanted) {
      const { fileName, size, sha256 } = candidate;
      if (await isCurrent(cache, artefact, sha256)) {
        progress.step(`${step}/4 ${fileName}: in the cache already`);
        continue;
      }
      progress.step(`${step}/4 ${fileName} (${(size / 1e6).toFixed(1)} MB)`);
      const file = await apt.download(candidate, folder, progress);
      await storeDeb(cache, file, sha256);
      await rm(file, { force: true });
    }
    progress.step("4/4 initramfs");
  });
  return guestPaths("debian", cache);
}

/** True when the artefact is whole and came from the package with this SHA-256. */
async function isCurrent(cache: GuestCache, name: ArtefactName, packageSha256: string): Promise<boolean> {
  const artefact = await cache.load(name).catch((error: unknown) => {
    // Fetching again is how a damaged artefact is repaired.
    if (error instanceof GuestError) return undefined;
    throw error;
  });
  return artefact?.manifest.source["packageSha256"] === packageSha256;
}

interface Packages {
  readonly apt: PrivateApt;
  readonly kernel: AptCandidate;
  readonly busybox: AptCandidate;
}

async function findPackages(folder: string): Promise<Packages> {
  const look = async (apt: PrivateApt): Promise<Packages | undefined> => {
    await apt.update();
    const name = newestKernel(await apt.search(KERNEL_PATTERN));
    const kernel = name === undefined ? undefined : await apt.candidate(name);
    const busybox = await apt.candidate(BUSYBOX);
    return kernel === undefined || busybox === undefined ? undefined : { apt, kernel, busybox };
  };
  const architecture = GUEST_ARCHITECTURE;
  // First what the machine's own sources have; else its mirror's last release that has mipsel.
  const own = await look(await PrivateApt.open(folder, { architecture }));
  if (own !== undefined) return own;
  const apt = await PrivateApt.open(folder, { architecture, suite: LAST_MIPSEL_SUITE });
  const found = await look(apt);
  if (found !== undefined) return found;
  throw apt.notFound(`linux-image-*-4kc-malta and ${BUSYBOX} for ${architecture}`);
}

/** `kseg guest fetch debian`: Debian's Malta kernel and a busybox root file system, through the machine's apt. */
import { rm } from "node:fs/promises";
import { type AptCandidate, PrivateApt } from "./apt.ts";
import type { GuestCache } from "./cache.ts";
import { GUEST_ARCHITECTURE, storeDeb } from "./contents.ts";
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
    const debs: { readonly file: string; readonly sha256: string }[] = [];
    for (const [index, candidate] of [kernel, busybox].entries()) {
      const { fileName, size, sha256 } = candidate;
      progress.step(`${index + 2}/4 ${fileName} (${(size / 1e6).toFixed(1)} MB)`);
      debs.push({ file: await apt.download(candidate, folder, progress), sha256 });
    }
    progress.step("4/4 unpacking and packing the initramfs");
    for (const { file, sha256 } of debs) await storeDeb(cache, file, sha256);
    for (const { file } of debs) await rm(file, { force: true });
  });
  return guestPaths("debian", cache);
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

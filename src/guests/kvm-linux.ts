/**
 * `kseg guest build kvm-linux`: the Linux kernel that knows it is a trap-and-emulate guest
 * (`malta_kvm_guest_defconfig`), from Debian's linux-source-5.10; Linux 5.13 and later no longer have it.
 *
 * Every step leaves a mark when it is complete (a rename), so an interrupted build goes on where it was:
 *
 *     linux-source/…            the tarball, verified                     (artefact)
 *     work/kvm-linux/source-*   the unpacked tree, renamed when complete
 *     work/kvm-linux/build-*    one build tree per page size; make continues in it
 *     kvm-linux-4k|16k/…        the stripped kernel, and its symbols      (artefact)
 */
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { PrivateApt } from "./apt.ts";
import type { Artefact, GuestCache } from "./cache.ts";
import { readHead, storeDeb } from "./contents.ts";
import { ELF_HEAD_BYTES, elfKind } from "./elf-kind.ts";
import { isFolder } from "./file-system.ts";
import {
  CommandFailedError,
  GuestError,
  GuestInputError,
  GuestUsageError,
  MissingToolsError,
} from "./errors.ts";
import type { GuestName } from "./names.ts";
import type { GuestPaths } from "./paths.ts";
import { run, which } from "./process.ts";
import type { Progress } from "./progress.ts";

/** Page sizes that the guest kernel is built for. */
const PAGE_SIZES = ["4k", "16k"] as const;

/** Page size of a build. */
export type PageSize = (typeof PAGE_SIZES)[number];

/** Bytes of each page size. */
const PAGE_BYTES: Readonly<Record<PageSize, number>> = { "4k": 0x1000, "16k": 0x4000 };

/** How to build. */
export interface BuildOptions {
  readonly pageSizes: readonly PageSize[];
  /** Compilers at a time; by default one per processor. */
  readonly jobs?: number;
  /** Build even if the cache has the same kernel already. */
  readonly force?: boolean;
  /** Keep source and build trees (1.5 GB) after success. */
  readonly keepTrees?: boolean;
}

/** Changes when the same source would give another kernel. */
const RECIPE = "malta_kvm_guest_defconfig 1";

/** Bytes of disk that lists, package and tarball take, and source and build trees. */
const DOWNLOAD_SPACE = 400e6;
const TREE_SPACE = 1.8e9;

/** Leaves a debugger's symbols only: 2.3 MB. The notes' bytes would stay where they are, behind 8 MB of nothing. */
const ONLY_SYMBOLS = ["--only-keep-debug", "--remove-section=.notes"];

const SUITE = "bullseye";
const SOURCE_PACKAGE = "linux-source-5.10";
const CROSS = "mipsel-linux-gnu-";
const CONFIGURED = ".configured";

/** Kconfig's name of each page size. */
const PAGE_SYMBOL: Readonly<Record<PageSize, string>> = { "4k": "PAGE_SIZE_4KB", "16k": "PAGE_SIZE_16KB" };

/** Programs the build runs, with Debian's packages for them. */
const PROGRAMS: readonly (readonly [program: string, debianPackage: string])[] = [
  [`${CROSS}gcc`, "gcc-mipsel-linux-gnu"],
  [`${CROSS}strip`, "binutils-mipsel-linux-gnu"],
  ["gcc", "gcc"],
  ["make", "make"],
  ["flex", "flex"],
  ["bison", "bison"],
  ["bc", "bc"],
  ["perl", "perl"],
  ["tar", "tar"],
  ["xz", "xz-utils"],
];

/** Headers for the programs that the build compiles for itself (the certificate tool needs OpenSSL's). */
const HEADERS: readonly (readonly [header: string, debianPackage: string])[] = [
  ["stdlib.h", "libc6-dev"],
  ["openssl/opensslv.h", "libssl-dev"],
];

/** Fixed in place of user, host, time and count, so that the kernel's banner does not depend on who builds. */
const BUILD_IDENTITY = {
  KBUILD_BUILD_USER: "kseg",
  KBUILD_BUILD_HOST: "kseg",
  KBUILD_BUILD_TIMESTAMP: "Mon Jan  1 00:00:00 UTC 2024",
  KBUILD_BUILD_VERSION: "1",
};

/** Narrows the value of `--page-size`. @throws {GuestUsageError} for anything but 4k, 16k or both. */
export function parsePageSizes(text: string): readonly PageSize[] {
  const found = PAGE_SIZES.find((size) => size === text.toLowerCase());
  if (found !== undefined) return [found];
  if (text.toLowerCase() === "both") return PAGE_SIZES;
  throw new GuestUsageError(`bad page size ${text}; give 4k, 16k or both`);
}

/**
 * Builds the guest kernel for each page size and returns their files. Done already means nothing to do.
 * @throws {MissingToolsError} naming what to install. @throws {GuestError} when a step fails.
 */
export async function buildKvmLinux(
  cache: GuestCache,
  options: BuildOptions,
  progress: Progress,
): Promise<Pick<GuestPaths, "guest" | "kernel">[]> {
  const results: Pick<GuestPaths, "guest" | "kernel">[] = [];
  await checkTools();
  const folder = cache.work("kvm-linux");
  if (/[\s:]/.test(folder)) {
    throw new GuestError(
      `${folder}: a kernel cannot be built under a path with spaces or colons; set KSEG_CACHE`,
      1,
    );
  }
  await cache.locked(folder, 0, async () => {
    const source = await obtainSource(cache, progress);
    for (const pageSize of options.pageSizes) {
      const kernel = await buildOne(cache, source, pageSize, options, progress);
      results.push({ guest: `kvm-linux-${pageSize}`, kernel: kernel.file("vmlinux") });
    }
    if (options.keepTrees !== true) {
      for (const name of await readdir(folder)) {
        if (/^(source|build)-/.test(name))
          await rm(path.join(folder, name), { recursive: true, force: true });
      }
    }
  });
  return results;
}

/** @throws {MissingToolsError} listing everything that is missing at once. */
async function checkTools(): Promise<void> {
  const missing: (readonly [string, string])[] = [];
  for (const entry of PROGRAMS) if ((await which(entry[0])) === undefined) missing.push(entry);
  if ((await which("gcc")) === undefined) missing.push(...HEADERS);
  else {
    for (const entry of HEADERS) {
      const found = await run("gcc", ["-E", "-x", "c", "-"], { input: `#include <${entry[0]}>\n` }).then(
        () => true,
        () => false,
      );
      if (!found) missing.push(entry);
    }
  }
  if (missing.length === 0) return;
  throw new MissingToolsError(
    missing.map(([name]) => name),
    [...new Set(missing.map(([, debianPackage]) => debianPackage))],
  );
}

/** The kernel source: what the cache has (fetched or imported before), else Debian's, through apt. */
async function obtainSource(cache: GuestCache, progress: Progress): Promise<Artefact> {
  const present = await cache.load("linux-source").catch((error: unknown) => {
    if (!(error instanceof GuestError)) throw error;
    progress.note(error.message);
    return undefined;
  });
  if (present !== undefined) return present;
  progress.step(`package lists (${SUITE})`);
  const folder = await cache.makeWork("kvm-linux", "apt");
  await cache.requireSpace(DOWNLOAD_SPACE);
  const apt = await PrivateApt.open(folder, { suite: SUITE });
  await apt.update();
  const candidate = await apt.candidate(SOURCE_PACKAGE);
  if (candidate === undefined) throw apt.notFound(`${SOURCE_PACKAGE} (${SUITE})`);
  progress.step(`${candidate.fileName} (${(candidate.size / 1e6).toFixed(1)} MB)`);
  const file = await apt.download(candidate, folder, progress);
  const stored = await storeDeb(cache, file, candidate.sha256);
  await rm(folder, { recursive: true, force: true });
  return stored;
}

async function buildOne(
  cache: GuestCache,
  source: Artefact,
  pageSize: PageSize,
  options: BuildOptions,
  progress: Progress,
): Promise<Artefact> {
  const guest = `kvm-linux-${pageSize}` as const satisfies GuestName;
  const sourceSha256 = source.manifest.files[0]?.sha256 ?? "";
  const identity = { recipe: RECIPE, sourceSha256 };
  const present = await cache.load(guest).catch(() => undefined);
  const made = present?.manifest.source;
  if (present !== undefined && options.force !== true) {
    if (made?.["recipe"] === RECIPE && made["sourceSha256"] === sourceSha256) {
      progress.step(`${guest}: built already`);
      return present;
    }
  }
  const tree = await unpackSource(cache, source, sourceSha256, progress);
  const build = await configure(cache, tree, sourceSha256, pageSize, progress);
  const jobs = options.jobs ?? availableParallelism();
  const total = await objectsToMake(tree, build);
  progress.step(`${guest}: compiling with ${jobs} job${jobs === 1 ? "" : "s"}`);
  const started = Date.now();
  let objects = 0;
  await make(tree, build, [`-j${jobs}`, "vmlinux"], (line) => {
    if (!/^ +(CC|AS) /.test(line)) return;
    objects++;
    const about = Math.max(objects, total);
    if (total === 0) progress.count(`${objects} objects`);
    else progress.bar(objects, about, `object ${objects} of about ${about}`);
  });
  progress.note(`${objects} objects in ${Math.round((Date.now() - started) / 1000)} s`);
  const stripped = path.join(build, "vmlinux.stripped");
  await run(`${CROSS}strip`, ["-o", stripped, path.join(build, "vmlinux")]);
  const symbols = path.join(build, "vmlinux.debug");
  await run(`${CROSS}strip`, ["-o", symbols, path.join(build, "vmlinux"), ...ONLY_SYMBOLS]);
  const { size } = await stat(stripped);
  const kind = elfKind(stripped, await readHead(stripped, ELF_HEAD_BYTES), size);
  if (kind.kind !== "te-kernel" || kind.pageSize !== PAGE_BYTES[pageSize]) {
    throw new GuestInputError(stripped, `the build gave no T&E kernel with pages of ${pageSize}`);
  }
  const compiler = (await run(`${CROSS}gcc`, ["-dumpfullversion"])).trim();
  return cache.store(guest, async (put) => {
    await put("vmlinux", createReadStream(stripped));
    await put("vmlinux.debug", createReadStream(symbols));
    await put("System.map", createReadStream(path.join(build, "System.map")));
    await put("config", createReadStream(path.join(build, ".config")));
    return { ...identity, version: source.manifest.source["version"] ?? "unknown", compiler };
  });
}

async function unpackSource(
  cache: GuestCache,
  source: Artefact,
  sha256: string,
  progress: Progress,
): Promise<string> {
  const tree = cache.work("kvm-linux", `source-${sha256.slice(0, 12)}`);
  if (await isFolder(tree)) return tree;
  progress.step("unpacking the kernel source");
  await cache.requireSpace(TREE_SPACE);
  const partial = cache.work("kvm-linux", "unpack.partial");
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const archive = source.file(source.manifest.files[0]?.name ?? "");
  await run("tar", ["--strip-components=1", "-xf", archive, "-C", partial]);
  await rename(partial, tree);
  return tree;
}

async function configure(
  cache: GuestCache,
  tree: string,
  sourceSha256: string,
  pageSize: PageSize,
  progress: Progress,
): Promise<string> {
  const build = cache.work("kvm-linux", `build-${pageSize}`);
  const mark = path.join(build, CONFIGURED);
  const wanted = `${RECIPE} ${sourceSha256} ${pageSize}\n`;
  if ((await readFile(mark, "utf8").catch(() => "")) === wanted) return build;
  progress.step(`kvm-linux-${pageSize}: configuring`);
  await rm(build, { recursive: true, force: true });
  await mkdir(build, { recursive: true });
  await make(tree, build, ["malta_kvm_guest_defconfig"]);
  const config = path.join(build, ".config");
  const lines = (await readFile(config, "utf8")).split("\n").map((line) => {
    const symbol = /^(?:# )?CONFIG_(PAGE_SIZE_\d+KB)\b/.exec(line)?.[1];
    if (symbol === undefined) return line;
    return symbol === PAGE_SYMBOL[pageSize] ? `CONFIG_${symbol}=y` : `# CONFIG_${symbol} is not set`;
  });
  await writeFile(config, lines.join("\n"));
  await make(tree, build, ["olddefconfig"]);
  const settled = await readFile(config, "utf8");
  for (const symbol of [PAGE_SYMBOL[pageSize], "KVM_GUEST", "BLK_DEV_INITRD", "BINFMT_SCRIPT"]) {
    if (!settled.includes(`\nCONFIG_${symbol}=y\n`)) {
      throw new GuestError(`this kernel source cannot be configured as a guest: CONFIG_${symbol} is off`, 1);
    }
  }
  await writeFile(`${mark}.new`, wanted);
  await rename(`${mark}.new`, mark);
  return build;
}

/**
 * How many objects make has to make, within a hundredth: it only says what it would do, and so comes to an end where it
 * needs what it has not made. 0 if it cannot say anything.
 */
async function objectsToMake(tree: string, build: string): Promise<number> {
  let objects = 0;
  try {
    await make(tree, build, ["--dry-run", "--keep-going", "vmlinux"], (line) => {
      if (/\becho ' +(CC|AS) /.test(line)) objects++;
    });
  } catch (error) {
    // A signal is for the whole build.
    if (!(error instanceof CommandFailedError) || typeof error.status === "string") throw error;
  }
  return objects;
}

function make(
  tree: string,
  build: string,
  args: readonly string[],
  onLine: (line: string) => void = () => undefined,
): Promise<string> {
  const fixed = ["-C", tree, `O=${build}`, "ARCH=mips", `CROSS_COMPILE=${CROSS}`, "--no-print-directory"];
  return run("make", [...fixed, ...args], {
    // What the caller's environment says about other builds must not reach this one.
    env: {
      ...BUILD_IDENTITY,
      MAKEFLAGS: undefined,
      KBUILD_OUTPUT: undefined,
      KCFLAGS: undefined,
      CFLAGS: undefined,
    },
    onLine,
    explain: (lines) =>
      lines.find((line) => /\berror\b|No space left/i.test(line)) ??
      lines.find((line) => line.includes("*** ")) ??
      lines.at(-1) ??
      "",
    hint: `the tree is ${build}`,
  });
}

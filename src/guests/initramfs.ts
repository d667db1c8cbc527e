/** The root file system of the real guests: busybox, a few device nodes and our own `/init`. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import type { Artefact, GuestCache } from "./cache.ts";
import { type CpioEntry, packCpio } from "./cpio.ts";
import { GuestError } from "./errors.ts";

/** The line that `/init` prints when the shell is about to start; waits for it may rely on it. */
export const SHELL_READY = "kseg: shell ready";

/**
 * `/init`, the kernel's first program: mounts what programs expect, and becomes busybox's init, which answers
 * the signals of `poweroff`, `halt` and `reboot`.
 */
const INIT = `#!/bin/busybox sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root TERM="\${TERM:-linux}"
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /tmp
busybox hostname kseg
busybox --install -s
exec busybox init
`;

/** What init runs. It starts programs with all signals as they should be: Ctrl-C ends what runs in the shell. */
const INITTAB = `::respawn:/etc/console
::shutdown:/bin/true
`;

/** The console's program: a shell in a session of its own, with the console as its controlling terminal. */
const CONSOLE = `#!/bin/sh
cd /root
echo "${SHELL_READY}"
setsid cttyhack sh
poweroff -f
`;

/** Folders of the root; busybox installs its links into the four for programs at run time. */
const FOLDERS = ["bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/sbin"];

/** Device nodes that are needed before devtmpfs is mounted: name, major, minor (Linux's list of devices). */
const DEVICES: readonly (readonly [string, number, number])[] = [
  ["console", 5, 1],
  ["null", 1, 3],
  ["ttyS0", 4, 64],
];

/** The name of the packed file in its artefact. */
export const INITRAMFS_FILE = "initramfs.cpio.gz";

/** Everything in the root file system, for a given busybox executable. */
export function initramfsEntries(busybox: Uint8Array): CpioEntry[] {
  const text = new TextEncoder();
  return [
    ...FOLDERS.map((name): CpioEntry => ({ type: "directory", name, mode: name === "root" ? 0o700 : 0o755 })),
    ...DEVICES.map(([name, major, minor]): CpioEntry => ({
      type: "character-device",
      name: `dev/${name}`,
      mode: 0o600,
      major,
      minor,
    })),
    { type: "file", name: "bin/busybox", mode: 0o755, data: busybox },
    { type: "symlink", name: "bin/sh", mode: 0o777, target: "busybox" },
    { type: "file", name: "etc/console", mode: 0o755, data: text.encode(CONSOLE) },
    { type: "file", name: "etc/inittab", mode: 0o644, data: text.encode(INITTAB) },
    { type: "file", name: "init", mode: 0o755, data: text.encode(INIT) },
  ];
}

/** The packed and compressed root file system; the same bytes for the same busybox and Node. */
export function packInitramfs(busybox: Uint8Array): Uint8Array {
  const packed = gzipSync(packCpio(initramfsEntries(busybox)), { level: 9 });
  // Byte 9 of a gzip header names the operating system that packed it (RFC 1952): always say Unix.
  packed[9] = 3;
  return packed;
}

/** Changes whenever anything but busybox in {@link packInitramfs} does. */
const RECIPE = createHash("sha256")
  .update(packCpio(initramfsEntries(new Uint8Array(0))))
  .digest("hex")
  .slice(0, 16);

/**
 * The initramfs artefact, packed anew when it is missing or was made from another busybox or by another recipe.
 * Undefined when there is no busybox to pack.
 */
export async function ensureInitramfs(cache: GuestCache): Promise<Artefact | undefined> {
  const busybox = await cache.load("busybox");
  if (busybox === undefined) return undefined;
  const wanted = { recipe: RECIPE, busybox: busybox.manifest.files[0]?.sha256 ?? "" };
  // A damaged one is as good as none: all it takes to make it is at hand.
  const present = await cache.load("initramfs").catch((error: unknown) => {
    if (error instanceof GuestError) return undefined;
    throw error;
  });
  const source = present?.manifest.source;
  if (source?.["recipe"] === wanted.recipe && source["busybox"] === wanted.busybox) return present;
  return cache.store("initramfs", async (put) => {
    await put(INITRAMFS_FILE, packInitramfs(await readFile(busybox.file("busybox"))));
    return wanted;
  });
}

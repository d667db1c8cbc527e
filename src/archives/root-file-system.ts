/** The root file system of the real guests: busybox, a few device nodes and our own `/init`. */
import type { CpioEntry } from "./cpio.ts";

/** The line that `/init` prints when the shell is about to start; waits for it may rely on it. */
export const SHELL_READY = "kseg: shell ready";

/** How every first program begins: it mounts what programs expect, and gives busybox's programs their names. */
export const FIRST_STEPS = `#!/bin/busybox sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root TERM="\${TERM:-linux}"
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /tmp
busybox hostname kseg
busybox --install -s
`;

/**
 * `/init`, the kernel's first program: becomes busybox's init, which answers the signals of `poweroff`, `halt` and
 * `reboot`.
 */
const INIT = `${FIRST_STEPS}exec busybox init
`;

/** What init runs. It starts programs with all signals as they should be: Ctrl-C ends what runs in the shell. */
const INITTAB = `::respawn:/etc/console
::shutdown:/bin/true
`;

/** The console's program: a shell in a session of its own in `folder`, with the console as its controlling terminal. */
const console = (folder: string): string => `#!/bin/sh
cd ${folder}
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

/** The name of the console's program in the root file system. */
const CONSOLE = "etc/console";

/** The console's program whose shell starts in `folder`, to be put over the usual one. */
export function consoleEntries(folder: string): CpioEntry[] {
  return [
    { type: "directory", name: "etc", mode: 0o755 },
    { type: "file", name: CONSOLE, mode: 0o755, data: new TextEncoder().encode(console(folder)) },
  ];
}

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
    { type: "file", name: CONSOLE, mode: 0o755, data: text.encode(console("/root")) },
    { type: "file", name: "etc/inittab", mode: 0o644, data: text.encode(INITTAB) },
    { type: "file", name: "init", mode: 0o755, data: text.encode(INIT) },
  ];
}

import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, expect, it, vi } from "vitest";
import { GuestCache } from "./cache.ts";
import { importFiles } from "./import.ts";
import { buildKvmLinux } from "./kvm-linux.ts";
import { type Progress, silent } from "./progress.ts";
import { KERNEL_ENTRY, makeElf, makeTar } from "./test-packages.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();
afterEach(() => void vi.unstubAllEnvs());

const CONFIG = ["PAGE_SIZE_4KB", "KVM_GUEST", "BLK_DEV_INITRD", "BINFMT_SCRIPT"];

/**
 * What stands in for make: with `--dry-run` it prints the commands for three objects and for one of a program of its
 * own, and fails; otherwise it says that it compiles five.
 */
const make = (kernel: string): string => `
for arg; do
  case $arg in
    O=*) build=\${arg#O=} ;;
    *defconfig) printf '\\n${CONFIG.map((symbol) => `CONFIG_${symbol}=y\\n`).join("")}' >"$build/.config" ;;
    --dry-run)
      for name in a b c; do echo "set -e;  echo '  CC      $name.o';   gcc -c"; done
      echo "set -e;  echo '  HOSTCC  d.o';   gcc -c"
      exit 2
      ;;
    vmlinux)
      for name in a b c d e; do echo "  CC      $name.o"; done
      echo "  HOSTCC  f.o"
      cp ${kernel} "$build/vmlinux"
      : >"$build/System.map"
      ;;
  esac
done
`;

/** A folder of programs that do what the build needs of them, and nothing else. */
async function tools(dryRuns: boolean): Promise<string> {
  const bin = path.join(folder, `bin-${dryRuns}`);
  await mkdir(bin);
  const kernel = path.join(bin, "kernel");
  await writeFile(kernel, makeElf({ entry: KERNEL_ENTRY.te, align: 0x1000 }));
  const programs = {
    make: dryRuns ? make(kernel) : make(kernel).replace("for name in a b c; do", "for name in; do"),
    "mipsel-linux-gnu-gcc": "echo 12.2.0",
    "mipsel-linux-gnu-strip": 'cp "$3" "$2"',
    ...Object.fromEntries(["gcc", "flex", "bison", "bc", "perl", "xz"].map((name) => [name, "exit 0"])),
  };
  for (const [name, script] of Object.entries(programs)) {
    const file = path.join(bin, name);
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
  }
  return bin;
}

/** Builds a kernel with such programs. Returns what was shown of how far it is. */
async function build(dryRuns: boolean): Promise<string[]> {
  vi.stubEnv("PATH", `${await tools(dryRuns)}:${process.env["PATH"]}`);
  const cache = new GuestCache(path.join(folder, `cache-${dryRuns}`));
  const tarball = path.join(folder, "linux.tar.gz");
  const tree = {
    "linux/Makefile": Buffer.from("VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 9\n"),
    "linux/arch/mips/configs/malta_kvm_guest_defconfig": Buffer.from(""),
  };
  await writeFile(tarball, gzipSync(await makeTar(tree)));
  await importFiles(cache, [tarball], silent);
  const shown: string[] = [];
  const progress: Progress = {
    ...silent,
    count: (text) => shown.push(text),
    bar: (done, total, text) => shown.push(`${done}/${total}: ${text}`),
  };
  const [built] = await buildKvmLinux(cache, { pageSizes: ["4k"], jobs: 1 }, progress);
  expect(built).toMatchObject({ guest: "kvm-linux-4k" });
  expect(await readdir(path.dirname(built!.kernel))).toEqual(
    expect.arrayContaining(["vmlinux", "vmlinux.debug", "System.map", "config"]),
  );
  return shown;
}

it("shows how much of a kernel is compiled, by what make says that it would do", async () => {
  expect(await build(true)).toEqual([
    "1/3: object 1 of about 3",
    "2/3: object 2 of about 3",
    "3/3: object 3 of about 3",
    "4/4: object 4 of about 4",
    "5/5: object 5 of about 5",
  ]);
});

it("counts objects if make does not say", async () => {
  expect(await build(false)).toEqual([1, 2, 3, 4, 5].map((count) => `${count} objects`));
});

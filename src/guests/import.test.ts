import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type ArtefactName, GuestCache } from "./cache.ts";
import { unpackCpio } from "../archives/cpio.ts";
import { GuestInputError, GuestMissingError, GuestUsageError } from "./errors.ts";
import { importFiles } from "./import.ts";
import { ensureInitramfs, INITRAMFS_FILE } from "./initramfs.ts";
import { guestName, guestPaths, listArtefacts } from "./paths.ts";
import { silent } from "./progress.ts";
import { type DebContents, KERNEL_ENTRY, makeDeb, makeElf, makeTar } from "./test-packages.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();
let count = 0;
const newCache = (): GuestCache => new GuestCache(path.join(folder, `cache-${count++}`));

async function stored(data: Uint8Array): Promise<string> {
  const file = path.join(folder, `input-${count++}`);
  await writeFile(file, data);
  return file;
}

const deb = async (contents: DebContents): Promise<string> => stored(await makeDeb(contents));

const BUSYBOX = makeElf();
const KERNEL = makeElf({ entry: KERNEL_ENTRY.bare, contents: "a kernel" });
const BUSYBOX_DEB: DebContents = { files: { "bin/busybox": BUSYBOX } };
const KERNEL_DEB: DebContents = {
  name: "linux-image-6.1.0-9-4kc-malta",
  version: "6.1.7-1",
  files: {
    "boot/vmlinuz-6.1.0-9-4kc-malta": KERNEL,
    "boot/config-6.1.0-9-4kc-malta": Buffer.from("CONFIG_X=y"),
  },
};

function kernelTree(
  version: readonly [number, number, number],
  defconfig = true,
): Record<string, Uint8Array> {
  const [major, minor, patch] = version;
  return {
    "linux/Makefile": Buffer.from(
      `VERSION = ${major}\nPATCHLEVEL = ${minor}\nSUBLEVEL = ${patch}\nEXTRAVERSION =\n`,
    ),
    ...(defconfig && {
      "linux/arch/mips/configs/malta_kvm_guest_defconfig": Buffer.from("CONFIG_KVM_GUEST=y\n"),
    }),
  };
}

async function importInto(cache: GuestCache, ...files: string[]): Promise<ArtefactName[]> {
  return (await importFiles(cache, files, silent)).map(({ manifest }) => manifest.artefact);
}

describe("importFiles", () => {
  it("makes a runnable guest of the two packages", async () => {
    const cache = newCache();
    await expect(guestPaths("debian", cache)).rejects.toThrow("run: kseg guest fetch debian");
    expect(await importInto(cache, await deb(KERNEL_DEB))).toEqual(["debian-kernel"]);
    await expect(guestPaths("debian", cache)).rejects.toThrow(GuestMissingError);
    expect(await importInto(cache, await deb(BUSYBOX_DEB))).toEqual(["busybox"]);
    const paths = await guestPaths("debian", cache);
    expect(paths).toMatchObject({ guest: "debian", mode: "bare", version: "6.1.7-1" });
    expect((await readFile(paths.kernel)).equals(KERNEL)).toBe(true);
    const root = unpackCpio(gunzipSync(await readFile(paths.initrd)));
    expect(root.find(({ name }) => name === "bin/busybox")).toMatchObject({ data: new Uint8Array(BUSYBOX) });
  });

  it("takes bare kernels and busybox, and sorts T&E kernels by page size", async () => {
    const cache = newCache();
    const te = async (align: number): Promise<string> =>
      stored(makeElf({ entry: KERNEL_ENTRY.te, align, contents: "Linux version 5.10.223 (kseg@kseg)" }));
    const files = [await te(0x4000), await te(0x1000), await stored(KERNEL), await stored(BUSYBOX)];
    expect(await importInto(cache, ...files)).toEqual([
      "kvm-linux-16k",
      "kvm-linux-4k",
      "debian-kernel",
      "busybox",
    ]);
    expect((await guestPaths("kvm-linux-16k", cache)).version).toBe("5.10.223");
    expect((await guestPaths("kvm-linux-4k", cache)).mode).toBe("te");
    await expect(importInto(cache, await te(0x10000))).rejects.toThrow("pages of 65536 bytes");
    expect((await listArtefacts(cache)).map(({ name, state }) => [name, state])).toEqual([
      ["debian-kernel", "ready"],
      ["busybox", "ready"],
      ["initramfs", "ready"],
      ["linux-source", "missing"],
      ["kvm-linux-4k", "ready"],
      ["kvm-linux-16k", "ready"],
    ]);
  });

  it("takes the kernel's source as a package or a tarball", async () => {
    const cache = newCache();
    const tarball = gzipSync(await makeTar(kernelTree([5, 10, 7])));
    const source: DebContents = {
      name: "linux-source-5.10",
      architecture: "all",
      compression: "gzip",
      files: { "usr/src/linux-source-5.10.tar.xz": tarball },
    };
    expect(await importInto(cache, await deb(source))).toEqual(["linux-source"]);
    expect((await cache.load("linux-source"))?.manifest.files[0]?.name).toBe("linux-source-5.10.tar.xz");
    expect(await importInto(cache, await stored(tarball))).toEqual(["linux-source"]);
    const artefact = await cache.load("linux-source");
    expect(artefact?.manifest.source["version"]).toBe("5.10.7");
    expect((await readFile(artefact?.file("linux-5.10.7.tar.gz") ?? "")).equals(tarball)).toBe(true);
  });

  const wrong: readonly (readonly [message: string, make: () => Promise<string>])[] = [
    ["for architecture amd64; the guests need mipsel", () => deb({ ...BUSYBOX_DEB, architecture: "amd64" })],
    ["for architecture mips; the guests need mipsel", () => deb({ ...KERNEL_DEB, architecture: "mips" })],
    ["package bash is of no use here", () => deb({ name: "bash" })],
    ["holds no busybox", () => deb({ files: { "usr/share/doc": Buffer.from("x") } })],
    ["not an ELF file", () => deb({ files: { "bin/busybox": Buffer.from("#!/bin/sh") } })],
    ["for x86-64, not for MIPS", () => deb({ files: { "bin/busybox": makeElf({ machine: 62 }) } })],
    [
      "holds a program where a kernel should be",
      () => deb({ ...KERNEL_DEB, files: { "boot/vmlinuz-1": BUSYBOX } }),
    ],
    ["a program, but not busybox", () => stored(makeElf({ contents: "hello" }))],
    ["is empty", () => stored(new Uint8Array(0))],
    ["neither a Debian package", () => stored(Buffer.from("hello"))],
    ["Linux 5.13.1 is of no use", async () => stored(gzipSync(await makeTar(kernelTree([5, 13, 1]))))],
    ["Linux 5.10.1 is of no use", async () => stored(gzipSync(await makeTar(kernelTree([5, 10, 1], false))))],
    [
      "not of a Linux kernel",
      async () => stored(gzipSync(await makeTar({ "a/Makefile": Buffer.from("all:\n") }))),
    ],
    [
      "not a readable tarball",
      async () => stored(gzipSync(await makeTar(kernelTree([5, 10, 1]))).subarray(0, 90)),
    ],
    ["not a readable tarball", () => stored(gzipSync(Buffer.from("hello")))],
    ["is a directory", async () => folder],
    ["no such file or directory", async () => path.join(folder, "missing")],
  ];

  it.each(wrong)("refuses a file that is %s and leaves the cache alone", async (message, make) => {
    const cache = newCache();
    await importInto(cache, await deb(BUSYBOX_DEB), await deb(KERNEL_DEB));
    const before = JSON.stringify(await listArtefacts(cache));
    const attempt = importInto(cache, await make());
    await expect(attempt).rejects.toThrow(GuestInputError);
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toMatchObject({
      exitStatus: 2,
      message: expect.not.stringContaining("\n") as string,
    });
    expect(JSON.stringify(await listArtefacts(cache))).toBe(before);
  });

  it("needs at least one file", async () => {
    await expect(importInto(newCache())).rejects.toThrow(GuestUsageError);
  });
});

describe("the initramfs", () => {
  it("is packed anew when busybox changes, is damaged or lost, and only then", async () => {
    const cache = newCache();
    expect(await ensureInitramfs(cache)).toBeUndefined();
    await importInto(cache, await stored(BUSYBOX));
    const first = await ensureInitramfs(cache);
    expect(await ensureInitramfs(cache)).toEqual(expect.objectContaining({ manifest: first?.manifest }));
    await importInto(cache, await stored(makeElf({ contents: "BusyBox v2.0 (other)" })));
    const second = await ensureInitramfs(cache);
    expect(second?.manifest.source["busybox"]).not.toBe(first?.manifest.source["busybox"]);
    await writeFile(second?.file(INITRAMFS_FILE) ?? "", "damaged");
    const third = await ensureInitramfs(cache);
    expect(third?.manifest).toEqual(second?.manifest);
  });
});

it("names the guests there are when asked for another", () => {
  expect(guestName("debian")).toBe("debian");
  expect(() => guestName("fedora")).toThrow(
    "unknown guest fedora; there are: debian, kvm-linux-4k, kvm-linux-16k",
  );
});

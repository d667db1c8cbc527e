import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { cacheRoot, GuestCache, sha256OfFile } from "./cache.ts";
import { CacheError, ChecksumError } from "./errors.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();
let count = 0;
const newCache = (): GuestCache => new GuestCache(path.join(folder, `cache-${count++}`));

async function storeBusybox(cache: GuestCache, text: string, name = "busybox"): Promise<void> {
  await cache.store("busybox", async (put) => {
    await put(name, Buffer.from(text));
    return { version: text };
  });
}

describe("cacheRoot", () => {
  const home = path.resolve("/home/me");
  it.each([
    [{ KSEG_CACHE: "/k", XDG_CACHE_HOME: "/x" }, "linux", "/k"],
    [{ XDG_CACHE_HOME: "/x" }, "linux", "/x/kseg"],
    [{ XDG_CACHE_HOME: "relative" }, "linux", "/home/me/.cache/kseg"],
    [{ KSEG_CACHE: "", XDG_CACHE_HOME: "" }, "linux", "/home/me/.cache/kseg"],
    [{}, "darwin", "/home/me/Library/Caches/kseg"],
    [{ LOCALAPPDATA: "/local" }, "win32", "/local/kseg/Cache"],
    [{}, "win32", "/home/me/AppData/Local/kseg/Cache"],
  ])("of %j on %s", (env, platform, expected) => {
    expect(cacheRoot(env, platform, home)).toBe(path.resolve(expected));
  });
});

describe("GuestCache", () => {
  it("gives back what was stored, streamed or not, with checksums", async () => {
    const cache = newCache();
    expect(await cache.load("debian-kernel")).toBeUndefined();
    await cache.store("debian-kernel", async (put) => {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield Buffer.from("ker");
        yield Buffer.from("nel");
      }
      await put("vmlinuz", pieces());
      await put("config", Buffer.from("CONFIG_X=y\n"));
      return { version: "1" };
    });
    const artefact = await cache.load("debian-kernel");
    expect(artefact?.manifest.files.map(({ name, size }) => [name, size])).toEqual([
      ["config", 11],
      ["vmlinuz", 6],
    ]);
    const kernel = artefact?.file("vmlinuz") ?? "";
    expect(await readFile(kernel, "utf8")).toBe("kernel");
    expect(artefact?.manifest.files[1]?.sha256).toBe(await sha256OfFile(kernel));
    expect((await readdir(path.dirname(kernel))).sort()).toEqual(["config", "manifest.json", "vmlinuz"]);
  });

  it("replaces an artefact with all its files", async () => {
    const cache = newCache();
    await storeBusybox(cache, "old", "busybox-old");
    await storeBusybox(cache, "new");
    expect((await cache.load("busybox"))?.manifest.source).toEqual({ version: "new" });
    expect((await readdir(path.join(cache.root, "busybox"))).sort()).toEqual(["busybox", "manifest.json"]);
  });

  it("keeps the old artefact when making the new one fails", async () => {
    const cache = newCache();
    await storeBusybox(cache, "old");
    const failure = new Error("cut off");
    const attempt = cache.store("busybox", async (put) => {
      await put("busybox", Buffer.from("half"));
      throw failure;
    });
    await expect(attempt).rejects.toBe(failure);
    const artefact = await cache.load("busybox");
    expect(await readFile(artefact?.file("busybox") ?? "", "utf8")).toBe("old");
    expect((await readdir(path.join(cache.root, "busybox"))).sort()).toEqual(["busybox", "manifest.json"]);
  });

  it("keeps the old artefact when the process dies in the middle, and goes on afterwards", async () => {
    const cache = newCache();
    await storeBusybox(cache, "old");
    const script = `
      import { GuestCache } from ${JSON.stringify(new URL("cache.ts", import.meta.url).href)};
      await new GuestCache(${JSON.stringify(cache.root)}).store("busybox", async (put) => {
        await put("busybox", Buffer.from("half"));
        process.exit(9);
      });`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(child.status, child.stderr).toBe(9);
    expect(await readdir(path.join(cache.root, "busybox"))).toContain("lock");
    expect((await cache.load("busybox"))?.manifest.source).toEqual({ version: "old" });
    await storeBusybox(cache, "new");
    expect((await readdir(path.join(cache.root, "busybox"))).sort()).toEqual(["busybox", "manifest.json"]);
    expect((await cache.load("busybox"))?.manifest.source).toEqual({ version: "new" });
  });

  it("finds changed, shortened and lost files", async () => {
    const cache = newCache();
    await storeBusybox(cache, "right");
    const file = path.join(cache.root, "busybox", "busybox");
    await writeFile(file, "wrong");
    await expect(cache.load("busybox")).rejects.toBeInstanceOf(ChecksumError);
    await writeFile(file, "righ");
    await expect(cache.load("busybox")).rejects.toThrow("has 4 bytes, its manifest says 5");
    await writeFile(path.join(cache.root, "busybox", "manifest.json"), "{");
    await expect(cache.load("busybox")).rejects.toThrow("not valid JSON");
  });

  it.each([
    { format: 2, artefact: "busybox", files: [{ name: "busybox", size: 1, sha256: "" }], source: {} },
    { format: 1, artefact: "initramfs", files: [{ name: "busybox", size: 1, sha256: "" }], source: {} },
    { format: 1, artefact: "busybox", files: [], source: {} },
    { format: 1, artefact: "busybox", files: [{ name: "../x", size: 1, sha256: "" }], source: {} },
    { format: 1, artefact: "busybox", files: [null], source: {} },
    null,
  ])("takes a manifest that is not its own as absent: %j", async (manifest) => {
    const cache = newCache();
    await mkdir(path.join(cache.root, "busybox"), { recursive: true });
    await writeFile(path.join(cache.root, "busybox", "manifest.json"), JSON.stringify(manifest));
    expect(await cache.load("busybox")).toBeUndefined();
  });

  it("lets one process at a time work in a folder", async () => {
    const cache = newCache();
    const order: string[] = [];
    await cache.locked(cache.root, 0, async () => {
      await expect(cache.locked(cache.root, 0, async () => undefined)).rejects.toThrow(
        `process ${process.pid}`,
      );
      order.push("first");
    });
    await cache.locked(cache.root, 0, async () => void order.push("second"));
    let patient: Promise<void> | undefined;
    await cache.locked(cache.root, 0, async () => {
      patient = cache.locked(cache.root, 10_000, async () => void order.push("fourth"));
      await new Promise((resolve) => setTimeout(resolve, 120));
      order.push("third");
    });
    await patient;
    expect(order).toEqual(["first", "second", "third", "fourth"]);
  });

  it("names the file and the reason when the folder cannot be used", async () => {
    const file = path.join(folder, "file");
    await writeFile(file, "");
    const cache = new GuestCache(path.join(file, "below"));
    expect(await cache.load("busybox")).toBeUndefined();
    await expect(storeBusybox(cache, "x")).rejects.toThrow(CacheError);
    await expect(storeBusybox(cache, "x")).rejects.toThrow("a part of the path is not a directory");
  });

  it("says how much disk is needed", async () => {
    const cache = newCache();
    await mkdir(cache.root);
    await expect(cache.requireSpace(1)).resolves.toBeUndefined();
    await expect(cache.requireSpace(1e18)).rejects.toThrow(
      /1000000000000 MB of disk are needed, \d+ MB are free/,
    );
  });
});

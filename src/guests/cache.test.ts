import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { cacheRoot, GuestCache, sha256OfFile } from "./cache.ts";
import { CacheError, ChecksumError } from "./errors.ts";
import { listArtefacts } from "./paths.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();
let count = 0;
/** Locks that are found dead within a test's time. */
const TIMING = { beat: 50, deadAfter: 1000, poll: 10 };
const newCache = (): GuestCache => new GuestCache(path.join(folder, `cache-${count++}`), TIMING);

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
    await expect(cache.load("busybox")).rejects.toThrow("its manifest is not valid JSON; obtain");
    await storeBusybox(cache, "right");
    await rm(file);
    await expect(cache.load("busybox")).rejects.toThrow("damaged: busybox is missing; obtain");
    await mkdir(file);
    await expect(cache.load("busybox")).rejects.toThrow("damaged: busybox is not a file; obtain");
    await storeBusybox(cache, "right");
    expect(await cache.load("busybox")).toBeDefined();
  });

  const writeManifest = async (cache: GuestCache, manifest: unknown): Promise<void> => {
    await mkdir(path.join(cache.root, "busybox"), { recursive: true });
    await writeFile(path.join(cache.root, "busybox", "manifest.json"), JSON.stringify(manifest));
  };

  it("takes what another version of kseg made as absent", async () => {
    const cache = newCache();
    await writeManifest(cache, { format: 2, artefact: "busybox", contents: {} });
    expect(await cache.load("busybox")).toBeUndefined();
  });

  it.each([
    { format: 1, artefact: "initramfs", files: [{ name: "busybox", size: 1, sha256: "" }], source: {} },
    { format: 1, artefact: "busybox", files: [], source: {} },
    { format: 1, artefact: "busybox", files: [{ name: "../x", size: 1, sha256: "" }], source: {} },
    { format: 1, artefact: "busybox", files: [null], source: {} },
    { files: 5 },
    [],
    5,
    null,
  ])("says that an artefact is damaged when its manifest is not its own: %j", async (manifest) => {
    const cache = newCache();
    await writeManifest(cache, manifest);
    const problem = /busybox: damaged: its manifest is not that of busybox; obtain the guest again$/;
    await expect(cache.load("busybox")).rejects.toThrow(problem);
    const [state] = (await listArtefacts(cache)).filter(({ name }) => name === "busybox");
    expect(state).toMatchObject({ state: "damaged", problem: expect.stringMatching(problem) as string });
    await storeBusybox(cache, "new");
    expect((await cache.load("busybox"))?.manifest.source).toEqual({ version: "new" });
  });

  it("says that something else is in place of a manifest, and replaces it", async () => {
    const cache = newCache();
    const manifest = path.join(cache.root, "busybox", "manifest.json");
    await mkdir(manifest, { recursive: true });
    await expect(cache.load("busybox")).rejects.toThrow("damaged: its manifest is not a file; obtain");
    await rm(manifest, { recursive: true });
    await symlink("nowhere", manifest);
    await expect(cache.load("busybox")).rejects.toThrow("damaged: its manifest is not a file; obtain");
    await storeBusybox(cache, "new");
    expect(await cache.load("busybox")).toBeDefined();
  });

  it.each([
    ["a file", (place: string) => writeFile(place, "")],
    ["a link to nothing", (place: string) => symlink("nowhere", place)],
  ])("says that %s is in place of an artefact's folder", async (_, make) => {
    const cache = newCache();
    await mkdir(cache.root);
    await make(path.join(cache.root, "busybox"));
    const message = /busybox: is not a folder, and a folder has to be there; delete it or move it away$/;
    await expect(cache.load("busybox")).rejects.toThrow(message);
    await expect(storeBusybox(cache, "x")).rejects.toThrow(message);
  });

  it("names the file, the reason and a remedy when the folder cannot be used", async () => {
    const file = path.join(folder, "file");
    await writeFile(file, "");
    const circle = path.join(folder, "circle");
    await symlink(circle, circle);
    const cases = [
      [path.join(file, "below"), "a part of the path is not a directory; set KSEG_CACHE to"],
      [path.join(folder, "n".repeat(300)), "too long; set KSEG_CACHE to a shorter path"],
      [circle, "links lead in a circle, or through too many others; set KSEG_CACHE to"],
    ] as const;
    for (const [root, message] of cases) {
      const error: unknown = await storeBusybox(new GuestCache(root), "x").catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(CacheError);
      expect(error).toHaveProperty("message", expect.stringContaining(message));
      expect(error).toHaveProperty("message", expect.not.stringMatching(/\bE[A-Z]{3,}\b/));
    }
    expect(await new GuestCache(path.join(file, "below")).load("busybox")).toBeUndefined();
  });

  it.runIf(process.platform === "linux")("refuses a folder in which nothing can be made", async () => {
    await expect(storeBusybox(new GuestCache("/proc"), "x")).rejects.toThrow(
      "no folder can be made there; set KSEG_CACHE to a folder",
    );
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

/** apt's behaviour is played by a script, so that these tests need neither Debian nor a network. */
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PrivateApt } from "./apt.ts";
import { GuestCache } from "./cache.ts";
import { fetchDebian, newestKernel } from "./debian.ts";
import { ChecksumError, CommandFailedError, GuestError, MissingToolsError } from "./errors.ts";
import { buildKvmLinux, parsePageSizes } from "./kvm-linux.ts";
import { silent } from "./progress.ts";
import { KERNEL_ENTRY, makeDeb, makeElf } from "./test-packages.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();
const tools = path.join(folder, "tools");
const originalPath = process.env["PATH"];
let count = 0;

/** Puts an executable of this name on the search path, with nothing else there but Node. */
async function tool(name: string, script: string): Promise<void> {
  await mkdir(tools, { recursive: true });
  const file = path.join(tools, name);
  await writeFile(file, `#!${process.execPath}\nconst args = process.argv.slice(2);\n${script}\n`);
  await chmod(file, 0o755);
}

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** An apt that offers `packages` by name. */
async function offer(packages: Readonly<Record<string, Uint8Array>>, update = ""): Promise<void> {
  const list = Object.entries(packages).map(([name, data]) => {
    return [
      name,
      {
        file: `${name}_1_mipsel.deb`,
        data: Buffer.from(data).toString("base64"),
        size: data.length,
        sha256: sha256(data),
      },
    ];
  });
  const common = `const packages = ${JSON.stringify(Object.fromEntries(list))};
    const name = args.at(-1);`;
  await tool(
    "apt-cache",
    `${common} for (const key in packages) if (new RegExp(name).test(key)) console.log(key + " - x");`,
  );
  await tool(
    "apt-get",
    `${common} const wanted = packages[name];
    if (args.includes("update")) { ${update} }
    else if (args.includes("indextargets")) console.log("Debian|Debian|http://mirror.invalid/debian/");
    else if (!wanted) { console.error("E: Unable to locate package " + name); process.exit(100); }
    else if (args.includes("--print-uris"))
      console.log("'http://mirror.invalid/x' " + wanted.file + " " + wanted.size + " SHA256:" + wanted.sha256);
    else require("node:fs").writeFileSync(wanted.file, Buffer.from(wanted.data, "base64"));`,
  );
}

beforeEach(() => {
  process.env["PATH"] = tools;
});
afterEach(() => {
  process.env["PATH"] = originalPath;
});

const BUSYBOX = await makeDeb({ files: { "bin/busybox": makeElf() } });
const KERNEL_NAME = "linux-image-6.1.0-50-4kc-malta";
const KERNEL = await makeDeb({
  name: KERNEL_NAME,
  version: "6.1.176-1",
  files: { [`boot/vmlinuz-6.1.0-50-4kc-malta`]: makeElf({ entry: KERNEL_ENTRY.bare }) },
});
const newFolder = (): string => path.join(folder, `state-${count++}`);

describe("PrivateApt", () => {
  it("keeps its state in its own folder and leaves signature checks on", async () => {
    await tool("apt-cache", "");
    await tool(
      "apt-get",
      `require("node:fs").writeFileSync(${JSON.stringify(path.join(folder, "args"))}, args.join("\\n"));`,
    );
    const state = newFolder();
    await (await PrivateApt.open(state, { architecture: "mipsel" })).update();
    const args = (await readFile(path.join(folder, "args"), "utf8")).split("\n");
    expect(args).toContain(`-oDir::State::Lists=${path.join(state, "lists")}`);
    expect(args).toContain(`-oDir::Cache=${state}`);
    expect(args).toContain("-oAPT::Architectures=mipsel");
    expect(args).toContain("-oAcquire::AllowInsecureRepositories=false");
    expect(args.at(-1)).toBe("update");
  });

  it("takes the mirror of another suite from the machine's own sources", async () => {
    await offer({});
    const state = newFolder();
    await PrivateApt.open(state, { suite: "bullseye" });
    const line = await readFile(path.join(state, "bullseye.list"), "utf8");
    expect(line).toMatch(/^deb (\[signed-by=\S+\] )?http:\/\/mirror\.invalid\/debian\/ bullseye main\n$/);
  });

  it("checks what it downloads and keeps what it has", async () => {
    await offer({ "busybox-static": BUSYBOX });
    const state = newFolder();
    const apt = await PrivateApt.open(state, { architecture: "mipsel" });
    const candidate = await apt.candidate("busybox-static");
    if (candidate === undefined) throw new Error("no candidate");
    expect(candidate).toMatchObject({ fileName: "busybox-static_1_mipsel.deb", size: BUSYBOX.length });
    const file = await apt.download(candidate, state, silent);
    expect((await readFile(file)).equals(BUSYBOX)).toBe(true);
    await tool("apt-get", `console.error("E: no network"); process.exit(100);`);
    expect(await apt.download(candidate, state, silent)).toBe(file);
    await writeFile(file, "half");
    await expect(apt.download(candidate, state, silent)).rejects.toThrow("no network");
    await expect(apt.download(candidate, state, silent)).rejects.toBeInstanceOf(CommandFailedError);
    await tool("apt-get", "");
    await expect(apt.download(candidate, state, silent)).rejects.toBeInstanceOf(ChecksumError);
  });

  it("has no candidate for what no source offers", async () => {
    await offer({});
    const apt = await PrivateApt.open(newFolder(), { architecture: "mipsel" });
    expect(await apt.candidate("busybox-static")).toBeUndefined();
  });
});

describe("fetchDebian", () => {
  it("chooses the newest kernel by number", () => {
    const name = (number: number): string => `linux-image-6.1.0-${number}-4kc-malta`;
    expect(newestKernel([name(9), name(50), name(47)])).toBe(name(50));
    expect(newestKernel([])).toBeUndefined();
  });

  it("ends with a guest in the cache, fetches nothing twice, and repairs what was damaged", async () => {
    await offer({ "busybox-static": BUSYBOX, [KERNEL_NAME]: KERNEL });
    const cache = new GuestCache(newFolder());
    const steps: string[] = [];
    const paths = await fetchDebian(cache, { ...silent, step: (text) => steps.push(text) });
    expect(paths).toMatchObject({ guest: "debian", version: "6.1.176-1" });
    expect(steps).toHaveLength(4);
    expect((await cache.load("debian-kernel"))?.manifest.source["packageSha256"]).toBe(sha256(KERNEL));
    steps.length = 0;
    expect(await fetchDebian(cache, { ...silent, step: (text) => steps.push(text) })).toEqual(paths);
    expect(steps.filter((text) => text.endsWith("in the cache already"))).toHaveLength(2);
    await writeFile(paths.kernel, "damaged");
    await expect(fetchDebian(cache, silent)).resolves.toEqual(paths);
    expect((await readFile(paths.kernel)).length).toBeGreaterThan(100);
  });

  it("says that apt is missing, and what else to do", async () => {
    process.env["PATH"] = path.join(folder, "empty");
    const attempt = fetchDebian(new GuestCache(newFolder()), silent);
    await expect(attempt).rejects.toBeInstanceOf(MissingToolsError);
    await expect(attempt).rejects.toThrow(/missing on this machine: apt-get; .*kseg guest import$/);
  });

  it("gives apt's own reason when there is no network", async () => {
    const fail = `console.error("W: Failed to fetch http://mirror.invalid/x  Could not resolve"); return;`;
    await offer({}, `(() => { ${fail} })();`);
    const attempt = fetchDebian(new GuestCache(newFolder()), silent);
    await expect(attempt).rejects.toBeInstanceOf(GuestError);
    await expect(attempt).rejects.toThrow("Failed to fetch http://mirror.invalid/x Could not resolve");
  });
});

describe("buildKvmLinux", () => {
  it("lists everything that is missing at once, with the packages", async () => {
    process.env["PATH"] = path.join(folder, "empty");
    const attempt = buildKvmLinux(new GuestCache(newFolder()), { pageSizes: ["4k"] }, silent);
    await expect(attempt).rejects.toBeInstanceOf(MissingToolsError);
    await expect(attempt).rejects.toMatchObject({
      packages: expect.arrayContaining([
        "gcc-mipsel-linux-gnu",
        "flex",
        "bison",
        "bc",
        "libssl-dev",
        "make",
      ]) as string[],
    });
  });

  it("knows the page sizes", () => {
    expect(parsePageSizes("4k")).toEqual(["4k"]);
    expect(parsePageSizes("16K")).toEqual(["16k"]);
    expect(parsePageSizes("both")).toEqual(["4k", "16k"]);
    expect(() => parsePageSizes("64k")).toThrow("bad page size 64k; give 4k, 16k or both");
  });
});

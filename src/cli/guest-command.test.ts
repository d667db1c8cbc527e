import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";

const folder = await mkdtemp(path.join(tmpdir(), "kseg-guest-command-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const SCRIPT = `
  import { Command } from "commander";
  import { guestCommand } from ${JSON.stringify(new URL("guest-command.ts", import.meta.url).href)};
  await new Command("kseg").addCommand(guestCommand()).parseAsync(["node", "kseg", ...process.argv.slice(1)]);`;

function kseg(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--input-type=module", "-e", SCRIPT, "--", ...args], {
    encoding: "utf8",
    env: { ...process.env, KSEG_CACHE: path.join(folder, "cache") },
    cwd: new URL(".", import.meta.url),
  });
}

describe("kseg guest", () => {
  it("lists what is missing and how to get it", () => {
    const { status, stdout, stderr } = kseg("guest", "list");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^debian-kernel +missing$/m);
    expect(stdout).toMatch(/^debian +its kernel is not in the cache; run: kseg guest fetch debian$/m);
    expect(stdout).toMatch(/^kvm-linux-16k .*run: kseg guest build kvm-linux --page-size 16k$/m);
  });

  it.each([
    ["an unknown guest to fetch", ["fetch", "fedora"], "cannot fetch fedora"],
    ["an unknown guest to build", ["build", "windows"], "cannot build windows"],
    ["a bad page size", ["build", "kvm-linux", "--page-size", "64k"], "bad page size 64k"],
    ["a file that is not there", ["import", "missing.deb"], "missing.deb: no such file or directory"],
    ["a folder", ["import", "."], ".: is a directory"],
    ["a guest that is not there", ["paths", "debian"], "run: kseg guest fetch debian"],
    ["an unknown guest", ["paths", "x"], "unknown guest x"],
  ])("refuses %s with one line and status 2", (_, args, message) => {
    const { status, stdout, stderr } = kseg("guest", ...args);
    const errors = stderr.split("\n").filter((line) => line.startsWith("kseg: "));
    expect(errors).toEqual([expect.stringContaining(message)]);
    expect(stderr).not.toContain("    at ");
    expect(stdout).toBe("");
    expect(status).toBe(2);
  });

  it("fails with status 1 when the cache cannot be written", async () => {
    await writeFile(path.join(folder, "cache"), "a file where the cache should be");
    const { status, stderr } = kseg("guest", "fetch", "debian");
    await rm(path.join(folder, "cache"));
    expect(stderr).toMatch(/^kseg: .*cache.*not a directory; set KSEG_CACHE to /m);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(status).toBe(1);
  });

  it.skipIf(process.platform === "win32").each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends with the status of %s, which its programs get as well", async (signal, status) => {
    const [tools, cache] = [path.join(folder, signal), path.join(folder, `cache-${signal}`)];
    await mkdir(tools);
    // Says that it has begun, and does not tell of signals itself.
    const apt = "#!/bin/sh\ntrap 'exit 100' INT TERM\n: > begun\nwhile :; do sleep 0.1; done\n";
    for (const name of ["apt-get", "apt-cache"])
      await writeFile(path.join(tools, name), apt.replace("begun", path.join(tools, "begun")), {
        mode: 0o755,
      });
    const env = { ...process.env, KSEG_CACHE: cache, PATH: `${tools}:${process.env["PATH"]}` };
    const args = ["--input-type=module", "-e", SCRIPT, "--", "guest", "fetch", "debian"];
    const child = spawn(process.execPath, args, { env, cwd: new URL(".", import.meta.url) });
    let stderr = "";
    child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
    while (!existsSync(path.join(tools, "begun"))) await setTimeout(20);
    child.kill(signal);
    expect(await once(child, "close")).toEqual([status, null]);
    expect(stderr).toMatch(
      new RegExp(`^kseg: apt-get update failed \\(${signal}\\); run the command again`, "m"),
    );
    expect(existsSync(path.join(cache, "work/debian/lock"))).toBe(false);
  });
});

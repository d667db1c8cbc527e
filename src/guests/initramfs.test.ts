import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { initramfsEntries, SHELL_READY } from "../archives/root-file-system.ts";
import { packInitramfs } from "./initramfs.ts";

const BUSYBOX = Buffer.from("busybox");

function script(path: string): string {
  const entry = initramfsEntries(BUSYBOX).find(({ name }) => name === path);
  return entry?.type === "file" ? Buffer.from(entry.data).toString() : "";
}

describe("the initramfs", () => {
  it("is the same bytes each time, with no time or system in its header", () => {
    const packed = Buffer.from(packInitramfs(BUSYBOX));
    expect(packed.equals(packInitramfs(BUSYBOX))).toBe(true);
    expect(packed.subarray(4, 8)).toEqual(Buffer.alloc(4));
    expect(packed[9]).toBe(3);
  });

  it("has the device nodes that the kernel opens before /init runs", () => {
    const devices = initramfsEntries(BUSYBOX).filter(({ type }) => type === "character-device");
    expect(devices).toEqual([
      expect.objectContaining({ name: "dev/console", major: 5, minor: 1 }),
      expect.objectContaining({ name: "dev/null", major: 1, minor: 3 }),
      expect.objectContaining({ name: "dev/ttyS0", major: 4, minor: 64 }),
    ]);
  });

  it("has executable scripts that a shell can parse, and a console that announces the shell", ({ skip }) => {
    expect(script("etc/console")).toContain(`echo "${SHELL_READY}"`);
    for (const path of ["init", "etc/console"]) {
      expect(initramfsEntries(BUSYBOX).find(({ name }) => name === path)?.mode).toBe(0o755);
      const shell = spawnSync("sh", ["-n"], { input: script(path), encoding: "utf8" });
      if (shell.error !== undefined) skip("there is no sh on this machine");
      expect(shell.stderr).toBe("");
      expect(shell.status).toBe(0);
    }
  });
});

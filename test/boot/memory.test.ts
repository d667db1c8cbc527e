/** What memory kseg takes for a real guest: that of the guest, and little besides. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { SHELL_READY } from "../../src/archives/root-file-system.ts";
import { cachedGuest } from "./run-guest.ts";

const KSEG = fileURLToPath(new URL("../../bin/kseg.js", import.meta.url));
/** MiB. */
const GUEST = 256;
const MOST_BESIDES = 200;

/** A line of /proc/PID/status, in MiB (proc(5)). */
function mebibytes(pid: number, name: string): number {
  const [, kibibytes] = new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(
    readFileSync(`/proc/${pid}/status`, "latin1"),
  )!;
  return Number(kibibytes) / 1024;
}

const { paths } = await cachedGuest("debian");
const hasProc = existsSync("/proc/self/status");
if (!hasProc) console.log("memory after a boot: skipped: there is no /proc to tell it");

describe.skipIf(paths === undefined || !hasProc)("memory of the process at Debian's shell", () => {
  test.each(["bare", "te"])("%s: that of the guest and at most 200 MiB", async (mode) => {
    const cpu = mode === "te" ? ["--host-cpu", "P5600"] : [];
    const flags = ["--guest", "debian", "--memory", `${GUEST}M`, "--clock", "virtual", "--quiet"];
    const child = spawn(process.execPath, [KSEG, "run", ...flags, "--mode", mode, ...cpu]);
    try {
      await new Promise<void>((resolve, reject) => {
        let text = "";
        child.stdout.setEncoding("latin1").on("data", (chunk: string) => {
          text += chunk;
          if (text.includes(SHELL_READY)) resolve();
        });
        child.on("close", () =>
          reject(new Error(`kseg ended before the shell was ready:\n${text.slice(-1000)}`)),
        );
      });
      const [most, own] = [mebibytes(child.pid!, "VmHWM"), mebibytes(child.pid!, "RssAnon")];
      console.log(
        `Debian ${mode}: at most ${most.toFixed(0)} MiB, ${own.toFixed(0)} MiB of them its own at the shell`,
      );
      expect(most).toBeLessThanOrEqual(GUEST + MOST_BESIDES);
    } finally {
      child.removeAllListeners("close").kill("SIGKILL");
    }
  });
});

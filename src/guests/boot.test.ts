/** The initramfs on the real Debian kernel, in QEMU: a shell comes up, a command works, poweroff ends it. */
import { spawn } from "node:child_process";
import { describe, expect, it } from "vitest";
import { GuestError } from "./errors.ts";
import { SHELL_READY } from "../archives/root-file-system.ts";
import { type GuestPaths, guestPaths } from "./paths.ts";
import { which } from "./process.ts";

const QEMU = "qemu-system-mipsel";

/** Seconds a boot may take; alone it takes 5. */
const LIMIT = 90;

const qemu = await which(QEMU);
const guest = await guestPaths("debian").catch((error: unknown) => {
  if (error instanceof GuestError) return error;
  throw error;
});
const reason =
  qemu === undefined ? `${QEMU} is not installed` : guest instanceof GuestError ? guest.message : undefined;
if (reason !== undefined) console.warn(`skipped: the Debian guest is not booted in QEMU: ${reason}`);

/** Boots, answers each prompt with the next command, and returns status and console output. */
function boot(
  program: string,
  paths: GuestPaths,
  commands: readonly string[],
): Promise<{ readonly status: number | null; readonly output: string }> {
  const args = [
    "-M",
    "malta",
    "-cpu",
    "24Kc",
    "-m",
    "256",
    "-nographic",
    "-no-reboot",
    "-nic",
    "none",
    "-vga",
    "none",
  ];
  const files = ["-kernel", paths.kernel, "-initrd", paths.initrd, "-append", paths.append];
  const child = spawn(program, [...args, ...files], { stdio: ["pipe", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill(), LIMIT * 1000);
  let output = "";
  let answered = 0;
  const waiting = [...commands];
  const follow = (text: Buffer): void => {
    output += text.toString("latin1");
    const ready = output.indexOf(SHELL_READY);
    if (ready < 0) return;
    const prompts = output.slice(ready).split("/root # ").length - 1;
    for (; answered < prompts && waiting.length > 0; answered++) child.stdin.write(`${waiting.shift()}\n`);
  };
  child.stdout.on("data", follow);
  child.stderr.on("data", follow);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(timer);
      resolve({ status, output });
    });
  });
}

describe.skipIf(reason !== undefined)(
  `the Debian guest in QEMU${reason === undefined ? "" : ` (${reason})`}`,
  () => {
    it.each(["poweroff", "exit"])(
      "reaches a shell with job control, and %s powers it off",
      async (last) => {
        if (qemu === undefined || guest instanceof GuestError) throw new Error("unreachable: skipped");
        const commands = [
          "echo sum=$((6*7)) on $(uname -m) tty $(tty)",
          "sleep 50 & jobs; kill %1",
          "grep SigIgn /proc/self/status",
          last,
        ];
        const { status, output } = await boot(qemu, guest, commands);
        expect(output).toContain("sum=42 on mips tty /dev/ttyS0");
        expect(output).toMatch(/\[1\]\+ +Running +sleep 50/);
        expect(output).not.toContain("job control turned off");
        // Nothing is ignored: Ctrl-C ends what runs in the foreground.
        expect(output).toMatch(/SigIgn:\s+0+\r?\n/);
        expect(output).toContain("reboot: Power down");
        expect(status).toBe(0);
      },
      (LIMIT + 10) * 1000,
    );
  },
);

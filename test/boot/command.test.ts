/** `kseg run --share --exec`: a program of the user's in a real guest, as if it ran here. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { inEnoughTime, kseg, start, type Options, type Result } from "../cli/kseg.ts";
import { cachedGuest } from "./run-guest.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-command-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, contents: string, mode = 0o644): void => {
  writeFileSync(join(folder, name), contents, "latin1");
  chmodSync(join(folder, name), mode);
};
/** Every byte, twice; enough to fill the serial port's buffers several times. */
const BYTES = Buffer.from(Array.from({ length: 20_000 }, (_, n) => (n * 7) & 0xff)).toString("latin1");
file("bytes", BYTES);
file("run.sh", "#!/bin/sh\necho out\necho err >&2\nexit 7\n", 0o755);
file("not-executable", "#!/bin/sh\n");
mkdirSync(join(folder, "sub"));
file("sub/deep", "deep\n");
symlinkSync("sub/deep", join(folder, "link"));

const CASES = [
  { guest: "debian", mode: "bare", flags: ["--guest", "debian"] },
  { guest: "kvm-linux-4k", mode: "te", flags: ["--mode", "te"] },
] as const;

for (const { guest, mode, flags } of CASES) {
  const found = await cachedGuest(guest);
  /** Runs a command in the folder's copy, with no input unless there is some. */
  const run = (
    command: string,
    options: Options = { input: "" },
    more: readonly string[] = [],
  ): Promise<Result> =>
    kseg(["run", ...flags, "--timeout", "400", "--share", folder, "--exec", command, ...more], options);

  describe.skipIf(found.paths === undefined)(`a command in ${guest} (${mode})`, () => {
    test("has its output, errors and status passed through, and nothing else is printed", async () => {
      expect(await run("./run.sh")).toEqual({ status: 7, stdout: "out\n", stderr: "err\n" });
    });

    test("finds the folder's links and folders, and its output is no terminal", async () => {
      const { status, stdout } = await run("cat link; test -t 1 || echo no terminal; pwd");
      expect({ status, stdout }).toEqual({ status: 0, stdout: "deep\nno terminal\n/share\n" });
    });

    test("prints any bytes, and reads them", async () => {
      expect((await run("cat bytes")).stdout).toBe(BYTES);
      const { status, stdout } = await run("cat; echo; wc -c <bytes", { input: BYTES });
      expect(stdout).toBe(`${BYTES}\n20000\n`);
      expect(status).toBe(0);
    });

    test.each([
      ["exit 0", 0, ""],
      ["nosuch", 127, "sh: nosuch: not found\n"],
      ["./not-executable", 126, "sh: ./not-executable: Permission denied\n"],
      ["kill -9 $$", 137, ""],
      ["sleep 1000 & exit 3", 3, ""],
    ])("%s ends with %i", async (command, status, stderr) => {
      expect(await run(command)).toEqual({ status, stdout: "", stderr });
    });

    test("reads input that comes in its own time, to its end", async () => {
      const args = ["run", ...flags, "--timeout", "400", "--exec", "read a; echo got $a; wc -c"];
      const running = start(args);
      // So late that it cannot have been there at the start.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      running.child.stdin!.write("one\n");
      await running.shows("got one\n");
      running.child.stdin!.end(BYTES, "latin1");
      expect((await running.result).stdout).toBe("got one\n20000\n");
    });

    test("that takes too long ends with 124, one whose guest ends with 125", async () => {
      const late = async (seconds: number): Promise<Result> => {
        const more = ["--timeout", String(seconds)];
        const ended = await run("echo begun; while :; do :; done", { input: "" }, more);
        expect(ended).toMatchObject({ status: 124, stderr: `kseg: timed out after ${seconds} s\n` });
        return ended;
      };
      expect((await inEnoughTime(20, late, ({ stdout }) => stdout !== "")).stdout).toBe("begun\n");
      const off = await run("poweroff -f; sleep 9");
      expect(off.status).toBe(125);
      expect(off.stderr).toBe("kseg: the guest ended before the command did: it was turned off\n");
    });

    test("does exactly the same when it is run again", async () => {
      const instructions = async (): Promise<number> => {
        const stats = join(folder, "..", `kseg-command-${process.pid}.json`);
        await run("cat; ls -l", { input: "x\n" }, ["--stats", stats]);
        const { guestInstructions } = JSON.parse(readFileSync(stats, "utf8")) as {
          guestInstructions: number;
        };
        rmSync(stats);
        return guestInstructions;
      };
      expect(await instructions()).toBe(await instructions());
    });

    test("--exit-on looks at what the command prints", async () => {
      const { status, stdout } = await run("echo one; echo two; sleep 100", undefined, [
        "--exit-on",
        "^two$",
      ]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: "one\ntwo\n" });
    });

    test("a folder alone is where the shell starts", async () => {
      const args = ["run", ...flags, "--quiet", "--timeout", "400", "--share", folder];
      const { status, stdout } = await kseg(args, { input: "pwd; cat link; ./run.sh; poweroff\n" });
      expect(status).toBe(0);
      expect(stdout).toMatch(/^\/share\r$/m);
      expect(stdout).toMatch(/^deep\r\nout\r\nerr\r$/m);
    });
  });
}

const stock = await cachedGuest("debian");
describe.skipIf(stock.paths === undefined)("debian", () => {
  test("is the guest of a command if none is named; its panic is told from the command's end", async () => {
    const { status, stdout, stderr } = await kseg([
      "run",
      "--exec",
      "echo begun; echo c >/proc/sysrq-trigger",
    ]);
    expect(status).toBe(125);
    expect(stderr).toBe(
      "kseg: the guest ended before the command did: its kernel panicked (sysrq triggered crash)\n",
    );
    expect("begun\n".startsWith(stdout)).toBe(true);
  });

  test("has room for the folder, or the folder is refused", async () => {
    writeFileSync(join(folder, "large"), Buffer.alloc(13 << 20, 1));
    const run = (memory: string): Promise<Result> =>
      kseg(["run", "--memory", memory, "--share", folder, "--exec", "tail -c 1 large | od -An -tx1"], {
        input: "",
      });
    expect(await run("64M")).toMatchObject({ status: 0, stdout: " 01\n" });
    const refused = await run("63M");
    rmSync(join(folder, "large"));
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/^kseg: the folder \S+ is more than the 13 MiB .*--memory\n$/);
  });
});

/** `kseg run` with the demo guest, as a process. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { demoFile, inEnoughTime, kseg, KSEG, ROOT, start, teKernel, until } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PROMPT = "kseg> ";

interface Written {
  readonly seconds: number;
  readonly instructions: number;
  readonly guestInstructions: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly refills: { readonly fast: number; readonly slow: number };
}

/** The statistics file, and what in it must be the same in every run. */
function statistics(name: string): { readonly stats: Written; readonly exact: object } {
  const stats = JSON.parse(readFileSync(join(folder, name), "utf8")) as Written;
  const { seconds: _, ...exact } = stats;
  return { stats, exact };
}

const withStats = (name: string, ...flags: string[]): string[] => [
  "run",
  "--stats",
  join(folder, name),
  ...flags,
];

it.each(["te", "bare"])("the demo guest's tour fits a terminal of 80 columns (%s)", async (mode) => {
  const { stdout } = await kseg(["run", "--mode", mode], { input: "tour\npoweroff\n" });
  expect(stdout).toMatch(/^short-lived processes +300 /m);
  expect(stdout.split(/\r?\n/).filter((line) => line.length > 80)).toEqual([]);
});

it("runs a command line of QEMU's", async () => {
  const flags = "-M malta -cpu 24Kc -m 64 -nographic -serial mon:stdio -no-reboot -nic none -vga none";
  const line = ["qemu-system-mipsel", ...flags.split(" "), "-kernel", demoFile("demo-bare.elf")];
  const { status, stdout } = await kseg(["run", ...line], { input: "poweroff\n" });
  expect(status).toBe(0);
  expect(stdout).toContain("demo guest, bare MIPS map");
  expect(stdout).toContain("64 MiB of memory, 16 TLB entries");
});

it("helps with commands of commands, and about topics", async () => {
  const fetch = await kseg(["help", "guest", "fetch"]);
  expect(fetch.stdout).toMatch(/^Usage: kseg guest fetch /);
  expect(fetch.stdout).toBe((await kseg(["guest", "fetch", "--help"])).stdout);
  expect((await kseg(["help"])).stdout).toBe((await kseg(["--help"])).stdout);
  const { stdout, status } = await kseg(["help", "qemu"]);
  expect(stdout).toMatch(/^ {2}-M, -machine malta +--mode bare/m);
  expect(status).toBe(0);
});

describe("kseg run", () => {
  it("runs the demo guest's commands from a pipe, the same way each time", async () => {
    const input = "help\nps\npoweroff\n";
    const [first, second] = await Promise.all([
      kseg(withStats("first.json"), { input }),
      kseg(withStats("second.json"), { input }),
    ]);
    expect(first.stdout).toContain("kseg> help");
    // One column of commands, one of what they do.
    expect(first.stdout).toMatch(/^ {2}poweroff {23}turn the machine off/m);
    expect(first.stdout).toMatch(/^ {2}exceptions {21}the same/m);
    expect(first.stdout).toContain("trap-and-emulate map, 4 KiB pages");
    expect(first.status, first.stderr).toBe(0);
    expect(second.stdout).toBe(first.stdout);
    const { stats, exact } = statistics("first.json");
    expect(statistics("second.json").exact).toEqual(exact);
    expect(stats.guestInstructions).toBeGreaterThan(100_000);
    expect(stats.instructions).toBeGreaterThan(stats.guestInstructions);
    expect(stats.refills.fast).toBeGreaterThan(0);
    expect(stats.refills.slow).toBe(0);
    expect(stats.seconds).toBeGreaterThan(0);
    expect(Object.keys(stats)).toEqual(
      expect.arrayContaining([
        ...["instructions", "guestInstructions", "seconds", "exits", "fastExits", "counters", "refills"],
        ...["guestTlbLookups", "asidChanges", "gvaPtesInvalidated", "gvaPtesFilled", "hostTlbWrites"],
      ]),
    );
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("takes a file as input just like a pipe", async () => {
    const input = "uptime\npoweroff\n";
    const file = join(folder, "input");
    writeFileSync(file, input);
    const fd = openSync(file, "r");
    const [fromFile, fromPipe] = await Promise.all([
      kseg(withStats("file.json", "--quiet"), { stdio: [fd, "pipe", "pipe"] }),
      kseg(withStats("pipe.json", "--quiet"), { input }),
    ]);
    closeSync(fd);
    expect(fromFile.stdout).toContain("uptime");
    expect(fromFile).toEqual(fromPipe);
    expect(statistics("file.json").exact).toEqual(statistics("pipe.json").exact);
  });

  it("adds statistics to its own output, if they are to go where that goes", async () => {
    const file = join(folder, "all");
    const fd = openSync(file, "w");
    const { status } = await kseg(["run", "--stats", file], { input: "", stdio: ["pipe", fd, "ignore"] });
    closeSync(fd);
    expect(status).toBe(0);
    const text = readFileSync(file, "utf8");
    expect(text).toContain("power off");
    expect((JSON.parse(text.slice(text.indexOf("{\n"))) as Written).instructions).toBeGreaterThan(0);
  });

  it("gives the demo guest the end of the input as Ctrl-D, after the rest", async () => {
    const { status, stdout, stderr } = await kseg(["run", "--quiet"], { input: "mem" });
    expect(stdout).toMatch(/kseg> mem\r?\n\d+ KiB of memory/);
    expect(stdout).toMatch(/power off\r?\n$/);
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("prints the same when every TLB miss exits", async () => {
    const input = "touch 40 20\npoweroff\n";
    const [fast, slow] = await Promise.all([
      kseg(withStats("fast.json"), { input }),
      kseg(withStats("slow.json", "--refill", "slow"), { input }),
    ]);
    expect(slow.stdout).toBe(fast.stdout);
    expect(slow.stderr).toMatch(/^refills +0 fast, [\d,]+ slow$/m);
    expect(fast.stderr).toMatch(/^refills +[\d,]+ fast, 0 slow$/m);
    expect(statistics("slow.json").stats.guestInstructions).toBe(
      statistics("fast.json").stats.guestInstructions,
    );
  });

  it.each([
    ["bare", ["--mode", "bare"], "bare"],
    ["on 16K host pages", ["--host-page-size", "16k"], "trap-and-emulate map, 16 KiB pages"],
    [
      "on another CPU, with little memory",
      ["--host-cpu", "24Kc-kscratch", "--memory", "16M"],
      "16 MiB of memory",
    ],
    ["when its file is named", ["--kernel", demoFile("demo-te.elf"), "--engine", "interp"], "4 KiB pages"],
  ])("runs the demo guest %s", async (_, flags, text) => {
    const { status, stdout, stderr } = await kseg(["run", ...flags], { input: "poweroff\n" });
    expect(stdout).toContain(text);
    expect(stdout).toContain("power off");
    expect(stderr).toMatch(/^instructions +[\d,]+ in \d+\.\d\d s, /m);
    expect(status, stderr).toBe(0);
  });

  it("ends with status 0 when a console line matches, even one without an end", async () => {
    const { status, stdout } = await kseg(["run", "--exit-on", "^kseg> $"]);
    expect(stdout.endsWith(PROMPT)).toBe(true);
    expect(status).toBe(0);
  });

  it("ends with status 124 when time is up, and not because the input ends", async () => {
    const flags = ["--kernel", demoFile("demo-te.elf"), "--timeout"];
    const ended = async (seconds: number): ReturnType<typeof kseg> => {
      const result = await kseg(withStats("timeout.json", ...flags, String(seconds)), { input: "" });
      expect(result.stderr).toContain(`kseg: timed out after ${seconds} s\n`);
      expect(result.status).toBe(124);
      return result;
    };
    await inEnoughTime(2.5, ended, ({ stdout }) => stdout.includes(PROMPT));
    expect(statistics("timeout.json").stats.guestInstructions).toBeGreaterThan(0);
  });

  it("passes on input that comes later", async () => {
    const { child, shows, result } = start(["run", "--quiet"]);
    await shows(PROMPT);
    child.stdin!.write("map\n");
    await shows(PROMPT);
    child.stdin!.write("poweroff\n");
    const { status, stdout } = await result;
    expect(stdout).toContain("exception vectors");
    expect(status).toBe(0);
  });

  it("keeps guest time to the clock if asked to", async () => {
    const { child, shows, result } = start(["run", "--clock", "wall"]);
    await shows(PROMPT);
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.stdin!.write("uptime\n");
    await shows("ticks, Count");
    child.stdin!.end();
    const { status, stdout } = await result;
    const uptime = Number(/^(\d+\.\d\d) s, \d+ ticks/m.exec(stdout)?.[1]);
    expect(uptime).toBeGreaterThan(0.25);
    expect(uptime).toBeLessThan(30);
    expect(status).toBe(0);
  });

  it.each(["exits", "fast exits"])("summarizes %s, the most frequent first", async (heading) => {
    const { stderr } = await kseg(["run"], { input: "" });
    const lines = stderr.trimEnd().split("\n");
    const at = lines.findIndex((line) => line.startsWith(`${heading} `));
    const rest = lines.slice(at + 1);
    const end = rest.findIndex((line) => !line.startsWith(" "));
    const counts = [lines[at]!, ...rest.slice(0, end < 0 ? rest.length : end)].map((line) =>
      Number(/([\d,]+)$/.exec(line)![1]!.replaceAll(",", "")),
    );
    const [total, ...parts] = counts;
    expect(parts.length).toBeGreaterThan(1);
    expect(parts).toEqual(parts.toSorted((a, b) => b - a));
    expect(parts.reduce((sum, value) => sum + value, 0)).toBe(total);
  });
});

describe("kseg run, when it is cut short", () => {
  it.skipIf(process.platform === "win32")("ends when time is up while a pipe has no writer", async () => {
    const fifo = join(folder, "fifo");
    spawnSync("mkfifo", [fifo]);
    const results = await Promise.all([
      kseg(["run", "--kernel", fifo, "--timeout", "0.5"], { input: "" }),
      kseg(["run", "--initrd", fifo, "--timeout", "0.5"], { input: "" }),
    ]);
    expect(results).toEqual(
      results.map(() => ({ status: 124, stdout: "", stderr: "kseg: timed out after 0.5 s\n" })),
    );
  });

  it("is not held up by an --exit-on that takes for ever", async () => {
    const { status, stderr } = await kseg([
      "run",
      "--quiet",
      "--exit-on",
      "^(.*.*.*)*\\0$",
      "--timeout",
      "20",
    ]);
    expect(stderr).toBe("kseg: --exit-on: the regular expression takes too long: make it simpler\n");
    expect(status).toBe(1);
  });

  it("keeps to its timeout with a guest that exits all the time", async () => {
    const TLBR = 0x4200_0001;
    const file = join(folder, "exits.elf");
    writeFileSync(file, teKernel(...Array.from({ length: 64 }, () => TLBR), 0x1000_ffbf, 0));
    const late: number[] = [];
    // What else the computer does can only add to that.
    do {
      await kseg(withStats("exits.json", "--kernel", file, "--timeout", "2"), { input: "" });
      const { seconds, exits } = statistics("exits.json").stats;
      expect(exits["cop_unusable"]).toBeGreaterThan(1000);
      late.push(seconds - 2);
    } while (late.length < 8 && Math.min(...late) >= 0.5);
    expect(Math.min(...late)).toBeLessThan(0.5);
  });

  it.skipIf(process.platform === "win32").each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("ends in order after %s", async (signal, expected) => {
    const { child, shows, result } = start(withStats(`${signal}.json`));
    await shows(PROMPT);
    child.kill(signal);
    const { status, stderr } = await result;
    expect(stderr).toMatch(/^instructions /m);
    expect(status).toBe(expected);
    expect(statistics(`${signal}.json`).stats.instructions).toBeGreaterThan(0);
  });

  it.skipIf(process.platform === "win32")("ends quietly when nobody reads its console", async () => {
    const { child, result, shows } = start(["run", "--quiet", "--timeout", "60"]);
    await shows("kseg demo guest");
    child.stdout!.destroy();
    child.stdin!.write("help\n".repeat(100));
    const { status, stderr } = await result;
    expect(stderr).toBe("");
    expect(status).toBe(141);
  });

  it.skipIf(!existsSync("/dev/full"))("fails when its console cannot be written", async () => {
    const fd = openSync("/dev/full", "w");
    const { status, stderr } = await kseg(["run", "--quiet"], { input: "", stdio: ["pipe", fd, "pipe"] });
    closeSync(fd);
    expect(stderr).toBe("kseg: cannot write the console: no space left on the disk\n");
    expect(status).toBe(1);
  });

  it.skipIf(!existsSync("/dev/full"))("ends as it would when its messages cannot be written", () => {
    const fd = openSync("/dev/full", "w");
    const { status, signal } = spawnSync(process.execPath, [KSEG, "run", "--memory", "x"], {
      stdio: ["ignore", "ignore", fd],
      timeout: 20_000,
    });
    closeSync(fd);
    expect({ status, signal }).toEqual({ status: 2, signal: null });
  });
});

it.skipIf(process.platform === "win32")("refuses an input that can only be written to", async () => {
  const fd = openSync(join(folder, "output"), "w");
  const { status, stderr } = await kseg(["run", "--quiet"], { stdio: [fd, "pipe", "pipe"] });
  closeSync(fd);
  expect(stderr).toMatch(/^kseg: cannot read the standard input: .*\n$/);
  expect(status).toBe(2);
});

it.skipIf(process.platform === "win32")("refuses a folder as input", async () => {
  const fd = openSync(folder, "r");
  const { status, stderr } = await kseg(["run"], { stdio: [fd, "pipe", "pipe"] });
  closeSync(fd);
  expect(stderr).toBe("kseg: cannot read the standard input: is a directory\n");
  expect(status).toBe(2);
});

describe("the entry", () => {
  it("tells the version and helps", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    const [told, help] = await Promise.all([kseg(["--version"]), kseg(["run", "--help"])]);
    expect(told).toEqual({ status: 0, stdout: `kseg ${version}\n`, stderr: "" });
    expect(help.stdout).toContain("--exit-on <REGEX>");
    expect(help.stderr).toBe("");
    expect(help.status).toBe(0);
  });

  it.each(["disasm", "bench"])("helps with %s, which has no mode", async (command) => {
    const { stdout } = await kseg([command, "--help"]);
    expect(stdout).toContain("--host-page-size <SIZE>  pages of the host's page tables: 4k, 16k");
    expect(stdout).not.toMatch(/--mode|bare/);
  });

  const older = olderNode();
  if (older === undefined)
    console.log("an older Node: skipped: there is none in PATH that cannot run TypeScript");
  describe.skipIf(older === undefined)("under a Node that cannot run TypeScript", () => {
    it("hands input, output and status over to the pinned Node", async () => {
      const [good, bad] = await Promise.all([
        kseg(["run", "--quiet"], { node: older!, input: "poweroff\n" }),
        kseg(["run", "--mode", "x"], { node: older!, input: "" }),
      ]);
      expect(good.stdout).toContain("power off");
      expect(good.stderr).toBe("");
      expect(good.status).toBe(0);
      expect(bad.stderr).toMatch(/^kseg: --mode x[^\n]*\n$/);
      expect(bad.status).toBe(2);
    });

    it("passes signals on", async () => {
      const { child, shows, result } = start(["run", "--quiet"], { node: older! });
      await shows(PROMPT);
      child.kill("SIGTERM");
      expect(await result).toMatchObject({ status: 143, stderr: "" });
    });

    it("says what to do if there is no other", async () => {
      const { status, stderr } = await kseg(["--version"], { node: older!, env: { KSEG_HANDED_OVER: "1" } });
      expect(stderr).toMatch(/^kseg: needs Node 24 or newer, this is [\d.]+: run npm ci [^\n]+\n$/);
      expect(status).toBe(2);
    });
  });
});

/** A Node in PATH that is too old to run kseg itself. */
function olderNode(): string | undefined {
  const names = (process.env["PATH"] ?? "").split(delimiter).map((path) => join(path, "node"));
  return names.find((name) => {
    if (!existsSync(name)) return false;
    const major = Number(/^v(\d+)/.exec(spawnSync(name, ["--version"]).stdout?.toString() ?? "")?.[1]);
    return major >= 20 && major < 24;
  });
}

const bash = spawnSync("bash", ["--version"]).error === undefined;
if (!bash) console.log("process substitution: skipped: bash is not installed");
it.skipIf(!bash)("reads a kernel from a pipe, and writes statistics into one", async () => {
  const target = join(folder, "piped.json");
  const script = `"$1" "$2" run --quiet --kernel <(cat "$3") --exit-on hello --stats >(cat >"$4.part"; mv "$4.part" "$4")`;
  const args = ["-c", script, "bash", process.execPath, KSEG, demoFile("demo-te.elf"), target];
  expect(execFileSync("bash", args, { input: "" }).toString()).toContain("hello from user mode");
  await until(() => existsSync(target));
  expect(statistics("piped.json").stats.instructions).toBeGreaterThan(0);
});

it.skipIf(process.platform === "win32")("leaves a shell's pipeline as it should", () => {
  const script = `printf 'help\\npoweroff\\n' | "$1" "$2" run --quiet | tail -n 1; echo status $?`;
  const output = execFileSync("sh", ["-c", script, "sh", process.execPath, KSEG]).toString();
  expect(output.replaceAll("\r", "")).toBe("power off\nstatus 0\n");
});

/** `kseg run` on a terminal: `script` makes one. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { KSEG, kseg, startProgram, type Running } from "./kseg.ts";

const CTRL_A = "\u0001";
const CTRL_C = "\u0003";
const PROMPT = "kseg> ";

const version = spawnSync("script", ["--version"]);
const missing = version.error !== undefined || !/util-linux/.test(version.stdout.toString());
if (missing)
  console.log("terminal: skipped: util-linux' script, which makes a pseudo-terminal, is not installed");

/** A shell on a terminal of its own that runs `kseg run`, and tells kseg's process and the terminal's settings. */
const onTerminal = (...flags: string[]): Running => ksegOnTerminal("run", ...flags);

/** The same for any command of kseg's. */
function ksegOnTerminal(...args: string[]): Running {
  const words = [process.execPath, KSEG, ...args].map((word) => `'${word}'`).join(" ");
  const command = `trap : INT; echo before=$(stty -g); (echo pid=$(exec sh -c 'echo $PPID'); exec ${words}); echo status=$?; echo after=$(stty -g)`;
  return startProgram("script", ["-qefc", command, "/dev/null"], {
    env: { ...process.env, SHELL: "/bin/sh", TERM: "dumb" },
  });
}

/** The end of such a session: kseg's status, and whether the terminal is as it was. */
async function ending(running: Running): Promise<{ readonly status: number; readonly restored: boolean }> {
  const { stdout } = await running.result;
  const value = (name: string): string | undefined => new RegExp(`${name}=(\\S+)`).exec(stdout)?.[1];
  expect(value("before")).toMatch(/^[0-9a-f]+:/);
  return { status: Number(value("status")), restored: value("after") === value("before") };
}

/** Waits until process `pid` is stopped: a SIGCONT that comes before the stop is lost, and the stop lasts. */
async function isStopped(pid: number): Promise<void> {
  const state = (): string | undefined =>
    /^\d+ \(.*\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  while (state() !== "T") await setTimeout(10);
}

describe.skipIf(missing)("on a terminal", () => {
  it("hands keys to the guest one by one, Ctrl-C too, and leaves with Ctrl-A X", async () => {
    const running = onTerminal();
    const { child, shows } = running;
    await shows(PROMPT);
    child.stdin!.write("me");
    await shows("me");
    child.stdin!.write(CTRL_C);
    await shows("^C");
    await shows(PROMPT);
    child.stdin!.write("mem\r");
    await shows("KiB free");
    await shows(PROMPT);
    child.stdin!.write(`${CTRL_A}h`);
    await shows("Ctrl-A X  leave");
    child.stdin!.write(CTRL_A);
    child.stdin!.write("x");
    expect(await ending(running)).toEqual({ status: 0, restored: true });
  });

  it("saves on Ctrl-A S, as often as it is asked, and goes on", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kseg-terminal-"));
    const file = join(folder, "snapshot");
    const running = onTerminal("--save", file);
    await running.shows(PROMPT);
    running.child.stdin!.write(`${CTRL_A}s`);
    await running.shows(`kseg: saved ${file}`);
    const before = readFileSync(file);
    running.child.stdin!.write(`uptime\r${CTRL_A}s`);
    await running.shows(`kseg: saved ${file}`);
    expect(readFileSync(file).equals(before)).toBe(false);
    running.child.stdin!.write("poweroff\r");
    expect(await ending(running)).toEqual({ status: 0, restored: true });
    rmSync(folder, { recursive: true });
    const nowhere = onTerminal();
    await nowhere.shows(PROMPT);
    nowhere.child.stdin!.write(`${CTRL_A}s`);
    await nowhere.shows("nowhere to save: start kseg with --save FILE");
    nowhere.child.stdin!.write(`${CTRL_A}x`);
    expect(await ending(nowhere)).toEqual({ status: 0, restored: true });
  });

  it("records a session by the wall clock, which is repeated to the same instructions", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kseg-terminal-"));
    const tape = join(folder, "tape");
    const running = onTerminal("--record", tape);
    await running.shows(PROMPT);
    running.child.stdin!.write("ps\r");
    await running.shows(PROMPT);
    running.child.stdin!.write("uptime\r");
    await running.shows("Count");
    await running.shows(PROMPT);
    running.child.stdin!.write("poweroff\r");
    expect(await ending(running)).toEqual({ status: 0, restored: true });
    const count = /Count [0-9a-f]{8}/;
    const [shown] = count.exec(running.output().stdout)!;
    const replayed = await kseg(["run", "--quiet", "--replay", tape], { input: "" });
    expect(replayed.status, replayed.stderr).toBe(0);
    expect(count.exec(replayed.stdout)![0]).toBe(shown);
    rmSync(folder, { recursive: true });
  });

  it("shows how far a long benchmark is, below the table, and Ctrl-C ends it", async () => {
    const running = ksegOnTerminal("bench", "mmu");
    await running.shows("\r\u001b[K  [");
    await running.shows(" %, ");
    running.child.stdin!.write(CTRL_C);
    expect(await ending(running)).toEqual({ status: 130, restored: true });
  });

  it("takes the screen of kseg stat away again on Ctrl-C", async () => {
    const running = ksegOnTerminal("stat");
    await running.shows("\u001b[?1049h");
    running.child.stdin!.write(CTRL_C);
    expect(await ending(running)).toEqual({ status: 130, restored: true });
    const { stdout } = running.output();
    expect(stdout.lastIndexOf("\u001b[?1049l")).toBeGreaterThan(stdout.lastIndexOf("\u001b[?1049h"));
    expect(stdout.lastIndexOf("\u001b[?25h")).toBeGreaterThan(stdout.lastIndexOf("\u001b[?25l"));
  });

  it("takes it away while kseg stat is suspended, and brings it back", async () => {
    const running = ksegOnTerminal("stat");
    await running.shows("\u001b[?1049h");
    // A terminal like this one does not know its size.
    await running.shows("guest_instructions");
    const pid = Number(/pid=(\d+)/.exec(running.output().stdout)![1]);
    process.kill(pid, "SIGTSTP");
    await running.shows("\u001b[?1049l");
    await isStopped(pid);
    // So long that its counters are due to be shown when it goes on.
    await setTimeout(1100);
    process.kill(pid, "SIGCONT");
    await running.shows("\u001b[?1049h");
    // Nothing was drawn on the screen that is not its own.
    expect(running.output().stdout).toContain("\u001b[?1049l\u001b[?1049h");
    process.kill(pid, "SIGTERM");
    expect(await ending(running)).toEqual({ status: 143, restored: true });
  });

  it("says what is wrong in colour, unless it is asked not to", async () => {
    const env = { FORCE_COLOR: "", NO_COLOR: "" };
    const line = async (more: Record<string, string>): Promise<string> => {
      const running = startProgram("script", ["-qefc", `'${process.execPath}' '${KSEG}' rnu`, "/dev/null"], {
        env: { ...process.env, SHELL: "/bin/sh", TERM: "xterm", ...env, ...more },
      });
      return (await running.result).stdout;
    };
    expect(await line({})).toContain("\u001b[31mkseg:\u001b[39m unknown command");
    expect(await line({ NO_COLOR: "1" })).toMatch(/^kseg: unknown command/);
  });

  it("restores the terminal when the guest powers off", async () => {
    const running = onTerminal();
    await running.shows(PROMPT);
    running.child.stdin!.write("poweroff\r");
    await running.shows("power off");
    expect(await ending(running)).toEqual({ status: 0, restored: true });
  });

  it("restores the terminal when time is up", async () => {
    const running = onTerminal("--timeout", "0.5", "--clock", "virtual");
    await running.shows("timed out after 0.5 s");
    expect(await ending(running)).toEqual({ status: 124, restored: true });
  });

  it("runs in real time", async () => {
    const running = onTerminal();
    await running.shows(PROMPT);
    running.child.stdin!.write("uptime\r");
    await running.shows("ticks, Count");
    const uptime = Number(/^(\d+\.\d\d) s, \d+ ticks/m.exec(running.output().stdout)?.[1]);
    running.child.stdin!.write("\u0004");
    expect(uptime).toBeLessThan(60);
    expect(await ending(running)).toEqual({ status: 0, restored: true });
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGQUIT", 131],
  ] as const)("restores the terminal after %s", async (signal, status) => {
    const running = onTerminal();
    await running.shows(PROMPT);
    process.kill(Number(/pid=(\d+)/.exec(running.output().stdout)![1]), signal);
    expect(await ending(running)).toEqual({ status, restored: true });
  });
});

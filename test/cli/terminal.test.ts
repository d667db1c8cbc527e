/** `kseg run` on a terminal: `script` makes one. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { KSEG, startProgram, type Running } from "./kseg.ts";

const CTRL_A = "\u0001";
const CTRL_C = "\u0003";
const PROMPT = "kseg> ";

const version = spawnSync("script", ["--version"]);
const missing = version.error !== undefined || !/util-linux/.test(version.stdout.toString());
if (missing)
  console.log("terminal: skipped: util-linux' script, which makes a pseudo-terminal, is not installed");

/** A shell on a terminal of its own that runs kseg, and tells kseg's process and the terminal's settings. */
function onTerminal(...flags: string[]): Running {
  const kseg = [process.execPath, KSEG, "run", ...flags].map((word) => `'${word}'`).join(" ");
  const command = `echo before=$(stty -g); (echo pid=$(exec sh -c 'echo $PPID'); exec ${kseg}); echo status=$?; echo after=$(stty -g)`;
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
  ] as const)("restores the terminal after %s", async (signal, status) => {
    const running = onTerminal();
    await running.shows(PROMPT);
    process.kill(Number(/pid=(\d+)/.exec(running.output().stdout)![1]), signal);
    expect(await ending(running)).toEqual({ status, restored: true });
  });
});

import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { COMMAND_INIT, commandEntries, READY, STATUS } from "./command-init.ts";

function entry(path: string, input?: Uint8Array): string | undefined {
  const command = { text: "echo 'a'\n$b", ...(input === undefined ? {} : { input }) };
  const found = commandEntries(command, "/share").find(({ name }) => `/${name}` === path);
  return found?.type === "file" ? Buffer.from(found.data).toString() : undefined;
}

describe("a command's first program", () => {
  it("is a script that a shell can parse", ({ skip }) => {
    const script = entry(COMMAND_INIT)!;
    const shell = spawnSync("sh", ["-n"], { input: script, encoding: "utf8" });
    if (shell.error !== undefined) skip("there is no sh on this machine");
    expect(shell.stderr).toBe("");
    expect(script).toContain(`echo "${READY}"\n`);
    expect(script).toContain(`echo "${STATUS}$status"\n`);
    expect(script).toContain("cd /share\n");
  });

  it("finds the command as it was given, and its input if that is known", () => {
    expect(entry("/kseg/command")).toBe("echo 'a'\n$b");
    expect(entry("/kseg/in")).toBeUndefined();
    expect(entry("/kseg/in", Buffer.from("x\0"))).toBe("x\0");
  });
});

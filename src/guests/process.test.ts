import { chmod, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { CommandFailedError } from "./errors.ts";
import { run, which } from "./process.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();
const node = (script: string, options?: Parameters<typeof run>[2]): Promise<string> =>
  run(process.execPath, ["-e", script], options);

describe("run", () => {
  it("returns standard output, passes input on and shows every line", async () => {
    const lines: string[] = [];
    const script = `process.stdin.on("data", (text) => { console.log("got " + text); console.error("aside"); })`;
    const output = await node(script, { input: "x", onLine: (line) => lines.push(line) });
    expect(output).toBe("got x\n");
    expect(lines.sort()).toEqual(["aside", "got x"]);
  });

  it("sets and removes variables", async () => {
    process.env["KSEG_TEST_GONE"] = "1";
    const script = `console.log(process.env.KSEG_TEST_GONE, process.env.KSEG_TEST, process.env.LC_ALL)`;
    expect(await node(script, { env: { KSEG_TEST: "2", KSEG_TEST_GONE: undefined } })).toBe(
      "undefined 2 C\n",
    );
    delete process.env["KSEG_TEST_GONE"];
  });

  it("reports status, the line that tells most, and the hint", async () => {
    const failing = node(`console.error("first"); console.error("last\\n"); process.exit(3)`, {
      hint: "try again",
    });
    await expect(failing).rejects.toThrow("failed (status 3): last; try again");
    await expect(failing).rejects.toMatchObject({ status: 3, exitStatus: 1 });
  });

  it("reports a program that was killed or is not there", async () => {
    await expect(node(`process.kill(process.pid, "SIGKILL")`)).rejects.toThrow(
      "failed (SIGKILL); run the command again",
    );
    await expect(run(path.join(folder, "missing"), [])).rejects.toBeInstanceOf(CommandFailedError);
  });
});

it("finds programs on the search path", async () => {
  const program = path.join(folder, "tool");
  await writeFile(program, "");
  await chmod(program, 0o755);
  const search = [path.join(folder, "nowhere"), "", folder].join(path.delimiter);
  expect(await which("tool", search)).toBe(program);
  expect(await which("other", search)).toBeUndefined();
});

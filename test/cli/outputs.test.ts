/** The files that a run writes, and those that were there before. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kseg, start, until } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-outputs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

const RUN = ["run", "--memory", "16M", "--quiet"];
const hasFull = existsSync("/dev/full");
if (!hasFull) console.log("outputs: tests of full disks are skipped: there is no /dev/full");

/** A pipe that nobody reads, and that takes nothing more. */
function fullPipe(): number {
  const name = at("pipe");
  spawnSync("mkfifo", [name]);
  const pipe = openSync(name, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(pipe, "x");
  } catch {
    return pipe;
  }
}

beforeAll(async () => {
  const ready = ["--exit-on", "guided tour", "--save"];
  await kseg([...RUN, ...ready, at("te.snapshot")]);
  await kseg([...RUN, "--mode", "bare", ...ready, at("bare.snapshot")]);
});

describe("two flags do not write one file", () => {
  it.each([
    ["run", "--save", "--record"],
    ["run", "--stats", "--save"],
    ["run", "--stats", "--trace"],
    ["stat", "--trace", "--console"],
  ])("kseg %s %s and %s", async (command, one, other) => {
    const [name, same] = [at("both"), `${folder}/./both`];
    const { status, stdout, stderr } = await kseg([command, one, name, other, same], { input: "" });
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(`kseg: ${other} ${same}: ${one} writes that file; give another name\n`);
    expect(existsSync(name)).toBe(false);
  });
});

describe("what was there is left alone if the run does not begin", () => {
  const old = at("old");

  it.each([
    ["run --trace: a port that is not ours", ["run", "--trace", old, "--gdb", "192.0.2.1:1"]],
    ["run --trace: a kernel that is none", ["run", "--trace", old, "--kernel", import.meta.filename]],
    ["run --trace: a bare machine's snapshot", ["run", "--trace", old, "--restore", at("bare.snapshot")]],
    ["stat --console: no kernel", ["stat", "--console", old, "--kernel", at("missing")]],
  ])("%s", async (_, args) => {
    writeFileSync(old, "precious");
    const { status, stderr } = await kseg(args, { input: "" });
    expect(status, stderr).toBe(2);
    expect(stderr).toMatch(/^kseg: .*\n$/);
    expect(readFileSync(old, "utf8")).toBe("precious");
    rmSync(old);
    await kseg(args, { input: "" });
    expect(existsSync(old)).toBe(false);
  });

  it("a snapshot is not overwritten by the console of its guest", async () => {
    const snapshot = at("te.snapshot");
    const before = readFileSync(snapshot);
    const { status, stderr } = await kseg(["stat", "--restore", snapshot, "--console", snapshot]);
    expect(status).toBe(2);
    expect(stderr).toBe(`kseg: --console ${snapshot}: is a file that the run reads; give another name\n`);
    expect(readFileSync(snapshot).equals(before)).toBe(true);
  });

  it("a trace goes behind what is in kseg's own output", async () => {
    const log = at("log");
    writeFileSync(log, "precious\n");
    const fd = openSync(log, "a");
    const args = [...RUN, "--trace", "/dev/stderr"];
    const { status } = await kseg(args, { input: "", stdio: ["pipe", "pipe", fd] });
    closeSync(fd);
    expect(status).toBe(0);
    expect(readFileSync(log, "latin1").slice(0, 9)).toBe("precious\n");
    expect(readFileSync(log).length).toBeGreaterThan(10_000);
  });
});

it("says that there is no hypervisor to trace in a snapshot of a bare machine", async () => {
  const args = ["run", "--restore", at("bare.snapshot"), "--trace", at("none")];
  expect((await kseg(args)).stderr).toBe(
    "kseg: --trace is about the hypervisor, and the guest runs without it: leave --trace out\n",
  );
});

it.skipIf(!hasFull)("a file that cannot be written does not keep back the others", async () => {
  const [record, stats] = [at("kept.tape"), at("kept.json")];
  const files = ["--save", "/dev/full", "--record", record, "--stats", stats];
  const { status, stderr } = await kseg([...RUN, "--exit-on", "guided tour", ...files]);
  expect([status, stderr]).toEqual([1, "kseg: --save /dev/full: no space left on the disk\n"]);
  expect(readFileSync(stats, "utf8")).toContain("guestInstructions");
  const replayed = await kseg(["run", "--quiet", "--replay", record, "--timeout", "0.5"]);
  expect(replayed.stderr).toBe("kseg: timed out after 0.5 s\n");
});

it.skipIf(!hasFull).each([
  ["explain", "400010"],
  ["stat", "--key-value"],
])("kseg %s fails if its answer cannot be written", async (...args) => {
  const fd = openSync("/dev/full", "w");
  const { status, stderr } = await kseg(args, { input: "", stdio: ["pipe", fd, "pipe"] });
  closeSync(fd);
  expect([status, stderr]).toEqual([1, "kseg: cannot write the console: no space left on the disk\n"]);
});

it.skipIf(process.platform === "win32")(
  "a second signal ends kseg while it waits for a reader, and leaves the snapshot whole",
  async () => {
    const [snapshot, record] = [at("twice.snapshot"), at("twice.tape")];
    const pipe = fullPipe();
    const files = ["--save", snapshot, "--record", record];
    const { child, result, output } = start([...RUN, ...files, "--gdb", "0", "--gdb-no-wait"], {
      stdio: ["pipe", pipe, "pipe"],
    });
    // That line comes when signals are listened to, and before the guest has printed anything.
    await until(() => output().stderr.includes("gdb can connect"));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    child.kill("SIGHUP");
    // The last file that is written before the reader is waited for.
    await until(() => existsSync(record));
    child.kill("SIGHUP");
    expect((await result).status).toBe(129);
    closeSync(pipe);
    const restored = await kseg(["run", "--quiet", "--restore", snapshot, "--timeout", "0.2"]);
    expect(restored.stderr).toBe("kseg: timed out after 0.2 s\n");
    expect(existsSync(record)).toBe(true);
  },
);

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, stat, symlink, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { withLock } from "./lock.ts";
import { temporaryFolder } from "./test-support.ts";

const root = await temporaryFolder();
let count = 0;
const newFolder = (): string => path.join(root, `folder-${count++}`);

/** Short enough for a test; a lock is dead after twenty beats. */
const TIMING = { beat: 50, deadAfter: 1000, poll: 10 };
const locked = (folder: string, patience: number, work: () => Promise<void>): Promise<void> =>
  withLock(folder, patience, work, TIMING);

describe("withLock", () => {
  it("lets one process at a time work in a folder", async () => {
    const folder = newFolder();
    const order: string[] = [];
    await locked(folder, 0, async () => {
      await expect(locked(folder, 0, async () => undefined)).rejects.toThrow(`process ${process.pid}`);
      order.push("first");
    });
    await locked(folder, 0, async () => void order.push("second"));
    let patient: Promise<void> | undefined;
    await locked(folder, 0, async () => {
      patient = locked(folder, 10_000, async () => void order.push("fourth"));
      await setTimeout(120);
      order.push("third");
    });
    await patient;
    expect(order).toEqual(["first", "second", "third", "fourth"]);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ["whose process number is in use again", (file: string) => writeFile(file, `${process.pid}\n`)],
    ["that is empty", (file: string) => writeFile(file, "")],
    ["that is a folder", (file: string) => mkdir(file)],
    ["that is a link to nothing", (file: string) => symlink("nowhere", file)],
  ])("takes over a dead lock %s", async (_, make) => {
    const folder = newFolder();
    await mkdir(folder);
    await make(path.join(folder, "lock"));
    let worked = false;
    await locked(folder, 0, async () => void (worked = true));
    expect(worked).toBe(true);
    expect(await readdir(folder)).toEqual([]);
  });

  it("keeps its lock for longer than it takes to find one dead", async () => {
    const folder = newFolder();
    await locked(folder, 0, async () => {
      await setTimeout(2 * TIMING.deadAfter);
      await expect(locked(folder, 0, async () => undefined)).rejects.toThrow("in use");
    });
  });

  it("goes by changes, not by clocks", async () => {
    const folder = newFolder();
    await mkdir(folder);
    const file = path.join(folder, "lock");
    await writeFile(file, "1\n");
    const ahead = new Date(Date.now() + 3_600_000);
    await utimes(file, ahead, ahead);
    await locked(folder, 0, async () => undefined);
    expect(await readdir(folder)).toEqual([]);
  });

  it("is in no hurry when a clock is: the computer was asleep, say, and so was the holder", async () => {
    const folder = newFolder();
    await locked(folder, 0, async () => {
      let now = Date.now();
      const clock = vi.spyOn(Date, "now").mockImplementation(() => (now += 2 * TIMING.deadAfter));
      await expect(locked(folder, 0, async () => undefined)).rejects.toThrow("in use");
      clock.mockRestore();
    });
  });

  it("leaves a lock alone that another process took over", async () => {
    const folder = newFolder();
    const file = path.join(folder, "lock");
    await locked(folder, 0, () => writeFile(file, "2 another\n"));
    expect((await stat(file)).isFile()).toBe(true);
  });
});

it.skipIf(process.platform === "win32")("leaves no lock behind if a signal ends the work", async () => {
  const [outer, inner] = [newFolder(), newFolder()];
  const script = `
    import { withLock } from ${JSON.stringify(new URL("lock.ts", import.meta.url).href)};
    await withLock(${JSON.stringify(outer)}, 0, () => withLock(${JSON.stringify(inner)}, 0, async () => {
      console.log("locked");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    }));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: import.meta.dirname });
  await once(child.stdout, "data");
  expect([await readdir(outer), await readdir(inner)]).toEqual([["lock"], ["lock"]]);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
  expect([await readdir(outer), await readdir(inner)]).toEqual([[], []]);
});

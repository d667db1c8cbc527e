import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { packCpio, unpackCpio } from "../archives/cpio.ts";
import { GuestInputError } from "./errors.ts";
import { readShare } from "./share.ts";
import { temporaryFolder } from "./test-support.ts";

const PLENTY = 1 << 20;

/** A folder with this file in it. */
async function folderWith(name: string, contents = "", mode = 0o644): Promise<string> {
  const folder = await temporaryFolder();
  writeFileSync(path.join(folder, name), contents);
  chmodSync(path.join(folder, name), mode);
  chmodSync(folder, 0o750);
  return folder;
}

describe("readShare", () => {
  it("keeps files, permissions and links as they are, in folders too", async () => {
    const folder = await folderWith("run.sh", "#!/bin/sh\n", 0o755);
    mkdirSync(path.join(folder, "data"));
    chmodSync(path.join(folder, "data"), 0o700);
    writeFileSync(path.join(folder, "data", "é"), "\0\n");
    chmodSync(path.join(folder, "data", "é"), 0o400);
    symlinkSync("../gone", path.join(folder, "data", "link"));
    const { entries, leftOut } = (await readShare(folder, "share", PLENTY))!;
    expect(leftOut).toEqual([]);
    expect(unpackCpio(packCpio(entries))).toEqual([
      { type: "directory", name: "share", mode: 0o750 },
      { type: "directory", name: "share/data", mode: 0o700 },
      { type: "symlink", name: "share/data/link", mode: 0o777, target: "../gone" },
      { type: "file", name: "share/data/é", mode: 0o400, data: new Uint8Array(Buffer.from("\0\n")) },
      { type: "file", name: "share/run.sh", mode: 0o755, data: new Uint8Array(Buffer.from("#!/bin/sh\n")) },
    ]);
  });

  it("follows a link that is the folder itself", async () => {
    const folder = await folderWith("a");
    const link = path.join(await temporaryFolder(), "link");
    symlinkSync(folder, link);
    const { entries } = (await readShare(link, "share", PLENTY))!;
    expect(entries.map(({ name }) => name)).toEqual(["share", "share/a"]);
  });

  it("leaves out what cannot be in an archive, and says so", async ({ skip }) => {
    const folder = await folderWith("a");
    if (spawnSync("mkfifo", [path.join(folder, "pipe")]).status !== 0) skip("there is no mkfifo here");
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(path.join(folder, "socket"), resolve));
    const { entries, leftOut } = (await readShare(folder, "share", PLENTY))!;
    server.close();
    expect(entries.map(({ name }) => name)).toEqual(["share", "share/a"]);
    expect(leftOut).toEqual([`${folder}/pipe (a pipe)`, `${folder}/socket (a socket)`]);
  });

  it("counts files by whole pages, and a page for each name", async () => {
    const folder = await folderWith("a", "x".repeat(4097));
    expect(await readShare(folder, "share", 3 * 4096)).not.toBeNull();
    expect(await readShare(folder, "share", 3 * 4096 - 1)).toBeNull();
  });

  it("refuses what is no folder, what is not there, and names that are not UTF-8", async ({ skip }) => {
    const folder = await folderWith("a");
    const file = path.join(folder, "a");
    await expect(readShare(file, "share", PLENTY)).rejects.toThrow(`${file}: is no folder`);
    await expect(readShare(`${file}b`, "share", PLENTY)).rejects.toThrow(`${file}b: no such file`);
    if (process.platform !== "linux") skip("names of this system are always UTF-8");
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/x`), Buffer.of(0xff)]), "");
    await expect(readShare(folder, "share", PLENTY)).rejects.toThrow(GuestInputError);
    await expect(readShare(folder, "share", PLENTY)).rejects.toThrow("not UTF-8");
  });
});

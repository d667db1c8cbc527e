import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { openDeb, walkDeb } from "./deb.ts";
import { GuestInputError } from "./errors.ts";
import { makeAr, makeDeb } from "./test-packages.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();

async function stored(name: string, data: Uint8Array): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, data);
  return file;
}

/** Opens a package and reads all of it. */
async function readAll(file: string): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  await walkDeb(await openDeb(file), (member) => {
    if (member.type !== "file") return "skip";
    return async (body) => {
      const pieces = [];
      for await (const piece of body) pieces.push(piece);
      contents[member.name] = Buffer.concat(pieces).toString();
    };
  });
  return contents;
}

const LONG_NAME = `usr/share/${"long-".repeat(30)}name`;
const FILES = { "bin/busybox": "x".repeat(100_000), [LONG_NAME]: "y", "etc/empty": "" };
const BYTES = Object.fromEntries(Object.entries(FILES).map(([name, text]) => [name, Buffer.from(text)]));

describe.each(["none", "gzip", "xz", "zstd"] as const)("a package with %s compression", (compression) => {
  it("is read back", async () => {
    const file = await stored(`${compression}.deb`, await makeDeb({ files: BYTES, compression }));
    expect(await openDeb(file)).toMatchObject({
      name: "busybox-static",
      version: "1:2.3-4",
      architecture: "mipsel",
    });
    expect(await readAll(file)).toEqual(FILES);
  });

  it("is refused wherever it is cut off", async () => {
    const whole = await makeDeb({ files: BYTES, compression });
    for (let part = 0; part < 40; part++) {
      const file = await stored(
        `${compression}-cut.deb`,
        whole.subarray(0, Math.floor((whole.length * part) / 40)),
      );
      await expect(readAll(file), `${part}/40`).rejects.toBeInstanceOf(GuestInputError);
    }
  });
});

it("names members in messages without their control characters", async () => {
  const control = "control.tar.\u001b[2J";
  for (const data of [Buffer.alloc(0), Buffer.from("(\u00b5/\u00fd0000000000", "latin1")]) {
    const members = [
      ["debian-binary", Buffer.from("2.0\n")],
      [control, data],
      ["data.tar", data],
    ] as const;
    const refused = openDeb(await stored("strange.deb", makeAr(members)));
    await expect(refused).rejects.toBeInstanceOf(GuestInputError);
    await expect(refused).rejects.toThrow(/its "?control\.tar\.[ -~]*(?: is empty|:)/);
    await expect(refused).rejects.toThrow(/^[ -~]+$/);
  }
});

it("finds damage inside a package", async () => {
  const whole = await makeDeb({ files: BYTES });
  whole.writeUInt8((whole[whole.length - 50_000] ?? 0) ^ 0xff, whole.length - 50_000);
  const file = await stored("damaged.deb", whole);
  await expect(readAll(file)).rejects.toThrow(
    /damaged\.deb: cannot read its data\.tar\.xz: the xz data is damaged/,
  );
});

it("does not blame the package for a failure of its reader", async () => {
  const file = await stored("fine.deb", await makeDeb({ files: BYTES }));
  const failure = new GuestInputError("elsewhere", "failed");
  const deb = await openDeb(file);
  await expect(walkDeb(deb, () => () => Promise.reject(failure))).rejects.toBe(failure);
  // And the decoder is free again.
  expect(await readAll(file)).toEqual(FILES);
});

it("says which part of a package is missing", async () => {
  const open = async (members: Parameters<typeof makeAr>[0]) =>
    openDeb(await stored("part.deb", makeAr(members)));
  const marker = ["debian-binary", Buffer.from("2.0\n")] as const;
  await expect(open([["a.o", Buffer.from("x")]])).rejects.toThrow("not a Debian package");
  await expect(open([marker])).rejects.toThrow("no control.tar");
  await expect(open([marker, ["control.tar", Buffer.alloc(1024)]])).rejects.toThrow("no data.tar");
  await expect(
    open([marker, ["control.tar", Buffer.alloc(1024)], ["data.tar", Buffer.alloc(1024)]]),
  ).rejects.toThrow("no control file");
});

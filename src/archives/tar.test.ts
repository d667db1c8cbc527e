import { describe, expect, it } from "vitest";
import { makeTar } from "../guests/test-packages.ts";
import { ArchiveError } from "./errors.ts";
import { walkTar } from "./tar.ts";

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Reads every member to its end. */
const readAll = (input: AsyncIterable<Uint8Array>): Promise<void> =>
  walkTar(input, () => async (body) => {
    for await (const piece of body) expect(piece.length).toBeGreaterThan(0);
  });

describe("walkTar", () => {
  it("refuses damage by errors of its own, in members and between them", async () => {
    const tar = await makeTar({ "a/file": new Uint8Array(3000).fill(1) });
    await readAll(piecesOf(tar));
    for (const damaged of [tar.subarray(0, 1024 + 100), tar.with(512, 0xff), tar.with(148, 0x39)])
      await expect(readAll(piecesOf(damaged))).rejects.toThrow(ArchiveError);
  });

  it("passes on what its input and its visitor throw", async () => {
    const failure = new Error("the disk is broken");
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield (await makeTar({ file: new Uint8Array(3000) })).subarray(0, 1500);
      throw failure;
    };
    await expect(readAll(broken())).rejects.toBe(failure);
    const tar = piecesOf(await makeTar({ file: new Uint8Array(3) }));
    await expect(walkTar(tar, () => () => Promise.reject(failure))).rejects.toBe(failure);
  });
});

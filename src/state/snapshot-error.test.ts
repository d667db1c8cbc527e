import { expect, test } from "vitest";
import { SnapshotError } from "./snapshot-error.ts";

test("a message is one line, whatever names of a file are in it", () => {
  const name = "k@\r\u0003\u0000ount\n\u001b[2J";
  expect(new SnapshotError(`no timer ${name}`).message).toBe("no timer k@???ount??[2J");
});

import { describe, expect, it } from "vitest";
import { EscapeKeys } from "./escape-keys.ts";

const A = "\u0001";

/** What comes of these pieces, written down short. */
function typed(...pieces: string[]): string[] {
  const keys = new EscapeKeys();
  return pieces
    .flatMap((piece) => keys.take(Buffer.from(piece, "latin1")))
    .map((part) =>
      part.kind === "input" ? JSON.stringify(Buffer.from(part.bytes).toString("latin1")) : part.kind,
    );
}

describe("escape keys", () => {
  it.each([
    { pieces: ["ls\r"], result: ['"ls\\r"'] },
    { pieces: [`${A}x`], result: ["leave"] },
    { pieces: [`${A}X`], result: ["leave"] },
    { pieces: [A, "x"], result: ["leave"] },
    { pieces: [`a${A}sb`], result: ['"a"', "save", '"b"'] },
    { pieces: [`ab${A}hcd`], result: ['"ab"', "help", '"cd"'] },
    { pieces: [`${A}?`], result: ["help"] },
    { pieces: [`a${A}${A}b`], result: ['"a\\u0001b"'] },
    { pieces: [`${A}${A}x`], result: ['"\\u0001x"'] },
    { pieces: [`a${A}qb`], result: ['"ab"'] },
    { pieces: ["\u0003\u0004\u00ff"], result: ['"\\u0003\\u0004ÿ"'] },
    { pieces: ["", A], result: [] },
  ])("$pieces", ({ pieces, result }) => {
    expect(typed(...pieces)).toEqual(result);
  });
});

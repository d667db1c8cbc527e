import { describe, expect, it } from "vitest";
import { LineMatcher } from "./line-matcher.ts";

/** The number of the first piece at which the console matches, or -1. */
function matchesAt(regex: RegExp, ...pieces: string[]): number {
  const matcher = new LineMatcher(regex);
  return pieces.findIndex((piece) => matcher.matches(Buffer.from(piece, "latin1")));
}

describe("LineMatcher", () => {
  it.each([
    { regex: /ready/, pieces: ["booting\n", "rea", "dy\n"], at: 2 },
    { regex: /^login: $/, pieces: ["x login: ", "\r\nlogin: "], at: 1 },
    { regex: /^a$/, pieces: ["b\r\na\r\nc\r\n"], at: 0 },
    { regex: /end$/, pieces: ["the end", "\r\n"], at: 0 },
    { regex: /a.*b/, pieces: ["a\n", "b\n"], at: -1 },
    { regex: /\n|\r/, pieces: ["a\r\n", "b\r\n"], at: -1 },
    { regex: /^$/, pieces: ["a\n"], at: 0 },
    { regex: /é/u, pieces: ["\u00c3", "\u00a9"], at: 1 },
    { regex: /./, pieces: ["", "\n", "."], at: 2 },
  ])("$regex in $pieces", ({ regex, pieces, at }) => {
    expect(matchesAt(regex, ...pieces)).toBe(at);
  });

  it("remembers only the end of an endless line", () => {
    const long = "x".repeat(10_000);
    expect(matchesAt(/^start.*end/, "start", long, "end")).toBe(-1);
    expect(matchesAt(/xxxend/, "start", long, "end")).toBe(2);
  });
});

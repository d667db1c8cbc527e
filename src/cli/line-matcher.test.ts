import { describe, expect, it } from "vitest";
import { CliError } from "./errors.ts";
import { LineMatcher } from "./line-matcher.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** The number of the first piece at which the console matches, or -1; "" is a slice in which nothing is printed. */
function matchesAt(regex: RegExp, ...pieces: string[]): number {
  const matcher = new LineMatcher(regex);
  return pieces.findIndex((piece) => {
    const matches = piece !== "" && matcher.matches(bytes(piece));
    return matcher.sliceEnded() || matches;
  });
}

describe("LineMatcher", () => {
  it.each([
    { regex: /ready/, pieces: ["booting\n", "rea", "dy\n"], at: 2 },
    { regex: /ready/, pieces: ["rea", "dy", "", ""], at: 2 },
    { regex: /^login: $/, pieces: ["x login: ", "", "\r\nlogin: ", ""], at: 3 },
    { regex: /^a$/, pieces: ["b\r\na\r\nc\r\n"], at: 0 },
    { regex: /end$/, pieces: ["the end", "\r\n"], at: 1 },
    { regex: /a.*b/, pieces: ["a\n", "b\n"], at: -1 },
    { regex: /\n|\r/, pieces: ["a\r\n", "b\r\n"], at: -1 },
    { regex: /^$/, pieces: ["a\n", "", "\n"], at: 2 },
    { regex: /é/u, pieces: ["\u00c3", "\u00a9", ""], at: 2 },
    { regex: /./, pieces: ["\n", "."], at: -1 },
  ])("$regex in $pieces", ({ regex, pieces, at }) => {
    expect(matchesAt(regex, ...pieces)).toBe(at);
  });

  it("does not depend on the pieces in which a line comes", () => {
    const prompt = /^kseg> $/;
    expect(matchesAt(prompt, "kseg> help\n")).toBe(-1);
    expect(matchesAt(prompt, "kseg> ", "help\n")).toBe(-1);
    expect(matchesAt(prompt, ...Array.from("kseg> "), "help\n")).toBe(-1);
    expect(matchesAt(prompt, ...Array.from("kseg> "), "")).toBe(6);
    const long = "x".repeat(5000);
    expect(matchesAt(/^x{5000}$/, `${long}\n`)).toBe(matchesAt(/^x{5000}$/, long, "\n"));
  });

  it("matches the last line at once if the guest waits, and each state of it once", () => {
    const matcher = new LineMatcher(/> $/);
    matcher.matches(bytes("> "));
    expect([matcher.silent(), matcher.silent(), matcher.sliceEnded(), matcher.sliceEnded()]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it("remembers only the end of an endless line, in which it finds what is not too long", () => {
    const long = "x".repeat(10_000);
    expect(matchesAt(/^start.*end/, "start", long, "end", "")).toBe(-1);
    expect(matchesAt(/xxxend/, "start", long, "end", "")).toBe(3);
    for (let at = 4000; at < 4200; at += 7)
      expect(matchesAt(/needle/, "x".repeat(at), "needle", long), `at ${at}`).toBe(2);
  });

  it("gives up on an expression that would take for ever", () => {
    const matcher = new LineMatcher(/^(a+)+$/);
    const began = performance.now();
    expect(() => matcher.matches(bytes(`${"a".repeat(60)}!\n`))).toThrow(CliError);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(matcher.matches(bytes("aaa\n"))).toBe(true);
  });
});

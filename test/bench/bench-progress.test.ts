import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { BenchProgress } from "../../bench/bench-progress.ts";

beforeEach(() => void vi.stubEnv("FORCE_COLOR", "0"));
afterEach(() => void vi.unstubAllEnvs());

/** What is written on the way through four parts of a second each. */
function written(isTTY: boolean): string {
  let text = "";
  let time = 0;
  const sink = { isTTY, columns: 60, write: (piece: string) => void (text += piece) };
  const progress = new BenchProgress(4, sink, () => time);
  const pass = (parts: number): void => {
    time += 1000 * parts;
    progress.advance(parts);
  };
  progress.begin("integer");
  pass(1);
  pass(1);
  progress.begin("memory");
  pass(2);
  progress.clear();
  return text;
}

it("is a bar with the time that is left on a terminal", () => {
  const line = (text: string): string => `\r\u001b[K  ${text}`;
  expect(written(true).replaceAll(/\[[#-]+\]/g, "[]")).toBe(
    [
      line("[] 0 %, integer"),
      line("[] 25 %, integer, 0:03 left"),
      line("[] 50 %, integer, 0:02 left"),
      "\r\u001b[K",
      line("[] 50 %, memory, 0:02 left"),
      line("[] 100 %, memory"),
      "\r\u001b[K",
    ].join(""),
  );
});

it("is a line for each measurement in a log", () => {
  expect(written(false)).toBe("measuring integer ...\nmeasuring memory ...\n");
});

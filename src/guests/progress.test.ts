import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { terminalProgress } from "./progress.ts";

beforeEach(() => void vi.stubEnv("FORCE_COLOR", "0"));
afterEach(() => void vi.unstubAllEnvs());

function collect(isTTY: boolean): {
  text: string;
  time: number;
  progress: ReturnType<typeof terminalProgress>;
} {
  const state = { text: "", time: 0, progress: terminalProgress({ write: () => undefined }) };
  const sink = { isTTY, write: (text: string) => void (state.text += text) };
  state.progress = terminalProgress(sink, () => state.time);
  return state;
}

it("rewrites one counter on a terminal, not too often", () => {
  const state = collect(true);
  state.progress.step("compiling");
  for (let i = 1; i <= 30; i++) {
    state.progress.count(`${i} objects`);
    state.time += 10;
  }
  state.progress.note("done");
  expect(state.text).toBe(
    "kseg guest: compiling\n" +
      "\r\x1b[K  1 objects\r\x1b[K  11 objects\r\x1b[K  21 objects" +
      "\r\x1b[K  done\n",
  );
});

it("writes plain lines and no counter into a log", () => {
  const state = collect(false);
  state.progress.step("compiling");
  state.progress.count("1 objects");
  state.progress.note("done");
  expect(state.text).toBe("kseg guest: compiling\n  done\n");
});

it("shows a bar with the time that is left, in the room that there is", () => {
  const bar = (columns: number, percent: number): string => {
    let text = "";
    let time = 0;
    const sink = { isTTY: true, columns, write: (piece: string) => void (text += piece) };
    const progress = terminalProgress(sink, () => time);
    progress.step("fetching");
    time = 5000;
    text = "";
    progress.bar(percent, 100, `${percent} of 100 MB`);
    progress.clear();
    progress.clear();
    return text;
  };
  const line = (text: string): string => `\r\x1b[K${text}\r\x1b[K`;
  expect(bar(80, 25)).toBe(line(`  [########${"-".repeat(22)}] 25 %, 25 of 100 MB, 0:15 left`));
  expect(bar(80, 100)).toBe(line(`  [${"#".repeat(30)}] 100 %, 100 of 100 MB`));
  expect(bar(80, 0)).toBe(line(`  [${"-".repeat(30)}] 0 %, 0 of 100 MB`));
  expect(bar(40, 50)).toBe(line("  [###--] 50 %, 50 of 100 MB, 0:05 left"));
  expect(bar(20, 50)).toBe(line("  50 %, 50 of 100 M"));
  vi.stubEnv("FORCE_COLOR", "1");
  expect(bar(80, 50)).toContain(`[\x1b[32m${"#".repeat(15)}\x1b[39m${"-".repeat(15)}]`);
});

it("tells how long a count has taken", () => {
  const state = collect(true);
  state.progress.step("compiling");
  state.time = 65_000;
  state.progress.count("9 objects");
  expect(state.text).toMatch(/ {2}9 objects, 1:05$/);
});

import { expect, it } from "vitest";
import { terminalProgress } from "./progress.ts";

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

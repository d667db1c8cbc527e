import { expect, it } from "vitest";
import type { Stats } from "../index.ts";
import { keyValueLines, LOG_HEADER, logLine, screenLines, StatHistory } from "./stat-table.ts";

const stats = (factor: number): Stats => ({
  instructions: 1000 * factor,
  guestInstructions: 800 * factor,
  exits: { tlbmiss_ld: 30 * factor, cop_unusable: 10 },
  fastExits: { syscall: 7 * factor },
  counters: { wait: 0, tlbmiss_ld: 30 * factor, cop_unusable: 10 },
  refills: { fast: 500 * factor, slow: 0 },
  guestTlbLookups: 3,
  asidChanges: 2 * factor,
  gvaPtesInvalidated: 1,
  gvaPtesFilled: 4,
  hostTlbWrites: 6,
});

it("shows what grows fastest first, KVM's counters apart from kseg's, and nothing that never happened", () => {
  const history = new StatHistory();
  history.update(stats(1), 0);
  const lines = screenLines("title", history.update(stats(2), 0.5), 40);
  expect(lines.slice(0, 6)).toEqual([
    "title",
    "",
    " Event                                      Total %Total     CurAvg/s",
    "KVM's counters",
    " tlbmiss_ld                                    60   85.7           60",
    " cop_unusable                                  10   14.3             ",
  ]);
  expect(lines[7]).toBe(" guest_instructions                          1600                1600");
  expect(lines.join("\n")).not.toMatch(/wait|slow_refills/);
  expect(screenLines("title", history.update(stats(2), 0.5), 5)).toHaveLength(4);
});

it("logs growth since the line before under its headings", () => {
  const history = new StatHistory();
  const first = logLine(history.update(stats(1), 0));
  const second = logLine(history.update(stats(3), 2));
  for (const line of [first, second]) expect(line).toHaveLength(LOG_HEADER.length);
  const columns = (line: string): string[] => line.trim().split(/ +/);
  const value = (name: string): string | undefined => columns(second)[columns(LOG_HEADER).indexOf(name)];
  expect(["exits", "fast_refills", "tlbmiss_ld", "asid_changes"].map(value)).toEqual([
    "60",
    "1000",
    "60",
    "4",
  ]);
});

it("prints every counter with its name", () => {
  expect(keyValueLines(stats(1))).toEqual(
    expect.arrayContaining(["wait 0", "tlbmiss_ld 30", "exits 40", "fast_refills 500", "slow_refills 0"]),
  );
});

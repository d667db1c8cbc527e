import { describe, expect, test } from "vitest";
import { agreedTime, measure, type Effort } from "./measure.ts";
import { asidTurns, lookup, PAGE_COUNTS, PLAIN, REFILLS, TRAPS, type MmuProgram } from "./programs.ts";
import { HEAD, textOfBoot, textOfPart } from "./report.ts";

/** Times mean nothing then; counts are exact all the same. */
const QUICK: Effort = { warm: 0.01, stretch: 0.01, stretches: 1 };

const cost = (program: MmuProgram, plain = PLAIN) => measure(program, plain, {}, QUICK);
const named = (name: string): MmuProgram => TRAPS.find((program) => program.name === name)!;

describe("what one of each is", () => {
  test("a fast refill is the words of the handler, a slow one an exit", () => {
    const [fast, slow] = REFILLS.map((program) => cost(program));
    expect(fast).toMatchObject({ hostInstructions: 27, exits: 0, fastExits: 0 });
    expect(slow).toMatchObject({ exits: 1, fastExits: 0 });
    expect(slow!.hostInstructions).toBeGreaterThan(100);
  });

  test.each([
    "DI",
    "EI",
    "ERET",
    "MTC0 Status",
    "MFC0 Count",
    "MTC0 EntryHi, same ASID",
    "TLBP, the address looked up last",
    "RDHWR",
  ])("%s is a fast exit", (name) => {
    const { exits, fastExits, hostInstructions } = cost(named(name));
    expect([exits, fastExits]).toEqual([0, 1]);
    expect(hostInstructions).toBeLessThan(160);
  });

  test.each(["MTC0 Compare", "TLBWI", "TLBR", "load from a device"])("%s is an exit", (name) => {
    expect(cost(named(name))).toMatchObject({ exits: 1, fastExits: 0 });
  });

  test("with fast exits off all are exits", () => {
    expect(measure(named("DI"), PLAIN, { fastExits: "off" }, QUICK)).toMatchObject({
      exits: 1,
      fastExits: 0,
    });
  });

  test("a change of the ASID is one exit, whatever is mapped, under many roots", () => {
    for (const pages of PAGE_COUNTS) {
      const turns = { pages, gvaRoots: 8, touching: false };
      expect(cost(asidTurns(turns, true), asidTurns(turns, false)).exits, `${pages} pages`).toBe(1);
    }
  });

  test("under one root the pages that are touched again cost exits", () => {
    const exits = (pages: number): number => {
      const turns = { pages, gvaRoots: 1, touching: true };
      return cost(asidTurns(turns, true), asidTurns(turns, false)).exits;
    };
    expect(exits(0)).toBe(1);
    expect(exits(256)).toBeGreaterThan(15);
  });

  test("a look-up is an exit at every size of the guest's TLB", () => {
    for (const entries of [64, 4096] as const) expect(cost(lookup(entries))).toMatchObject({ exits: 1 });
  });
});

test.each([
  ["of stretches that agree", [980, 1000, 1010, 1020, 5000], 1010],
  ["below nothing", [-31_451, -31_452, -31_450, -31_453, -31_454], null],
  ["of stretches that do not agree", [-20_000, 300, 31_451, 40_000, 90_000], null],
  ["of one stretch", [12], 12],
])("a time %s", (_, values, time) => {
  expect(agreedTime(values)).toBe(time);
});

test("the table has a line for each, and the real system's figures beside ours", () => {
  const costs = [
    { name: "DI", nanoseconds: 123.4, hostInstructions: 101, exits: 0, fastExits: 1, real: 578 },
    { name: "EI", nanoseconds: null, hostInstructions: 99, exits: 0, fastExits: 1 },
  ];
  const boot = { guest: "g", rows: [{ name: "all", exits: 23_084, real: 169_091 }] };
  const lines = (HEAD + textOfPart({ title: "traps", costs }) + textOfBoot(boot)).split("\n");
  expect(lines.map((line) => line.trim().split(/ +/).join(" "))).toEqual([
    "ns host instr. exits fast exits real system",
    "traps",
    "DI 123 101 0 1 578",
    "EI noise 99 0 1",
    "exits of the boot of g, up to its shell",
    "all 23,084 169,091",
    "",
  ]);
});

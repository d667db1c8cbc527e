import { beforeEach, expect, it } from "vitest";
import { RefillLog } from "./refill-log.ts";
import { CPU_STRIDE, REFILL_LOG } from "./state-layout.ts";

const { entries } = REFILL_LOG;
let log: RefillLog;
let noted: number;

beforeEach(() => {
  log = new RefillLog(new Int32Array(CPU_STRIDE / 4), 0);
  noted = 0;
});

/** Notes refills of pages in a row, for ASIDs in turn. */
function note(count: number): void {
  for (let n = 0; n < count; n++, noted++) log.note(noted, noted * 0x1000 + 0x234, noted % 3);
}

const agos = (): number[] => [...log.before(noted)].map(({ ago }) => ago);

it("has the last refills, the last one first", () => {
  note(2);
  expect([...log.before(noted)]).toEqual([
    { page: 0x1000, asid: 1, ago: 0 },
    { page: 0, asid: 0, ago: 1 },
  ]);
  note(entries);
  const all = [...log.before(noted)];
  expect(all).toHaveLength(entries);
  expect(all.at(-1)).toEqual({ page: 0x2000, asid: 2, ago: entries - 1 });
});

it("knows addresses of the upper half as unsigned", () => {
  log.note(0, 0xbfff_f123 | 0, 0xff);
  expect([...log.before(1)]).toEqual([{ page: 0xbfff_f000, asid: 0xff, ago: 0 }]);
});

it("forgets an ASID, and no other", () => {
  note(7);
  log.forget(0);
  expect([...log.before(noted)].map(({ asid }) => asid)).toEqual([2, 1, 2, 1]);
});

it("turned back, it knows what came before and nothing of what is still to come", () => {
  note(entries + 10);
  log.moved(noted, noted - 4);
  noted -= 4;
  expect(agos()).toEqual(Array.from({ length: entries - 4 }, (_, ago) => ago));
  log.moved(noted, noted + 3);
  noted += 3;
  expect(agos().slice(0, 2)).toEqual([3, 4]);
  log.moved(noted, 5);
  noted = 5;
  expect(agos()).toEqual([]);
});

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type BenchRecord, type Figures, withRecord } from "../../bench/figures.ts";
import { withFigures } from "../../bench/markdown.ts";

const DOCUMENT = "before\n\n<!-- figures: made -->\n\nold\n\n<!-- end of figures -->\n\nafter\n";

const record: BenchRecord = {
  machine: "a machine",
  revision: "abc",
  runs: 3,
  sections: [
    {
      title: "One",
      rows: [
        { name: "x", values: { "A s": 1.234 }, samples: { A: [1, 2] } },
        { name: "yyyy", values: { "B s": 5 } },
      ],
    },
    { title: "Two", rows: [], notes: ["skipped: $& is missing"] },
  ],
};

test("figures take the place of those before them, and nothing else changes", () => {
  const figures = withRecord([], record);
  const made = withFigures(DOCUMENT, figures);
  expect(made).toBe(`before

<!-- figures: made -->

### One

Measured on a machine; medians of 3 runs of each side of abc.

|      |  A s | B s |
| ---- | ---: | --: |
| x    | 1.23 |     |
| yyyy |      |   5 |

### Two

skipped: $& is missing

<!-- end of figures -->

after
`);
  expect(withFigures(made, figures)).toBe(made);
});

test("a table that was measured anew takes the place of the old one, the others stay and say what they are of", () => {
  const two = { title: "Two", rows: [{ name: "z", values: { n: 1 } }] };
  const three = { title: "Three", rows: [] };
  const later = { machine: "a machine", revision: "def", runs: 1, sections: [two, three] };
  const figures = withRecord(withRecord([], record), later);
  expect(figures.map(({ title, revision }) => `${title} of ${revision}`)).toEqual([
    "One of abc",
    "Two of def",
    "Three of def",
  ]);
  const made = withFigures(DOCUMENT, figures);
  expect(made.match(/Measured .*/g)).toEqual([
    "Measured on a machine; medians of 3 runs of each side of abc.",
    "Measured on a machine; one run of each side of def.",
  ]);
  expect(made).not.toContain("skipped");
});

test("a document without a place for figures is refused", () => {
  expect(() => withFigures("text", [])).toThrow(/no place/);
});

test("the document has the figures that are kept", () => {
  const kept = JSON.parse(readFileSync("docs/figures.json", "utf8")) as readonly Figures[];
  const document = readFileSync("docs/performance.md", "utf8");
  expect(kept.length).toBeGreaterThan(4);
  expect(withFigures(document, kept)).toBe(document);
});

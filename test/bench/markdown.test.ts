import { expect, test } from "vitest";
import { withFigures } from "../../bench/markdown.ts";

const DOCUMENT = "before\n\n<!-- figures: made -->\n\nold\n\n<!-- end of figures -->\n\nafter\n";

test("figures take the place of those before them, and nothing else changes", () => {
  const record = {
    machine: "a machine",
    revision: "abc",
    runs: 3,
    sections: [
      {
        title: "One",
        rows: [
          { name: "x", values: { "A s": 1.234 } },
          { name: "yyyy", values: { "B s": 5 } },
        ],
      },
      { title: "Two", rows: [], notes: ["skipped: $& is missing"] },
    ],
  };
  const made = withFigures(DOCUMENT, record);
  expect(made).toBe(`before

<!-- figures: made -->

Measured on a machine; medians of 3 runs of each side of abc.

### One

|      |  A s | B s |
| ---- | ---: | --: |
| x    | 1.23 |     |
| yyyy |      |   5 |

### Two

skipped: $& is missing

<!-- end of figures -->

after
`);
  expect(withFigures(made, record)).toBe(made);
});

test("a document without a place for figures is refused", () => {
  expect(() => withFigures("text", { machine: "", runs: 1, sections: [] })).toThrow(/no place/);
});

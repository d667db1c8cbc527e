import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MUTATIONS } from "./mutations.ts";
import { HOSTS } from "./patch.ts";
import { SERIES } from "./series.ts";

const source = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

describe.each(SERIES)("patch $number: $title", ({ test: run }) => {
  test.each(HOSTS)("$model, pages of $pageSize bytes", (host) => {
    expect(() => run(host)).not.toThrow();
  });
});

test("the series is complete, and each patch has a mutation", () => {
  expect(SERIES.map(({ number }) => number)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  const mutated = new Set(MUTATIONS.map(({ patch }) => patch));
  expect(SERIES.map(({ number }) => number).filter((number) => !mutated.has(number))).toEqual([]);
});

test.each(MUTATIONS)("the mutation of patch $patch can be made: $undoes", ({ edits }) => {
  for (const { file, text, replacement } of edits) {
    expect(source(file).split(text), `${file}: ${text}`).toHaveLength(2);
    expect(replacement).not.toBe(text);
  }
});

test("docs/series.md explains each patch", () => {
  const headings = [...source("docs/series.md").matchAll(/^### (\d+)\. (.*)$/gm)];
  expect(headings.map(([, number, title]) => `${number} ${title}`)).toEqual(
    SERIES.map(({ number, title }) => `${number} ${title}`),
  );
});

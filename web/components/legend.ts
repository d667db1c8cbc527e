import { count, el } from "../dom.ts";
import type { Fill } from "./cell-grid.ts";

/** Colours in which cells are lit up that have changed. */
export const CHANGE = { new: "--lit-new", other: "--lit-other", gone: "--lit-gone" } as const;

/** So many refills are remembered: a page of which there was none among them has the palest colour. */
export const LATELY = 1024;

/** A page that may be stored to, or not. */
export const fillOf = (writable: boolean, strength = 1): Fill => ({
  colour: writable ? "--writable" : "--read-only",
  strength,
});
/** No page: an outline. */
export const NOT_VALID: Fill = { colour: "--not-valid", strength: 0 };

const MEANINGS: readonly (readonly [`--${string}`, string, kind?: "fading" | "outline"])[] = [
  ["--writable", "writable"],
  ["--read-only", "read-only"],
  ["--not-valid", "not valid", "outline"],
  ["--writable", `refilled just now … ${count(LATELY)} refills ago`, "fading"],
  [CHANGE.new, "just filled"],
  [CHANGE.other, "just replaced"],
  [CHANGE.gone, "just invalidated"],
];

/** What the colours of TLBs and page tables mean. */
export function legend(): HTMLElement {
  return el(
    "ul",
    { class: "legend", "aria-label": "Colours" },
    ...MEANINGS.map(([of, meaning, kind = "plain"]) =>
      el("li", { class: kind, style: `--swatch: var(${of})` }, meaning),
    ),
  );
}

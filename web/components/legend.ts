import { el } from "../dom.ts";

/** Colours in which cells are lit up that have changed. */
export const CHANGE = { new: "--lit-new", other: "--lit-other", gone: "--lit-gone" } as const;

const MEANINGS: readonly (readonly [`--${string}`, string])[] = [
  ["--c1", "writable"],
  ["--c6", "read-only"],
  ["--c8", "not valid"],
  [CHANGE.new, "just filled"],
  [CHANGE.other, "just replaced"],
  [CHANGE.gone, "just invalidated"],
];

/** What the colours of TLBs and page tables mean. */
export function legend(): HTMLElement {
  return el(
    "ul",
    { class: "legend", "aria-label": "Colours" },
    ...MEANINGS.map(([of, meaning]) => el("li", { style: `--swatch: var(${of})` }, meaning)),
  );
}

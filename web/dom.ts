/** Making elements: all that the page needs of a framework. */

type Child = Node | string;

/** An element with attributes (class, aria-label, …) and children. A boolean attribute is there if it is true. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | boolean>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  element.append(...children);
  return element;
}

/** A button that does `action`. */
export function button(label: string, title: string, action: () => void): HTMLButtonElement {
  const element = el("button", { type: "button", title }, label);
  element.addEventListener("click", action);
  return element;
}

/** Calls `action` now and whenever the colour scheme changes. */
export function onColourScheme(action: () => void): void {
  action();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", action);
}

/** The value of a custom property of the style sheet, such as `--ink`. */
export function colour(name: `--${string}`): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A number for people: 12,345. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** A large number in little room: 12.3k, 4.56M. */
export function brief(value: number): string {
  for (const [unit, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const)
    if (value >= size) return `${(value / size).toPrecision(3)}${unit}`;
  return String(Math.round(value));
}

/** An address or a word: 8 hexadecimal digits. */
export const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

/** The address that `text` says in hexadecimal digits; null if it says none. */
export function parseAddress(text: string): number | null {
  const [, digits] = /^(?:0x)?([0-9a-f]{1,8})$/i.exec(text.trim()) ?? [];
  return digits === undefined ? null : Number.parseInt(digits, 16);
}

/** A number of bytes as people write it: 4 KiB, 256 MiB. */
export function bytes(value: number): string {
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const)
    if (value >= size) return `${value / size} ${unit}`;
  return `${value} bytes`;
}

/** What an error says. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Sets an element's text, without work if it has it already. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

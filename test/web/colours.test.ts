/** The colours of maps and TLBs: seen against empty cells, and told apart by the colour-blind as well. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../project/tree.ts";

type Triple = readonly [number, number, number];

const STATES = ["--writable", "--read-only"] as const;
const CHANGES = ["--lit-new", "--lit-other", "--lit-gone"] as const;
/** WCAG 2.2, "Non-text Contrast". */
const LEAST_CONTRAST = 3;
/** Distance in CIE 1976 L*a*b*; about 2 can just be seen. */
const LEAST_DISTANCE = 15;

/** What linear RGB becomes without one kind of cone: Machado, Oliveira and Fernandes 2009, severity 1. */
const VISION: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  full: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const [light, dark] = readFileSync(join(ROOT, "web/styles/colours.css"), "utf8").split("@media");

/** A colour of a scheme, as linear RGB. */
function colour(scheme: string, name: string): Triple {
  const digits = new RegExp(`${name}: #([0-9a-f]{6});`).exec(scheme)![1]!;
  const channel = (at: number): number => {
    const value = Number.parseInt(digits.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(0), channel(2), channel(4)];
}

const dot = (a: Triple, b: Triple): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const LUMINANCE: Triple = [0.2126, 0.7152, 0.0722];

function contrast(a: Triple, b: Triple): number {
  const [high, low] = [dot(a, LUMINANCE), dot(b, LUMINANCE)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** CIE 1976 L*a*b* under D65, as somebody with this vision sees it. */
function lab(rgb: Triple, vision: readonly [Triple, Triple, Triple]): Triple {
  const seen = vision.map((row) => Math.min(1, Math.max(0, dot(row, rgb)))) as unknown as Triple;
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f(dot(seen, [0.4124, 0.3576, 0.1805]) / 0.9505);
  const y = f(dot(seen, LUMINANCE));
  const z = f(dot(seen, [0.0193, 0.1192, 0.9505]) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

test.each([
  ["light", light!],
  ["dark", dark!],
])("%s", (_, scheme) => {
  for (const name of [...STATES, "--not-valid", ...CHANGES])
    expect(contrast(colour(scheme, name), colour(scheme, "--empty")), name).toBeGreaterThan(LEAST_CONTRAST);
  const names = [...STATES, ...CHANGES];
  for (const [kind, vision] of Object.entries(VISION))
    for (const [i, a] of names.entries())
      for (const b of names.slice(i + 1)) {
        const [from, to] = [a, b].map((name) => lab(colour(scheme, name), vision)) as [Triple, Triple];
        const distance = Math.hypot(from[0] - to[0], from[1] - to[1], from[2] - to[2]);
        expect(distance, `${a}, ${b}: ${kind}`).toBeGreaterThan(LEAST_DISTANCE);
      }
});

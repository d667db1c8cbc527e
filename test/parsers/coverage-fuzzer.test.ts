/** The fuzzer notices what it is there for, and its counters change nothing. */
import { stripTypeScriptTypes } from "node:module";
import { parseSync } from "vite";
import { describe, expect, it } from "vitest";
import { fuzz, type FuzzOptions } from "../../tools/coverage-fuzzer/fuzz.ts";
import type { TargetExports } from "../../tools/coverage-fuzzer/fuzz-target.ts";
import { COUNTERS, instrument } from "../../tools/coverage-fuzzer/instrument.ts";
import { filesBelow, textOf } from "../project/tree.ts";

const planted = (defect: string, options: Partial<FuzzOptions> = {}) =>
  fuzz(
    { about: defect, module: new URL(`./planted.ts?${defect}`, import.meta.url), covers: ["test/parsers/"] },
    { seed: 1, inputs: 20_000, ...options },
  );

/** The only finding, and what the parser does with its input now. */
async function foundIn(defect: string, options: Partial<FuzzOptions> = {}) {
  const { findings, inputs } = await planted(defect, options);
  expect(findings).toHaveLength(1);
  return { ...findings[0]!, inputs };
}

describe("the fuzzer", () => {
  it("finds by the branches that inputs take what chance does not find", async () => {
    const inputs = 400_000;
    const { kind, what, details, input } = await foundIn("magic", { inputs });
    expect({ kind, what }).toEqual({ kind: "error", what: "TypeError: the magic was found" });
    expect(details).toContain("planted.ts");
    expect(input).toEqual(Uint8Array.of(0x6b, 0xf3, 0x05, 0x9e, 0xc1, 0x42));
    const blind = await planted("magic", { inputs, guided: false });
    expect(blind).toMatchObject({ inputs, findings: [] });
  });

  it("makes an input that fails small, and it fails again", async () => {
    const { kind, what, input } = await foundIn("throws");
    expect({ kind, input }).toEqual({ kind: "error", input: Uint8Array.of(0x80) });
    expect(what).toMatch(/^TypeError: Cannot read properties of undefined/);
    const address = "./planted.ts?throws";
    const { openTarget } = (await import(address)) as TargetExports;
    const { take } = await openTarget();
    expect(() => take(input!)).toThrow(TypeError);
  });

  it.each([
    ["hangs", { patience: 3 }, "hang", /nothing after 3 s/],
    ["never", {}, "hang", /never settled/],
    ["hoards", { heap: 48 }, "memory", /more than 48 MiB of objects/],
  ] as const)("notices an input for which a parser %s", async (defect, options, kind, what) => {
    const found = await foundIn(defect, options);
    expect(found.kind).toBe(kind);
    expect(found.what).toMatch(what);
    expect(found.input![1]).toBe(0x80);
  });

  it("notices what an asynchronous parser rejects with", async () => {
    const { what, input } = await foundIn("rejects");
    expect(what).toBe("RangeError: too late");
    expect(input![1]).toBe(0x80);
  });

  it("notices that memory is not given back", async () => {
    const { kind, what } = await foundIn("leaks", { inputs: 40_000 });
    expect(kind).toBe("leak");
    expect(what).toMatch(/^the heap has grown by 2\d MiB in the second half/);
  });

  it("takes an error of the parser's own for no defect, if it says one clear line", async () => {
    expect(await planted("refuses")).toMatchObject({ inputs: 20_000, findings: [] });
    const { what } = await foundIn("unclear");
    expect(what).toMatch(/^UnclearRefusal: PlantedError has several lines/);
  });

  it("does the same again", async () => {
    const [one, two] = [await planted("refuses"), await planted("refuses")];
    const told = ({ inputs, taken, branches, corpus }: typeof one) => ({ inputs, taken, branches, corpus });
    expect(told(one)).toEqual(told(two));
    expect(one.corpus).toBeGreaterThan(2);
  });
});

const SAMPLE = `
interface Thing { readonly a?: number }
abstract class Base { abstract name(): string; protected constructor(readonly: number) {} }
class Derived extends Base { constructor(x = 3) { super(x); } name(): string { return x => x as unknown as string, "d" } }
export function run(n: number): unknown[] {
  const out: unknown[] = [];
  for (let i = 0; i < n; i++) if (i % 2) out.push(i); else if (i === 4) continue; else out.push(-i);
  do out.push("do"); while (out.length < 3);
  outer: for (const x of [1, 2]) for (const key in { a: 1, b: 2 }) { if (key === "b") continue outer; out.push(key + x); }
  switch (n) { case 1: case 2: out.push("few"); case 3: { out.push("three"); break; } default: out.push("many") }
  try { if (n > 5) throw new Error("x"); } catch { out.push("caught"); } finally { out.push("done"); }
  const pick = (t: Thing = {}) => t.a ?? (n > 1 && n < 4 ? "some" : n ? { n } : null);
  const object = { m<T>(v: T) { return v satisfies T; }, get g() { return n || "none"; }, async a() { await 0; } };
  let later: number | null = null;
  later ??= n; later &&= later + 1;
  out.push(pick(), pick({ a: 0 }), object.m(1), object.g, new Derived().name(), later);
  return out;
}
`;

async function runSample(source: string, n: number): Promise<unknown[]> {
  const code = stripTypeScriptTypes(source);
  const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    run: (n: number) => unknown[];
  };
  return module.run(n);
}

describe("counters", () => {
  it("leave code as it is, and count what is executed", async () => {
    const { source, counters } = instrument("sample.ts", SAMPLE, 10);
    const counts = new Uint32Array(counters);
    Object.assign(globalThis, { [COUNTERS]: counts });
    for (const n of [0, 1, 2, 3, 6]) {
      counts.fill(0);
      expect(await runSample(source, n)).toEqual(await runSample(SAMPLE, n));
      const taken = counts.filter((times) => times > 0).length;
      expect(taken).toBeGreaterThan(15);
      expect(taken).toBeLessThan(counters - 10);
    }
    expect(counts.subarray(0, 10).some((times) => times > 0)).toBe(false);
  });

  it("can be put into all sources", () => {
    const sources = filesBelow("src").filter((path) => path.endsWith(".ts"));
    for (const path of sources) {
      const { source } = instrument(path, textOf(path), 0);
      expect(parseSync(path, source).errors, path).toEqual([]);
    }
  });
});

/**
 * The engines in Debian's browsers, in a worker and without any flags: they agree with each other there, and with what
 * they do in Node; and Firefox takes no more than twice as long as Chromium.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demoFile } from "../cli/kseg.ts";
import { ROOT } from "../project/tree.ts";
import {
  BROWSERS,
  buildWorker,
  carryOutIn,
  hasBrowser,
  launchBrowser,
  type BrowserName,
} from "./engines/browsers.ts";
import { carryOut, type Task } from "./engines/tasks.ts";
import { serveFiles, type Site } from "./static-site.ts";

const MINUTES = 60_000;
/**
 * Times that each task is timed in each browser; the shortest counts, as this computer may do other work as well. More
 * rounds follow where these do not tell.
 */
const ROUNDS = 2;
const MORE_ROUNDS = 4;
/** Firefox's time may be so many times Chromium's. */
const MOST_RATIO = 2;

const ENGINES = ["interp", "auto", "jit"] as const;
const DEMO = { kind: "guest", engines: ENGINES, input: "ps\ntour\npoweroff\n" } as const;
const LOOP = { kind: "guest", mode: "bare", engines: ["auto"], input: "" } as const;

/** By what they are called in the output. */
const TASKS: Readonly<Record<string, Task>> = {
  "random programs": { kind: "programs", seed: Math.floor(Date.now() / 86_400_000), count: 60 },
  "demo guest, te": { ...DEMO, image: "demo-te.elf", mode: "te" },
  "demo guest, bare": { ...DEMO, image: "demo-bare.elf", mode: "bare" },
  "memory loop": { ...LOOP, image: "memory.elf" },
  "calls loop": { ...LOOP, image: "calls.elf" },
};

const IMAGES = new Map<string, Uint8Array>([
  ...["demo-te.elf", "demo-bare.elf"].map((name) => [name, readFileSync(demoFile(name))] as const),
  ...["memory.elf", "calls.elf"].map(
    (name) => [name, readFileSync(join(ROOT, "bench/guests", name))] as const,
  ),
]);

const present = (Object.keys(BROWSERS) as BrowserName[]).filter(hasBrowser);

describe.skipIf(present.length === 0)("the engines in a browser", () => {
  const browsers = new Map<BrowserName, Browser>();
  const best = new Map<string, number>();
  let site: Site;

  beforeAll(async () => {
    const worker = await buildWorker();
    site = await serveFiles(
      new Map([...IMAGES, ["worker.js", worker], ["index.html", Buffer.from("<!doctype html>")]]),
    );
    for (const name of present) browsers.set(name, await launchBrowser(name));
  });
  afterAll(async () => {
    for (const browser of browsers.values()) await browser.close();
    site?.close();
  });

  test.each(Object.keys(TASKS))(
    "%s: the same in every browser as in Node",
    { timeout: 10 * MINUTES },
    async (name) => {
      const task = TASKS[name]!;
      const expected = await carryOut(task, (image) => Promise.resolve(IMAGES.get(image)!));
      for (let round = 0; round < ROUNDS; round++)
        for (const [browser, result] of await timed(name)) expect(result, browser).toBe(expected);
    },
  );

  /** Carries a task out in each browser, and keeps the shortest times; the results. */
  async function timed(name: string): Promise<ReadonlyMap<BrowserName, string>> {
    const results = new Map<BrowserName, string>();
    for (const [browserName, browser] of browsers) {
      const { result, milliseconds } = await carryOutIn(browser, site.url, TASKS[name]!);
      results.set(browserName, result);
      const key = `${name} in ${browserName}`;
      best.set(key, Math.min(best.get(key) ?? Infinity, milliseconds));
    }
    return results;
  }

  const timeIn = (browser: BrowserName, name: string): number => best.get(`${name} in ${browser}`)!;
  const allIn = (browser: BrowserName): number =>
    Object.keys(TASKS).reduce((sum, name) => sum + timeIn(browser, name), 0);

  test.skipIf(present.length < 2)(
    "Firefox takes at most twice Chromium's time",
    { timeout: 10 * MINUTES },
    async () => {
      const ratio = (): number => allIn("Firefox") / allIn("Chromium");
      for (let round = 0; round < MORE_ROUNDS && ratio() > MOST_RATIO; round++)
        for (const name of Object.keys(TASKS)) await timed(name);
      for (const name of Object.keys(TASKS)) {
        const [a, b] = [timeIn("Chromium", name), timeIn("Firefox", name)];
        console.log(
          `${name}: Chromium ${a.toFixed(0)} ms, Firefox ${b.toFixed(0)} ms, ratio ${(b / a).toFixed(2)}`,
        );
      }
      console.log(`all: Firefox ÷ Chromium ${ratio().toFixed(2)}`);
      expect(ratio()).toBeLessThanOrEqual(MOST_RATIO);
    },
  );
});

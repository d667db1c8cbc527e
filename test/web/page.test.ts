import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { accessibilityProblems, consoleText, hasChromium, launch, untilConsoleShows } from "./browser.ts";
import { buildSite, compressedSize, serveSite, type Site } from "./static-site.ts";

const PROMPT = "kseg>";

describe.skipIf(!hasChromium())("the page", () => {
  let site: Site;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    await buildSite();
    site = await serveSite();
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    site?.close();
  });
  beforeEach(async () => {
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    problems.length = 0;
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
  });
  afterEach(async () => {
    await page.close();
    if (problems.length > 0) throw new Error(`the page reports: ${problems.join("; ")}`);
  });

  it("opens into the demo guest's prompt within 1.5 s, and takes what is typed", async () => {
    const times: number[] = [];
    for (let run = 0; run < 3; run++) {
      const began = performance.now();
      await page.goto(site.url);
      await untilConsoleShows(page, PROMPT);
      times.push(performance.now() - began);
    }
    console.log(`opening to prompt: ${times.map((time) => `${Math.round(time)} ms`).join(", ")}`);
    expect(Math.min(...times)).toBeLessThan(1500);
    await page.keyboard.type("help\n");
    await untilConsoleShows(page, "poweroff");
    expect(await consoleText(page)).toContain("tour");
  });

  it("passes an automated accessibility check, in light and dark", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(site.url);
      await untilConsoleShows(page, PROMPT);
      expect(await accessibilityProblems(page)).toEqual([]);
    }
  });

  it("is small", () => {
    const size = compressedSize();
    console.log(`static site without guest images: ${(size / 1024).toFixed(1)} KiB compressed`);
    expect(size).toBeLessThan(350 * 1024);
  });
});

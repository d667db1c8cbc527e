/** The built page in a real Chromium: what tests of it begin with. */
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe } from "vitest";
import { hasChromium, launch } from "./browser.ts";
import { buildSite, serveSite, type Site } from "./static-site.ts";

/** What a test of the page has: a page that is not loaded yet, 1280 × 800, and where the site is. */
export interface Opened {
  readonly page: Page;
  readonly site: Site;
}

/**
 * Tests of the page; without a Chromium they are skipped. What the page reports as an error fails the test.
 * `opened` gives what the current test has.
 */
export function describePage(name: string, tests: (opened: () => Opened) => void): void {
  describe.skipIf(!hasChromium())(`${name}`, () => {
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
    tests(() => ({ page, site }));
  });
}

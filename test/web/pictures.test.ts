import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../project/tree.ts";
import { accessibilityProblems, untilConsoleShows } from "./browser.ts";
import { describePage } from "./describe-page.ts";

/** The pictures are left here, to be looked at; docs/page.png is one of them. */
const FOLDER = join(ROOT, "dist/pictures");

const SIZES = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
] as const;

describePage("the page looks right", (opened) => {
  mkdirSync(FOLDER, { recursive: true });

  it.each(
    SIZES.flatMap((size) => (["light", "dark"] as const).map((colorScheme) => ({ ...size, colorScheme }))),
  )("at $width × $height, $colorScheme", async ({ width, height, colorScheme }) => {
    const { page, site } = opened();
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.goto(site.url);
    await untilConsoleShows(page, "kseg>");
    await page.keyboard.type("tour\n");
    await untilConsoleShows(page, "short-lived processes");
    for (const name of ["TLB miss", "CPU", "Compare", "Guest", "Translation"]) {
      await page.getByRole("tab", { name }).click();
      if (name === "TLB miss") {
        const slow = page.getByRole("region", { name: "Slow" });
        await slow.getByRole("button", { name: "Follow one" }).click();
        await page.locator(".console").click();
        await page.keyboard.type("demand 40\n");
        await page.getByText("at miss").waitFor();
      }
      if (name === "Compare") {
        await page.getByRole("button", { name: "Run both" }).click();
        await page.getByText("Both have come to their end.").waitFor();
      }
      await page.waitForTimeout(400);
      // Nothing is cut off at the side.
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      expect(overflow, name).toBeLessThanOrEqual(0);
      expect(await accessibilityProblems(page)).toEqual([]);
      const file = `${name.replace(" ", "-").toLowerCase()}-${width}-${colorScheme}.png`;
      await page.screenshot({ path: join(FOLDER, file), fullPage: width < 1000 });
      if (name === "TLB miss") await page.getByRole("button", { name: "Run", exact: true }).click();
    }
  });
});

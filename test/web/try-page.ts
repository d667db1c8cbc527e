/** What `examples/web-page` does in a browser, wherever it was built. */
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** Opens the page at `url`, and uses it as its reader would. */
export async function tryPage(page: Page, url: string): Promise<void> {
  await page.goto(url);
  const screen = page.locator("#console");
  await screen.filter({ hasText: "kseg>" }).waitFor();
  await page.getByLabel("Command").fill("ps");
  await page.keyboard.press("Enter");
  await screen.filter({ hasText: "monitor" }).waitFor();
  await page.getByLabel("Command").fill("poweroff");
  await page.keyboard.press("Enter");
  await screen.filter({ hasText: "power off\n[the guest is off]" }).waitFor();
  const figures = await page.getByRole("status").innerText();
  const [, instructions, exits, refills] =
    /^(\d+) instructions, (\d+) exits, (\d+) refills$/.exec(figures)?.map(Number) ?? [];
  expect(instructions, figures).toBeGreaterThan(1_000_000);
  expect(exits, figures).toBeGreaterThan(100);
  expect(refills, figures).toBeGreaterThan(100);
}

import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Browser } from "playwright-core";
import { ROOT } from "../project/tree.ts";
import { hasChromium, launch } from "./browser.ts";
import { buildPage, serveSite, type Site } from "./static-site.ts";
import { tryPage } from "./try-page.ts";

describe.skipIf(!hasChromium())("the example of a page", () => {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    const out = join(ROOT, "dist/example-page");
    await buildPage(join(ROOT, "examples/web-page"), out);
    site = await serveSite(out);
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  it("boots a guest, takes a command and counts what the hypervisor does", async () => {
    await tryPage(await browser.newPage(), site.url);
  });
});

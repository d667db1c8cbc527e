import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../project/tree.ts";
import { hasChromium, launch } from "../web/browser.ts";
import { buildPage, serveSite, type Site } from "../web/static-site.ts";
import { tryPage } from "../web/try-page.ts";
import { install, pack } from "./install.ts";

/** A page that needs nothing but the library, and no worker. */
const TINY = `
import { createGuest, TICKS_PER_SECOND } from "kseg";
import demo from "kseg/guests/demo-te.elf?url";
const kernel = new Uint8Array(await (await fetch(demo)).arrayBuffer());
let text = "";
const guest = createGuest({ kernel, onConsole: (bytes) => (text += new TextDecoder().decode(bytes)) });
guest.sendInput(new TextEncoder().encode("ps\\npoweroff\\n"));
const { kind } = guest.run(10 * TICKS_PER_SECOND);
document.body.textContent = text + kind + " after " + guest.stats().guestInstructions;
`;

/** What the same guest does in Node. */
async function inNode(): Promise<{ readonly text: string; readonly instructions: number }> {
  const { createGuest, TICKS_PER_SECOND } = await import("../../src/index.ts");
  const kernel = readFileSync(join(ROOT, "guests/demo/demo-te.elf"));
  let text = "";
  const guest = createGuest({ kernel, onConsole: (bytes) => (text += new TextDecoder().decode(bytes)) });
  guest.sendInput(new TextEncoder().encode("ps\npoweroff\n"));
  guest.run(10 * TICKS_PER_SECOND);
  return { text, instructions: guest.stats().guestInstructions };
}

describe.skipIf(!hasChromium())("the package in a browser bundle", () => {
  const { tarball } = pack();
  const folder = install(tarball);
  const sites: Site[] = [];
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    for (const site of sites) site.close();
    for (const made of [dirname(tarball), folder])
      if (made !== null) rmSync(made, { recursive: true, force: true });
  });

  /** Builds the page in `name`, of the folder in which the package is installed, and serves it. */
  async function built(name: string): Promise<string> {
    const out = join(folder!, `${name}-built`);
    await buildPage(join(folder!, name), out);
    const site = await serveSite(out);
    sites.push(site);
    return site.url;
  }

  it.skipIf(folder === null)("runs the demo guest as Node does", async () => {
    mkdirSync(join(folder!, "tiny"));
    writeFileSync(join(folder!, "tiny/main.js"), TINY);
    writeFileSync(
      join(folder!, "tiny/index.html"),
      `<body><script type="module" src="./main.js"></script></body>`,
    );
    const page = await browser.newPage();
    await page.goto(await built("tiny"));
    const { text, instructions } = await inNode();
    const body = page.locator("body");
    await body.filter({ hasText: "after" }).waitFor();
    expect(await body.textContent()).toBe(`${text}off after ${instructions}`);
  });

  it.skipIf(folder === null)("runs the example of a page, with its worker", async () => {
    cpSync(join(ROOT, "examples/web-page"), join(folder!, "web-page"), { recursive: true });
    await tryPage(await browser.newPage(), await built("web-page"));
  });
});

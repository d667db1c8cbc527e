/** A real Chromium for the tests of the page. */
import { accessSync, constants, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";

/** Where Debian's chromium is; KSEG_CHROMIUM names another one. */
const PATH = process.env["KSEG_CHROMIUM"] ?? "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Whether there is a Chromium. If not, that is printed. */
export function hasChromium(): boolean {
  try {
    accessSync(PATH, constants.X_OK);
    return true;
  } catch {
    console.log(`the web page: skipped: there is no ${PATH} (Debian: apt-get install chromium)`);
    return false;
  }
}

/** Starts it, with a profile of its own. */
export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: PATH, args: FLAGS });
}

/** Milliseconds that the CPUs have worked for all processes of the browser, whatever else the computer does. */
export async function cpuTime(page: Page): Promise<number> {
  const session = await page.context().browser()!.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.reduce((sum, each) => sum + each.cpuTime * 1000, 0);
}

/** What the guest's console shows. */
export function consoleText(page: Page): Promise<string> {
  return page.locator(".xterm-rows").innerText();
}

/** Waits until the console shows `text`. */
export async function untilConsoleShows(page: Page, text: string, timeout = 30_000): Promise<void> {
  await page.locator(".xterm-rows").filter({ hasText: text }).waitFor({ timeout });
}

/** Drops files onto the page. */
export async function dropFiles(page: Page, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const plain = Object.entries(files).map(([name, bytes]) => ({
    name,
    base64: Buffer.from(bytes).toString("base64"),
  }));
  // As text: this side knows no types of the browser's.
  const transfer = await page.evaluateHandle(`(async () => {
    const data = new DataTransfer();
    for (const { name, base64 } of ${JSON.stringify(plain)}) {
      const response = await fetch("data:application/octet-stream;base64," + base64);
      data.items.add(new File([await response.blob()], name));
    }
    return data;
  })()`);
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/** What axe finds wrong with the page as it is: rule and place. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const results = await page.evaluate<AxeResults>("axe.run()");
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  );
}

/**
 * Milliseconds between two frames, at the 95th percentile of 240: the best of some attempts, as this computer may be
 * busy with something else.
 */
export async function frameTime(page: Page, attempts = 4): Promise<number> {
  let best = Infinity;
  for (let n = 0; n < attempts && best >= 50; n++) best = Math.min(best, await measureFrames(page));
  return best;
}

async function measureFrames(page: Page): Promise<number> {
  const frames = await page.evaluate<number[]>(`new Promise((resolve) => {
    const times = [];
    let last = performance.now();
    const frame = (now) => {
      times.push(now - last);
      last = now;
      if (times.length < 240) requestAnimationFrame(frame);
      else resolve(times);
    };
    requestAnimationFrame(frame);
  })`);
  return frames.sort((a, b) => a - b)[Math.floor(frames.length * 0.95)]!;
}

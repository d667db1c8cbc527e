/** Browsers of Debian as they are, and a page in each whose workers carry out tasks. */
import { accessSync, constants } from "node:fs";
import { launch, type Browser, type LaunchOptions } from "puppeteer-core";
import { build } from "vite";
import { ROOT } from "../../project/tree.ts";
import type { Answer, Task } from "./tasks.ts";

/** How a browser is started. Both show no window. */
interface BrowserKind {
  readonly path: string;
  readonly debianPackage: string;
  readonly options: LaunchOptions;
}

/** KSEG_CHROMIUM and KSEG_FIREFOX name other programs. Firefox is driven by WebDriver BiDi, which it has as it is. */
export const BROWSERS = {
  Chromium: {
    path: process.env["KSEG_CHROMIUM"] ?? "/usr/bin/chromium",
    debianPackage: "chromium",
    options: { browser: "chrome", args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] },
  },
  Firefox: {
    path: process.env["KSEG_FIREFOX"] ?? "/usr/bin/firefox-esr",
    debianPackage: "firefox-esr",
    options: { browser: "firefox" },
  },
} as const satisfies Record<string, BrowserKind>;
export type BrowserName = keyof typeof BROWSERS;

/** Whether there is such a browser. If not, that is printed. */
export function hasBrowser(name: BrowserName): boolean {
  const { path, debianPackage } = BROWSERS[name];
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    console.log(
      `engines in ${name}: skipped: there is no ${path} (Debian: apt-get install ${debianPackage})`,
    );
    return false;
  }
}

/** Starts a browser, with a profile of its own. */
export function launchBrowser(name: BrowserName): Promise<Browser> {
  const { path, options } = BROWSERS[name];
  return launch({ ...options, executablePath: path, headless: true });
}

/** The worker as one module. */
export async function buildWorker(): Promise<Uint8Array> {
  const built = await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    build: {
      write: false,
      target: "es2022",
      modulePreload: { polyfill: false },
      rollupOptions: { input: `${ROOT}/test/web/engines/worker.ts` },
    },
  });
  const [chunk, ...others] = "output" in built ? built.output : [];
  if (chunk === undefined || others.length > 0) throw new Error("the worker is not one module");
  return Buffer.from(chunk.code);
}

/** Has a new worker of the site at `url` carry out `task`. Throws what was thrown there. */
export async function carryOutIn(
  browser: Browser,
  url: string,
  task: Task,
): Promise<Exclude<Answer, { readonly error: string }>> {
  const page = await browser.newPage();
  try {
    await page.goto(url);
    // As text: this side knows no types of the browser's.
    const answer = (await page.evaluate(`new Promise((resolve, reject) => {
      const worker = new Worker("worker.js", { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(${JSON.stringify(task)});
    })`)) as Answer;
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  } finally {
    await page.close();
  }
}

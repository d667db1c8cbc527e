import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createGuest } from "../../src/index.ts";
import { ROOT } from "../project/tree.ts";
import { accessibilityProblems, consoleText, dropFiles, untilConsoleShows } from "./browser.ts";
import { describePage } from "./describe-page.ts";
import { compressedSize } from "./static-site.ts";

const PROMPT = "kseg>";
const DEMO = readFileSync(join(ROOT, "guests/demo/demo-te.elf"));

const count = (value: number): string => value.toLocaleString("en-US");
const squeeze = (text: string): string => text.replaceAll(/\s+/g, " ");

describePage("the page", (opened) => {
  it("opens into the demo guest's prompt within 1.5 s, and takes what is typed", async () => {
    const { page, site } = opened();
    const times: number[] = [];
    // The computer may be busy with something else.
    for (let run = 0; run < 3 || (run < 8 && Math.min(...times) >= 1500); run++) {
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

  it("shows what kseg counts without a page at the same tick", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?refill=slow&guest-tlb=64`);
    await untilConsoleShows(page, PROMPT);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("paused").waitFor();
    const time = Number(await page.locator(".toolbar").getAttribute("data-time"));
    expect(time).toBeGreaterThan(0);
    const guest = createGuest({ kernel: DEMO, refill: "slow", guestTlb: 64, onConsole() {} });
    while (guest.time < time) guest.run(time - guest.time);
    const { exits, refills } = guest.stats();
    const all = Object.values(exits).reduce((sum, value) => sum + value, 0);
    expect(await page.locator(".figures").innerText()).toContain(`${count(all)} exits`);
    const shown = await page.locator(".rates li").allInnerTexts();
    for (const cause of ["tlbmiss_ld", "tlbmiss_st", "addrerr_ld", "cop_unusable"])
      expect(shown.map(squeeze)).toContain(`${cause} ${count(exits[cause]!)}`);
    expect(shown.map(squeeze)).toContain(`slow, by an exit ${count(refills.slow)}`);
  });

  it("starts a guest with other settings, which are in the address", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?refill=slow`);
    await untilConsoleShows(page, PROMPT);
    await page.getByRole("tab", { name: "Guest" }).click();
    const settings = page.getByRole("form", { name: "Settings" });
    expect(await settings.getByLabel("Refill").inputValue()).toBe("slow");
    await settings.getByLabel("Host pages").selectOption("16k");
    await settings.getByLabel("Memory").fill("64M");
    await page.getByRole("button", { name: "Start with these" }).click();
    await untilConsoleShows(page, "16 KiB pages");
    await untilConsoleShows(page, "64 MiB of memory");
    expect(new URL(page.url()).search).toBe("?host-page-size=16k&refill=slow&memory=64M");
    await settings.getByLabel("Mode").selectOption("bare");
    await page.getByRole("button", { name: "Start with these" }).click();
    await untilConsoleShows(page, "bare");
    expect(new URL(page.url()).search).toBe("?mode=bare&memory=64M");
  });

  it.each([
    ["host-cpu=Z80", /host-cpu cannot be "Z80": give one of 24Kc/],
    ["guest-fpu=on", /the host CPU 24Kc has no FPU/],
  ])("says what is wrong with the address ?%s", async (query, message) => {
    const { page, site } = opened();
    await page.goto(`${site.url}?${query}`);
    await page.getByRole("alert").filter({ hasText: message }).waitFor();
  });

  it("takes a kernel that is dropped onto it, and says what is wrong with other files", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    await untilConsoleShows(page, PROMPT);
    const alert = page.getByRole("alert");
    await dropFiles(page, { "notes.txt": Buffer.from("hello") });
    await alert.filter({ hasText: "notes.txt: neither an ELF kernel, nor an initrd" }).waitFor();
    await dropFiles(page, { "cut.elf": DEMO.subarray(0, 1000) });
    await alert.filter({ hasText: /ends|cut|short|truncated/ }).waitFor();
    await dropFiles(page, { "mine.elf": DEMO });
    await page.getByText("Kernel: mine.elf").waitFor();
    await untilConsoleShows(page, PROMPT);
    expect(await alert.isVisible()).toBe(false);
  });

  it("passes an automated accessibility check, in light and dark", async () => {
    const { page, site } = opened();
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

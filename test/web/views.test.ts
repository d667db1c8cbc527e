import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import {
  createGuest,
  explanationText,
  generatedCode,
  type Guest,
  type GuestConfig,
} from "../../src/index.ts";
import { ROOT } from "../project/tree.ts";
import { accessibilityProblems, dropFiles, frameTime, untilConsoleShows } from "./browser.ts";
import { describePage } from "./describe-page.ts";

const PROMPT = "kseg>";
const kernel = readFileSync(join(ROOT, "guests/demo/demo-te.elf"));

const count = (value: number): string => value.toLocaleString("en-US");
const hex = (value: number): string => value.toString(16).padStart(8, "0");
const exitsOf = (guest: Guest): number =>
  Object.values(guest.stats().exits).reduce((sum, value) => sum + value, 0);

/** Pauses the page's guest at its prompt. Returns the same guest at the same tick, run without a page. */
async function pausedTwin(page: Page, config: Partial<GuestConfig> = {}): Promise<Guest> {
  await untilConsoleShows(page, PROMPT);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("paused").waitFor();
  const guest = createGuest({ kernel, ...config, onConsole() {} });
  const time = await timeShown(page);
  while (guest.time < time) guest.run(time - guest.time);
  return guest;
}

async function timeShown(page: Page): Promise<number> {
  return Number(await page.locator(".toolbar").getAttribute("data-time"));
}

/** Waits until the page shows another time, which is returned. */
async function untilTimePasses(page: Page, before: number): Promise<number> {
  for (;;) {
    const time = await timeShown(page);
    if (time !== before) return time;
    await page.waitForTimeout(20);
  }
}

describePage("the views of a guest", (opened) => {
  it("Translation shows both TLBs, the GVA tables and the way of an address as they are", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    const guest = await pausedTwin(page);
    const inspection = guest.inspect();
    const view = page.getByRole("tabpanel", { name: "Translation" });
    await view.getByText(`${inspection.hostTlb().length} of 16 entries in use`).waitFor();
    await view.getByText(`${inspection.guestTlb().length} of 512 entries in use`).waitFor();
    for (const mode of ["user", "kernel"] as const) {
      const map = inspection.gvaMap({ mode }, 0, 0xffff_ffff, 2 ** 22)!;
      const ptes = map.present.reduce((sum, each) => sum + each, 0);
      expect(ptes).toBeGreaterThan(0);
      await view
        .getByText(new RegExp(`^${count(ptes)} PTEs here, guest ASID \\d+`))
        .first()
        .waitFor();
    }
    for (const address of [0x4010_0000, 0x0040_0000, 0x7000_0000]) {
      await view.getByLabel("Guest virtual address").fill(hex(address));
      await view.getByRole("button", { name: "Explain" }).click();
      const text = explanationText(inspection.explain(address));
      await expect.poll(() => page.locator(".journey pre").textContent(), { timeout: 10_000 }).toBe(text);
    }
  });

  it("goes by keyboard from the whole address space to one page", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    const guest = await pausedTwin(page);
    await page.getByRole("application", { name: /^Kernel root/ }).focus();
    // 40000000 is the first cell of the fifth row; then the first of the next maps, and its second page.
    for (let row = 0; row < 5; row++) await page.keyboard.press("ArrowDown");
    await page.getByText(/^40000000–403fffff, 4 MiB: \d+ of 1024 pages/).waitFor();
    // What is pointed at once the map is there: keys are about the map that shows.
    for (const [size, pointedAt] of [
      ["256 MiB", "44000000–4403ffff, 256 KiB"],
      ["16 MiB", "40000000–40003fff, 16 KiB"],
      ["4 MiB", "40000000"],
    ] as const) {
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: `40000000, ${size}` }).waitFor();
      await page.getByText(new RegExp(`^${pointedAt}: `)).waitFor();
      if (size === "4 MiB") break;
      for (let row = 0; row < 4; row++) await page.keyboard.press("ArrowUp");
    }
    const map = guest.inspect().gvaMap({ mode: "kernel" }, 0x4000_0000, 0x403f_ffff, 4096)!;
    const ptes = map.present.reduce((sum, each) => sum + each, 0);
    await page.getByText(new RegExp(`^${count(ptes)} PTEs here`)).waitFor();
    await page.keyboard.press("Enter");
    expect(await page.getByLabel("Guest virtual address").inputValue()).toMatch(/^40[0-3]/);
  });

  it("CPU shows registers and code, steps, and stops at breakpoints", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    await page.getByRole("tab", { name: "CPU" }).click();
    const guest = await pausedTwin(page);
    const view = page.getByRole("tabpanel", { name: "CPU" });
    const compare = async (): Promise<void> => {
      const { pc, gpr, mode, asid } = guest.inspect().registers();
      await view.getByText(`pc ${hex(pc)}, ${mode} mode, ASID ${asid}`).waitFor();
      const shown = await view.locator(".registers dd").allInnerTexts();
      expect(shown.slice(0, 32)).toEqual(gpr.map(hex));
      const current = guest.inspect().code(pc, 0, 0)[0]!;
      expect(await view.locator(".code [aria-current]").innerText()).toContain(current.text);
    };
    await compare();
    for (let steps = 0; steps < 3; steps++) {
      const before = await timeShown(page);
      await page.getByRole("button", { name: "Step" }).click();
      guest.debug.step();
      expect(await untilTimePasses(page, before)).toBe(guest.time);
      await compare();
    }
    const status = guest
      .inspect()
      .cp0()
      .find(({ name }) => name === "Status")!;
    await view.getByRole("row", { name: new RegExp(`^Status 12\\.0 ${hex(status.value)}`) }).waitFor();
    // What an idle guest does it does again.
    const next = guest.inspect().registers().pc;
    await view.getByRole("button", { name: hex(next) }).click();
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("at breakpoint").waitFor();
    await view.getByText(`pc ${hex(next)}`).waitFor();
  });

  it("runs to the next exit, and no further", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    const guest = await pausedTwin(page);
    const exits = exitsOf(guest);
    await page.getByRole("button", { name: "To next exit" }).click();
    await page.getByText("at exit").waitFor();
    await page.getByText(`${count(exits + 1)} exits`).waitFor();
    while (exitsOf(guest) === exits) guest.debug.step();
    expect(await timeShown(page)).toBe(guest.time);
  });

  it("comes back to the previous exit", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    const guest = await pausedTwin(page);
    const toNextExit = async (): Promise<number> => {
      const exits = exitsOf(guest);
      while (exitsOf(guest) === exits) guest.debug.step();
      await page.getByRole("button", { name: "To next exit" }).click();
      await expect.poll(() => timeShown(page), { timeout: 20_000 }).toBe(guest.time);
      return guest.time;
    };
    const first = await toNextExit();
    const exits = exitsOf(guest);
    const second = await toNextExit();
    await page.getByRole("button", { name: "To previous exit" }).click();
    await expect.poll(() => timeShown(page), { timeout: 20_000 }).toBe(first);
    await page.getByText(`${count(exits)} exits`).waitFor();
    await page.getByRole("button", { name: "To next exit" }).click();
    await expect.poll(() => timeShown(page), { timeout: 20_000 }).toBe(second);
  });

  it("saves a guest to a file, and goes on from it", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?guest-tlb=64&host-cpu=34Kc`);
    const guest = await pausedTwin(page, { guestTlb: 64, hostCpu: "34Kc" });
    await page.getByRole("tab", { name: "Guest" }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save state" }).click();
    const saved = readFileSync(await (await download).path());
    await page.goto(site.url);
    await untilConsoleShows(page, PROMPT);
    await dropFiles(page, { "mine.kseg": saved });
    await page.getByText(`${guest.inspect().guestTlb().length} of 64 entries in use`).waitFor();
    await page
      .getByText(/of 64 entries in use/)
      .nth(1)
      .waitFor();
    expect(await timeShown(page)).toBeGreaterThanOrEqual(guest.time);
    await page.locator(".console").click();
    await page.keyboard.type("help\n");
    await untilConsoleShows(page, "poweroff");
    await page.getByRole("tab", { name: "Guest" }).click();
    await page.getByText("Saved state: mine.kseg").waitFor();
    await dropFiles(page, { "cut.kseg": saved.subarray(0, saved.length - 100) });
    await page.getByRole("alert").filter({ hasText: "the file is damaged or not complete" }).waitFor();
  });

  it("TLB miss shows the words of the handler that were executed", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    await untilConsoleShows(page, PROMPT);
    await page.getByRole("tab", { name: "TLB miss" }).click();
    await page.locator(".console").click();
    await page.keyboard.type("touch 600 1000000\n");
    await page.getByRole("button", { name: /^Follow/ }).click();
    await page.getByText("at miss").waitFor();
    const column = page.locator(".misses section").filter({ hasText: "Settled by the handler" });
    await column.getByText("27 host instructions").waitFor();
    const words = (await column.locator(".code li span:first-of-type").allInnerTexts()).slice(0, 27);
    const listed = [...generatedCode("refill").matchAll(/^[0-9a-f]{8}: ([0-9a-f]{8})/gm)].map(
      ([, word]) => word,
    );
    expect(words).toEqual(listed);
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  it("Compare runs one guest under two configurations", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    await page.getByRole("tab", { name: "Compare" }).click();
    await page.getByLabel("Typed").fill("asid 500 4");
    await page.getByRole("button", { name: "Run both" }).click();
    await page.getByText("Both have come to their end.").waitFor();
    const sides = (["fast", "slow"] as const).map((refill) => {
      const guest = createGuest({ kernel, refill, onConsole() {} });
      guest.sendInput(new TextEncoder().encode("asid 500 4\npoweroff\n"));
      while (guest.run(1e9).kind !== "off");
      return guest;
    });
    const rows = (await page.locator(".compare tbody tr").allInnerTexts()).map((row) =>
      row.split(/\s*\t\s*/),
    );
    const row = (name: string) => rows.find(([first]) => first!.trim() === name)!.slice(1);
    expect(row("exits")).toEqual(sides.map((guest) => count(exitsOf(guest))));
    expect(row("refills by the handler")).toEqual(sides.map((guest) => count(guest.stats().refills.fast)));
    expect(row("guest instructions")).toEqual(sides.map((guest) => count(guest.stats().guestInstructions)));
    expect(row("tlbmiss_ld")).toEqual(sides.map((guest) => count(guest.stats().exits["tlbmiss_ld"]!)));
  });

  it.each(["Translation", "CPU"])(
    "frames stay below 50 ms while the guest runs flat out: %s",
    async (view) => {
      const { page, site } = opened();
      await page.goto(site.url);
      await untilConsoleShows(page, PROMPT);
      await page.keyboard.type("touch 600 100000000\n");
      await page.getByRole("tab", { name: view }).click();
      const p95 = await frameTime(page);
      console.log(`${view}: frames of ${p95.toFixed(1)} ms at the 95th percentile`);
      expect(p95).toBeLessThan(50);
    },
  );

  it("a bare machine has its TLB, registers and code", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?mode=bare`);
    const bare = readFileSync(join(ROOT, "guests/demo/demo-bare.elf"));
    const guest = await pausedTwin(page, { kernel: bare, mode: "bare" });
    await page.getByText(`${guest.inspect().hostTlb().length} of 16 entries in use`).first().waitFor();
    expect(await page.getByText("Kernel root").isVisible()).toBe(false);
    for (const name of ["CPU", "TLB miss", "Compare", "Guest"]) {
      await page.getByRole("tab", { name }).click();
      expect(await accessibilityProblems(page)).toEqual([]);
    }
  });
});

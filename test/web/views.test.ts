import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import {
  createGuest,
  explanationText,
  generatedCode,
  restoreGuest,
  type Guest,
  type GuestConfig,
} from "../../src/index.ts";
import { unpackSnapshot } from "../../src/web/snapshot-file.ts";
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
      // No line is cut off at the side.
      const hidden = await page.evaluate<number>(
        `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector(".journey pre"))`,
      );
      expect(hidden).toBe(0);
    }
  });

  it("shows an entry that is picked with its fields, and the way of its page", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    const guest = await pausedTwin(page);
    const inspection = guest.inspect();
    const entries = { Host: inspection.hostTlb(), Guest: inspection.guestTlb() };
    for (const whose of ["Host", "Guest"] as const) {
      const entry = entries[whose].find(({ halves }) => halves[0].valid)!;
      const { index, vpn2, halves } = entry;
      const grid = page.getByRole("application", { name: new RegExp(`^${whose} TLB`) });
      await grid.focus();
      for (let n = 0; n <= index % 64; n++) await page.keyboard.press("ArrowRight");
      for (let n = 0; n < Math.floor(index / 64); n++) await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      const table = page.getByRole("table", { name: `${whose} TLB entry ${index}: VPN2 ${hex(vpn2)}` });
      await table.waitFor();
      const row = await table.locator("tbody tr").first().locator("td").allInnerTexts();
      const [{ virtual, physical, valid, dirty, cache }] = halves;
      const flags = [valid, dirty].map((flag) => (flag ? "1" : "0"));
      expect(row).toEqual([hex(virtual), hex(physical), ...flags, String(cache), "0", "0"]);
      const text = explanationText(inspection.explain(virtual));
      await expect.poll(() => page.locator(".journey pre").textContent(), { timeout: 10_000 }).toBe(text);
    }
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  it("colours what was refilled lately, the stronger the later", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    const guest = await pausedTwin(page, { refillLog: true });
    const { refilled, present } = guest.inspect().gvaMap({ mode: "kernel" }, 0, 0xffff_ffff, 2 ** 22)!;
    const cells = [...present.keys()].filter((cell) => present[cell]! > 0);
    expect(cells.filter((cell) => refilled[cell]! >= 0).length).toBeGreaterThan(0);
    const map = page.getByRole("application", { name: /^Kernel root/ });
    const section = page.locator(".gva-map").filter({ has: map });
    for (const cell of cells) {
      const [x, y] = [(cell % 64) + 0.5, Math.floor(cell / 64) + 0.5];
      const ago = refilled[cell]!;
      // Between the colours of an empty cell and of one that was refilled just now, by how long ago it was.
      const strength = (): Promise<number> =>
        page.evaluate<number>(`(() => {
        const canvas = document.querySelector('canvas[aria-label^="Kernel root"]');
        const red = (x, y) => canvas.getContext("2d")
          .getImageData(x * canvas.width / 64, y * canvas.height / 16, 1, 1).data[0];
        const full = getComputedStyle(document.documentElement).getPropertyValue("--writable").slice(1, 3);
        const empty = red(63.5, 0.5);
        return (red(${x}, ${y}) - empty) / (Number.parseInt(full, 16) - empty);
      })()`);
      // It is drawn with the browser's next frame.
      const expected = 0.12 + 0.88 * (ago < 0 ? 0 : 1 - ago / 1024);
      await expect.poll(strength, { timeout: 10_000 }).toBeCloseTo(expected, 1);
      const box = (await map.boundingBox())!;
      await map.hover({ position: { x: (x * box.width) / 64, y: (y * box.height) / 16 } });
      const lately =
        ago < 0 ? "not refilled lately" : ago === 0 ? "refilled last" : `refilled ${ago} refills ago`;
      await section.getByText(`writable; ${lately}`).waitFor();
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
    await page.getByText(new RegExp(`^${count(ptes)} PTEs here`)).waitFor({ state: "attached" });
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

  it("shows code anywhere, and stops at breakpoints there, which are listed", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    await page.getByRole("tab", { name: "CPU" }).click();
    const guest = await pausedTwin(page);
    const view = page.getByRole("tabpanel", { name: "CPU" });
    const vector = 0x4000_0180;
    await view.getByLabel("Address of the code").fill(hex(vector));
    await page.keyboard.press("Enter");
    const [first] = guest.inspect().code(vector, 0, 0);
    await view
      .locator(".code li")
      .filter({ hasText: hex(vector) })
      .getByText(first!.text)
      .waitFor();
    await view.getByRole("button", { name: hex(vector), exact: true }).click();
    const listed = view.getByRole("group", { name: "Breakpoints" });
    await listed.getByRole("button", { name: hex(vector) }).waitFor();
    // The guest's timer leads there.
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("at breakpoint").waitFor();
    guest.debug.setBreakpoint(vector);
    while (guest.run(10_000_000).kind !== "debug");
    expect(await timeShown(page)).toBe(guest.time);
    await view.getByText(`pc ${hex(vector)}`).waitFor();
    await listed.getByRole("button", { name: hex(vector) }).click();
    await listed.getByText("No breakpoints").waitFor();
    await page.getByRole("button", { name: "Run", exact: true }).click();
    const before = await timeShown(page);
    await untilTimePasses(page, before);
    await page.getByText("running").waitFor();
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

  it("comes back to the previous exit, in the same state", async () => {
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
    const hashOfPage = async (): Promise<string> => {
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name: "Save state" }).click();
      const saved = await unpackSnapshot(readFileSync(await (await download).path()));
      return restoreGuest(saved, { onConsole() {} }).hash();
    };
    await page.getByRole("tab", { name: "Guest" }).click();
    const first = await toNextExit();
    const [exits, hash] = [exitsOf(guest), guest.hash()];
    expect(await hashOfPage()).toBe(hash);
    const second = await toNextExit();
    expect(await hashOfPage()).toBe(guest.hash());
    await page.getByRole("button", { name: "To previous exit" }).click();
    await expect.poll(() => timeShown(page), { timeout: 20_000 }).toBe(first);
    await page.getByText(`${count(exits)} exits`).waitFor();
    expect(await hashOfPage()).toBe(hash);
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
    const settings = page.getByRole("form", { name: "Settings" });
    expect(await settings.getByLabel("Guest TLB").inputValue()).toBe("64");
    expect(await settings.getByLabel("Host CPU").inputValue()).toBe("34Kc");
    await page.getByRole("tab", { name: "Compare" }).click();
    await page.getByRole("button", { name: "Run both" }).click();
    await page.getByText("A saved state has no beginning").waitFor();
    await dropFiles(page, { "cut.kseg": saved.subarray(0, saved.length - 100) });
    await page.getByRole("alert").filter({ hasText: "the file is damaged or not complete" }).waitFor();
  });

  it("TLB miss shows fast and slow misses side by side, with the words that ran", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    await untilConsoleShows(page, PROMPT);
    await page.getByRole("tab", { name: "TLB miss" }).click();
    const [fast, slow] = [
      page.getByRole("region", { name: "Fast" }),
      page.getByRole("region", { name: "Slow" }),
    ];
    // A guest that runs shows misses by itself; nothing has made it take a slow one.
    await fast.getByText("refill handler 27 instructions").waitFor();
    await slow.getByText("type demand 40 into the demo guest").waitFor();
    const listed = [...generatedCode("refill").matchAll(/^[0-9a-f]{8}: ([0-9a-f]{8})/gm)].map(
      ([, word]) => word,
    );
    const words = fast.locator(".code .executed span:nth-of-type(2)");
    expect(await words.allInnerTexts()).toEqual(listed);
    await slow.getByRole("button", { name: "Follow one" }).click();
    await page.locator(".console").click();
    await page.keyboard.type("demand 40\n");
    await page.getByText("at miss").waitFor();
    await slow.getByText(/^exit the hypervisor settles tlbmiss_(ld|st) in TypeScript/).waitFor();
    const way = (await slow.locator(".way li").allInnerTexts()).map((line) => line.split(" ")[0]);
    expect([way[0], way[1], way[2], way.at(-1)]).toEqual(["fault", "refill", "guest", "retry"]);
    // The figure is that of all pieces.
    const pieces = (await slow.locator(".way").innerText()).matchAll(/ (\d+) instructions?$/gm);
    const all = [...pieces].reduce((sum, [, instructions]) => sum + Number(instructions), 0);
    expect(await slow.locator(".last span").first().innerText()).toBe(String(all));
    for (const name of ["way out", "way in"]) {
      const part = slow.locator("details").filter({ hasText: name });
      await part.locator("summary").click();
      const [, ran, there] = /(\d+) of (\d+) words ran/.exec(await part.locator("summary").innerText())!;
      expect(Number(ran), name).toBeGreaterThan(20);
      expect(await part.locator(".executed").count(), name).toBe(Number(ran));
      expect(await part.locator("li:not(.label)").count(), name).toBe(Number(there));
    }
    // Bars are to the same scale.
    const width = async (column: typeof fast): Promise<number> => {
      let sum = 0;
      for (const part of await column.locator(".bar").first().locator("span").all())
        sum += (await part.boundingBox())!.width;
      return sum;
    };
    const figure = async (column: typeof fast): Promise<number> =>
      Number(await column.locator(".last span").first().innerText());
    expect((await width(slow)) / (await width(fast))).toBeCloseTo(
      (await figure(slow)) / (await figure(fast)),
      1,
    );
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  it("TLB miss shows as many misses as it follows at once", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?refill=slow`);
    await untilConsoleShows(page, PROMPT);
    await page.getByRole("tab", { name: "TLB miss" }).click();
    await page.getByRole("button", { name: "Follow the next 8 misses" }).click();
    await page.getByText("at miss").waitFor();
    expect(await page.getByRole("region", { name: "Slow" }).locator(".last li").count()).toBe(8);
  });

  it("TLB miss says what a guest without a handler, or without a hypervisor, has", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?refill=slow`);
    await untilConsoleShows(page, PROMPT);
    await page.getByRole("tab", { name: "TLB miss" }).click();
    await page.getByText("with refill slow there is no handler").waitFor();
    await page
      .getByRole("region", { name: "Slow" })
      .getByText(/^exit the hypervisor settles/)
      .first()
      .waitFor();
    await page.goto(`${site.url}?mode=bare`);
    await untilConsoleShows(page, PROMPT);
    await page.getByRole("tab", { name: "TLB miss" }).click();
    await page.getByText("its own kernel settles its misses").waitFor();
    expect(await page.getByRole("region", { name: "Fast" }).isVisible()).toBe(false);
  });

  it("Compare runs one guest under two configurations", async () => {
    const { page, site } = opened();
    await page.goto(site.url);
    await page.getByRole("tab", { name: "Compare" }).click();
    await page.getByLabel("Typed").fill("asid 500 4");
    const stop = page.getByTitle("Stop the comparison");
    expect(await stop.isDisabled()).toBe(true);
    // In one go: the comparison may have ended before anything else is asked.
    const canStop = await page.evaluate<boolean>(
      `[...document.querySelectorAll("button")].find((one) => one.textContent === "Run both").click();
       document.querySelector('[title="Stop the comparison"]').disabled === false`,
    );
    expect(canStop).toBe(true);
    await page.getByText("Both have come to their end.").waitFor();
    await expect.poll(() => stop.isDisabled()).toBe(true);
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

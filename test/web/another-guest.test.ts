import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createGuest } from "../../src/index.ts";
import { packSnapshot } from "../../src/web/snapshot-file.ts";
import { ROOT } from "../project/tree.ts";
import { accessibilityProblems, dropFiles, untilConsoleShows } from "./browser.ts";
import { describePage } from "./describe-page.ts";

const PROMPT = "kseg>";
const image = (name: string): Uint8Array => readFileSync(join(ROOT, "guests/demo", name));

/** A saved state of the demo guest at its prompt, on a host that has little of the defaults. */
async function savedState(): Promise<Uint8Array> {
  let shown = "";
  const guest = createGuest({
    ...{ kernel: image("demo-te.elf"), hostCpu: "34Kf", refill: "slow", gvaRoots: 2 },
    memory: 64 * 2 ** 20,
    onConsole: (bytes) => (shown += Buffer.from(bytes).toString("latin1")),
  });
  while (!shown.includes(PROMPT)) guest.run(1e6);
  return packSnapshot(guest.save());
}

describePage("another guest", (opened) => {
  const button = (name: string) => opened().page.getByRole("button", { name, exact: true });
  const setting = (name: string) =>
    opened().page.getByRole("form", { name: "Settings" }).getByLabel(name, { exact: true });
  const query = (): string => new URL(opened().page.url()).search;

  it("leaves the guest that runs if it cannot be, and says which file it was", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?memory=64M`);
    await untilConsoleShows(page, PROMPT);
    const damaged = await savedState();
    damaged[damaged.length >> 1]! ^= 0xff;
    const alert = page.getByRole("alert");
    for (const [name, bytes] of [
      ["damaged.kseg", damaged],
      ["cut.elf", image("demo-te.elf").subarray(0, 1000)],
      ["noise.kseg", Uint8Array.of(0x1f, 0x8b, 1, 2, 3)],
    ] as const) {
      await dropFiles(page, { [name]: bytes });
      await alert.filter({ hasText: `${name}: ` }).waitFor();
      expect(await page.locator(".state").innerText()).toBe("running");
      expect(query()).toBe("?memory=64M");
    }
    await page.getByText("Kernel: the demo guest").waitFor();
    await page.locator(".console").click();
    await page.keyboard.type("help\n");
    await untilConsoleShows(page, "poweroff");
    // It is that guest which is started again.
    await button("Restart").click();
    await untilConsoleShows(page, "64 MiB of memory");
    await alert.waitFor({ state: "hidden" });
    await dropFiles(page, { "one.kseg": damaged, "kernel.elf": image("demo-te.elf") });
    await alert.filter({ hasText: "one.kseg: is a saved state: give it alone" }).waitFor();
  });

  it("is bare for a kernel that cannot be a guest, and only for that one", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?refill=slow`);
    await untilConsoleShows(page, PROMPT);
    await dropFiles(page, { "stock.elf": image("demo-bare.elf") });
    await page.getByText("None: this guest is directly on the machine").waitFor();
    await untilConsoleShows(page, PROMPT);
    expect(query()).toBe("?mode=bare");
    await page.getByRole("tab", { name: "Guest" }).click();
    expect(await setting("Mode").inputValue()).toBe("bare");
    await button("Demo guest").click();
    await page.getByText("Kernel: the demo guest").waitFor();
    expect(query()).toBe("?refill=slow");
    // What is chosen in the form is not passed over.
    await dropFiles(page, { "stock.elf": image("demo-bare.elf") });
    await page.getByText("Kernel: stock.elf").waitFor();
    await setting("Mode").selectOption("te");
    await button("Start with these").click();
    await page.getByRole("alert").filter({ hasText: "stock.elf: the kernel starts at 80" }).waitFor();
    expect(await setting("Mode").inputValue()).toBe("te");
  });

  it("is not asked for by buttons that need one, where a setting of the address is wrong", async () => {
    const { page, site } = opened();
    const address = "?host-cpu=bogus&refill=slow&memory=lots";
    await page.goto(`${site.url}${address}`);
    const alert = page.getByRole("alert");
    await alert.filter({ hasText: 'host-cpu cannot be "bogus"' }).waitFor();
    await alert.filter({ hasText: 'memory cannot be "lots"' }).waitFor();
    await page.getByText("no guest", { exact: true }).waitFor();
    for (const name of ["Run", "Step", "To next exit", "To previous exit", "Restart", "Save state"])
      expect(await button(name).isDisabled(), name).toBe(true);
    expect(query()).toBe(address);
    expect(await setting("Refill").inputValue()).toBe("slow");
    expect(await accessibilityProblems(page)).toEqual([]);
    await button("Start with these").click();
    await untilConsoleShows(page, PROMPT);
    expect(query()).toBe("?refill=slow");
    for (const name of ["Pause", "Restart", "Save state"])
      expect(await button(name).isDisabled(), name).toBe(false);
  });

  it("keeps a setting of the address in the form that does not go with another one", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?guest-fpu=on&refill=slow`);
    await page.getByRole("alert").filter({ hasText: "the host CPU 24Kc has no FPU" }).waitFor();
    expect(await setting("Guest FPU").inputValue()).toBe("on");
    await setting("Host CPU").selectOption("24Kf");
    await button("Start with these").click();
    await untilConsoleShows(page, PROMPT);
    expect(query()).toBe("?host-cpu=24Kf&refill=slow&guest-fpu=on");
  });

  it("does not have the settings of a saved state, which has a hint for its empty console", async () => {
    const { page, site } = opened();
    await page.goto(`${site.url}?guest-tlb=64`);
    await untilConsoleShows(page, PROMPT);
    const state = { "there.kseg": await savedState() };
    const hint = page.getByRole("status").filter({ hasText: "press Enter" });
    await dropFiles(page, state);
    await hint.waitFor();
    expect(query()).toBe("?host-cpu=34Kf&refill=slow&gva-roots=2&memory=64M");
    await page.locator(".console").click();
    await page.keyboard.press("Enter");
    await untilConsoleShows(page, PROMPT);
    await hint.waitFor({ state: "hidden" });
    await dropFiles(page, { "mine.elf": image("demo-te.elf") });
    await untilConsoleShows(page, "256 MiB of memory");
    expect(query()).toBe("?guest-tlb=64");
    await dropFiles(page, state);
    await hint.waitFor();
    await page.getByRole("tab", { name: "Guest" }).click();
    expect(await setting("Host CPU").inputValue()).toBe("34Kf");
    await button("Demo guest").click();
    await untilConsoleShows(page, "256 MiB of memory");
    expect(query()).toBe("?guest-tlb=64");
    // Once it has been changed, what is shown is what is wanted.
    await dropFiles(page, state);
    await hint.waitFor();
    await setting("Memory").fill("32M");
    await button("Demo guest").click();
    await untilConsoleShows(page, "32 MiB of memory");
    expect(query()).toBe("?host-cpu=34Kf&refill=slow&gva-roots=2&memory=32M");
  });
});

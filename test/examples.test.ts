/** The programs in `examples` do what they say. */
import { readFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createGuest, kernelSymbols, TICKS_PER_SECOND, type Guest, type GuestConfig } from "../src/index.ts";
import { demoFile, ROOT, startProgram } from "./cli/kseg.ts";

const DEMO = readFileSync(demoFile("demo-te.elf"));

/** The demo guest, run to its end with this input. */
function demo(input: string, config: Partial<GuestConfig> = {}): Guest {
  const guest = createGuest({ kernel: DEMO, onConsole() {}, ...config });
  guest.sendInput(new TextEncoder().encode(input));
  expect(guest.run(60 * TICKS_PER_SECOND).kind).toBe("off");
  return guest;
}

const numbersIn = (text: string): number[] => Array.from(text.matchAll(/\d+/g), ([digits]) => Number(digits));

/** What there is to check of the output of each. The web page is tested in a browser, by `test/web`. */
const CHECKS: Readonly<Record<string, (lines: readonly string[]) => void>> = {
  "boot-to-prompt.ts": ([first, command, heading, ...processes]) => {
    expect(first).toMatch(/^at the prompt after 0\.\d\d s of its time$/);
    expect(command).toBe("ps");
    expect(heading).toMatch(/^ pid {2}name +state /);
    expect(processes.map((line) => line.split(/ +/)[2])).toContain("monitor");
  },
  "custom-cpu.ts": (lines) => {
    const rows = lines.map(numbersIn);
    const { refills, guestInstructions } = demo("touch 100 50\npoweroff\n", { memory: 32 << 20 }).stats();
    expect(rows.map(([entries]) => entries)).toEqual([8, 16, 32, 64, 128]);
    expect(rows[1]).toEqual([16, refills.fast, guestInstructions]);
    for (const [, , instructions] of rows) expect(instructions).toBe(guestInstructions);
    for (const [n, [, count]] of rows.slice(1).entries()) expect(count).toBeLessThan(rows[n]![1]!);
  },
  "custom-device.ts": (lines) =>
    expect(lines).toEqual([
      "the guest writes 40 to register 0",
      "the guest writes 2 to register 4",
      "the adder raises its interrupt",
      "the sum is 42; the guest is off",
    ]),
  "exits-of-a-function.ts": (lines) => {
    expect(lines.length).toBe(3);
    for (const [n, line] of lines.entries())
      expect(line).toMatch(
        new RegExp(`^call ${n + 1} of asid_activate: \\d+ instructions, exits: \\d+ cop_unusable`),
      );
  },
  "gdb-from-code.ts": (lines) => {
    const entry = kernelSymbols(DEMO).get("power_off")!.toString(16);
    expect(lines[0]).toBe("breakpoint: OK");
    expect(lines[1]).toMatch(/^continue: T05.*thread:1;/);
    expect(lines[2]).toBe(`pc is ${entry}, power_off is at ${entry}`);
    expect(lines.slice(3, -1).join("\n")).toMatch(/^exits:\n +\d+ {2}[a-z_]+\n/);
    expect(lines.at(-1)).toBe("remove it: OK; continue: W00");
  },
  "record-a-trace.ts": ([first, ...reasons]) => {
    const guest = demo("ps\npoweroff\n");
    expect(first).toMatch(/^the guest is off; the trace has \d{5,} bytes$/);
    const counts = new Map(reasons.map((line) => numbersIn(line) as [number, number]));
    const { exits } = guest.stats();
    // By exception code: TLB modified, coprocessor unusable.
    expect([counts.get(1), counts.get(11)]).toEqual([exits["tlbmod"], exits["cop_unusable"]]);
  },
  "run-a-handler.ts": (lines) => {
    expect(lines[0]).toBe("mfc0 k0,BadVAddr");
    expect(lines.slice(-3)).toEqual(["eret", "bare: the sum is 5050", "te: the sum is 5050"]);
  },
  "two-guests.ts": ([fast, slow, last]) => {
    const input = "ps\ntouch 50 20\npoweroff\n";
    const memory = 32 << 20;
    const fastGuest = demo(input, { memory });
    const slowGuest = demo(input, { memory, refill: "slow", hostCpu: "34Kc" });
    expect(numbersIn(fast!).slice(1)).toEqual([fastGuest.stats().refills.fast, 0, fastGuest.time]);
    expect(numbersIn(slow!).slice(1)).toEqual([0, slowGuest.stats().refills.slow, fastGuest.time]);
    expect(last).toMatch(/^after \d\d+ turns they have printed the same$/);
  },
  "watch-a-page.ts": (lines) => {
    expect(lines.length).toBe(8);
    for (const line of lines) expect(line).toMatch(/^[a-z_]+: s[bhw] \w+,-?\d+\(\w+\)$/);
    expect(lines[0]).toMatch(/^timer_interrupt: /);
  },
};

const run = (...args: readonly string[]) => startProgram(process.execPath, args, { cwd: ROOT }).result;

test("each example is run", () => {
  const programs = readdirSync(join(ROOT, "examples"), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map(({ name }) => name);
  expect(programs.sort()).toEqual(Object.keys(CHECKS).sort());
});

test.each(Object.entries(CHECKS))("%s", async (name, check) => {
  const { status, stdout, stderr } = await run(join("examples", name));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  check(stdout.trimEnd().split("\n"));
});

test("record-a-trace.ts keeps the trace in a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kseg-trace-"));
  const file = join(folder, "boot.perfetto");
  const { stdout } = await run("examples/record-a-trace.ts", file);
  const bytes = readFileSync(file);
  rmSync(folder, { recursive: true });
  expect(stdout).toContain(`the trace has ${bytes.length} bytes`);
  expect(bytes.includes("tlbmiss_ld")).toBe(true);
});

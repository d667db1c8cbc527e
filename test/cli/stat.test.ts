import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { inEnoughTime, KSEG, kseg } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-stat-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A text of names and values. */
const valuesIn = (text: string): Record<string, number> =>
  Object.fromEntries(
    [...text.matchAll(/^(\w+) (\d+)$/gm)].map(([, name, value]) => [name!, Number(value)] as const),
  );

describe("kseg stat without a terminal", () => {
  test("prints all counters at the end, which agree with --stats, and no console", async () => {
    const [file, console] = [join(folder, "s.json"), join(folder, "console")];
    const args = ["stat", "--stats", file, "--console", console];
    const { status, stdout, stderr } = await kseg(args, { input: "churn 20\npoweroff\n" });
    expect([status, stderr]).toEqual([0, ""]);
    const stats = JSON.parse(readFileSync(file, "utf8")) as {
      counters: Record<string, number>;
      refills: { fast: number; slow: number };
      exits: Record<string, number>;
    };
    const values = valuesIn(stdout);
    expect(values).toMatchObject(stats.counters);
    expect(values["fast_refills"]).toBe(stats.refills.fast);
    expect(values["exits"]).toBe(Object.values(stats.exits).reduce((sum, count) => sum + count, 0));
    expect(stdout.trimEnd().split("\n")).toHaveLength(Object.keys(values).length);
    expect(readFileSync(console, "utf8")).toContain("20 processes in");
  });

  test("prints a line a second with --log, and both if told so", async () => {
    const logged = async (seconds: number): Promise<string[]> => {
      const args = ["stat", "--log", "--key-value", "--clock", "wall", "--timeout", String(seconds)];
      const { status, stdout, stderr } = await kseg(args);
      expect([status, stderr]).toEqual([124, `kseg: timed out after ${seconds} s\n`]);
      const [header, ...lines] = stdout.split("\n");
      expect(header).toMatch(/^ +exits fast_exits fast_refills tlbmiss_ld/);
      expect(valuesIn(stdout)).toMatchObject({ slow_refills: 0 });
      return lines.filter((line) => /^[ \d]+$/.test(line));
    };
    // One of them is that of the end.
    await inEnoughTime(3, logged, ({ length }) => length >= 3);
  });

  test("logs all that happened, also in a run of less than a second", async () => {
    const { status, stdout } = await kseg(["stat", "--log", "--key-value"], { input: "poweroff\n" });
    expect(status).toBe(0);
    const [header, ...lines] = stdout.split("\n");
    const logged = lines.filter((line) => /^[ \d]+$/.test(line) && line !== "");
    const column = header!.trim().split(/ +/).indexOf("exits");
    const grown = logged.map((line) => Number(line.trim().split(/ +/)[column]));
    expect(grown.reduce((sum, growth) => sum + growth, 0)).toBe(valuesIn(stdout)["exits"]);
  });

  test.runIf(process.platform === "linux")(
    "ends with one line if the console cannot be written",
    async () => {
      const { status, stderr } = await kseg(["stat", "--console", "/dev/full"], { input: "poweroff\n" });
      expect([status, stderr]).toEqual([1, "kseg: --console /dev/full: no space left on the disk\n"]);
    },
  );
});

const missing = spawnSync("tmux", ["-V"]).error !== undefined;
if (missing) console.log("stat: skipped: tmux, which shows what is on a terminal, is not installed");

/** A terminal of 100 columns and 40 lines in which a shell runs, in a tmux of its own. */
class Pane {
  private readonly socket = join(folder, `tmux-${process.pid}-${Math.random().toString(36).slice(2)}`);

  constructor() {
    this.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", "echo before; exec sh");
  }
  tmux(...args: string[]): string {
    const { stdout, status, stderr } = spawnSync("tmux", ["-S", this.socket, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
  type(...keys: string[]): void {
    this.tmux("send-keys", ...keys);
  }
  /** What it shows, with the codes of colours if asked. */
  text(codes = false): string {
    return this.tmux("capture-pane", "-p", ...(codes ? ["-e"] : []));
  }
  /** Waits until it shows all of these at once: a screen may be seen while it is written. */
  async shows(...what: readonly RegExp[]): Promise<string> {
    for (;;) {
      const text = this.text();
      if (what.every((one) => one.test(text))) return text;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  close(): void {
    this.tmux("kill-server");
  }
}

/** With colours, unless it is told not to. */
const stat = (...more: string[]): string =>
  ["env -u NO_COLOR -u FORCE_COLOR", ...more, `'${process.execPath}' '${KSEG}' stat`].join(" ");

describe.skipIf(missing)("kseg stat on a terminal", () => {
  test("fills the screen, renews it, and gives it back at Ctrl-C", async () => {
    const pane = new Pane();
    try {
      await pane.shows(/before/);
      pane.type(stat(), "Enter");
      const first = await pane.shows(
        /^kvm statistics - \d+\.\d s of guest time \(Ctrl-C ends\)\n\n Event +Total %Total +CurAvg\/s/,
        /fast_refills +\d+/,
        /^ cop_unusable +\d+ +\d+\.\d/m,
      );
      expect(first).not.toContain("before");
      expect(pane.text(true)).toContain("\u001b[7m");
      const time = /\d+\.\d s/.exec(first)![0];
      const later = await pane.shows(new RegExp(`statistics - (?!${time.replace(".", "\\.")})`));
      expect(later).not.toContain("kseg>");
      pane.type("C-c");
      await pane.shows(/before/);
      pane.type("echo status=$?", "Enter");
      const after = await pane.shows(/status=130/);
      expect(after).toContain("before");
      expect(after).not.toContain("Event");
    } finally {
      pane.close();
    }
  });

  test("uses no colours if NO_COLOR says so", async () => {
    const pane = new Pane();
    try {
      pane.type(stat("NO_COLOR=1"), "Enter");
      await pane.shows(/fast_refills +\d+/);
      expect(pane.text(true)).not.toContain("\u001b[7m");
    } finally {
      pane.close();
    }
  });
});

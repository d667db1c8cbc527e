/**
 * Whole boots by every engine: the same instructions, counters, console and memory. Nothing else uses so much of an
 * engine: processes, all kinds of exceptions, code that is loaded, patched and thrown away. 3 minutes of
 * processor time.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SHELL_READY } from "../../src/archives/root-file-system.ts";
import { createGuest, type GuestConfig, type Stats } from "../../src/index.ts";
import { cachedGuest } from "./run-guest.ts";

const COMMANDS = "i=0; while [ $i -lt 20 ]; do /bin/busybox true; i=$((i+1)); done; echo done $i\npoweroff\n";
const MINUTES = 60_000;
/** Ticks between two looks at the console, and between two hashes of the whole state. */
const SLICE = 1e7;
const HASH_EVERY = 50;
/** More ticks than any of the boots takes. */
const LIMIT = 1e11;

const ENGINES = ["interp", "auto", "jit"] as const;
/**
 * Under trap and emulate Debian reads the clock chip 12 million times to measure the CPU's frequency, an exit each, for
 * which the interpreter alone takes minutes: that boot is followed up to there.
 */
const GUESTS = [
  { name: "debian", settings: {}, ticks: LIMIT },
  { name: "kvm-linux-4k", settings: {}, ticks: LIMIT },
  { name: "debian", settings: { mode: "te", hostCpu: "P5600" }, ticks: 1.5e9 },
] as const;

/** What a boot was: hashes of the state as time went by, and how it ended. */
interface Boot {
  readonly end: string;
  readonly time: number;
  readonly stats: Stats;
  readonly console: string;
  readonly hashes: readonly string[];
}

/** Boots a guest, types commands as soon as its shell is there, and waits until it has powered off or `ticks` are over. */
function boot(config: Omit<GuestConfig, "onConsole">, ticks: number): Boot {
  let text = "";
  const guest = createGuest({
    ...config,
    onConsole: (bytes) => (text += Buffer.from(bytes).toString("latin1")),
  });
  const hashes: string[] = [];
  let end = "running";
  let typed = false;
  for (let slice = 1; end === "running" && guest.time < ticks; slice++) {
    const result = guest.run(slice * SLICE - guest.time);
    end = result.kind === "off" ? result.how : result.kind;
    if (slice % HASH_EVERY === 0 || end !== "running") hashes.push(guest.hash());
    if (typed || !text.includes(SHELL_READY)) continue;
    guest.sendInput(Buffer.from(COMMANDS));
    typed = true;
  }
  const { time } = guest;
  const stats = guest.stats();
  guest.destroy();
  return { end, time, stats, console: text, hashes };
}

for (const { name, settings, ticks } of GUESTS) {
  const { paths } = await cachedGuest(name);
  const how = Object.values(settings).join(", ") || (paths?.mode ?? "");
  describe.skipIf(paths === undefined)(`${name}, ${how}`, () => {
    let interpreted: Boot;
    test.each(ENGINES)("boots to the same state by %s", { timeout: 30 * MINUTES }, (engine) => {
      const { kernel, initrd, append, mode } = paths!;
      const files = { kernel: readFileSync(kernel), initrd: readFileSync(initrd) };
      const { user } = process.cpuUsage();
      const result = boot({ ...files, append, mode, engine, ...settings }, ticks);
      const seconds = ((process.cpuUsage().user - user) / 1e6).toFixed(1);
      console.log(
        `${name}, ${how}, ${engine}: ${result.hashes.length} states, ${seconds} s of processor time`,
      );
      if (engine === "interp") {
        expect(result.end).toBe(ticks === LIMIT ? "power-off" : "running");
        if (ticks === LIMIT) expect(result.console).toMatch(/^done 20\r?$/m);
        interpreted = result;
      }
      expect(result).toEqual(interpreted);
    });
  });
}

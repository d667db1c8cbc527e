/** The demo kernel that is linked for bare hardware, under the hypervisor on a host with EVA. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createGuest, GuestConfigError, type GuestConfig } from "../../src/index.ts";
import { TICKS_PER_SECOND } from "../../src/machine/timeline.ts";

const kernel = new Uint8Array(readFileSync(new URL("../../guests/demo/demo-bare.elf", import.meta.url)));
/** Milliseconds. */
const TOUR_TIMEOUT = 600_000;
const PROMPT = "kseg> ";
/** Guest time that a command may take. */
const PATIENCE = 60 * TICKS_PER_SECOND;

/** Types each command at a prompt; returns what was printed from the command on, and whether it turned off. */
function talk(
  config: Partial<GuestConfig>,
  commands: readonly string[],
): { readonly answers: string[]; readonly off: boolean; readonly exits: number } {
  let console = "";
  const guest = createGuest({
    kernel,
    memory: 32 << 20,
    ...config,
    onConsole: (bytes) => (console += String.fromCharCode(...bytes)),
  });
  const until = (done: () => boolean): string | null => {
    for (let ticks = 0; ticks < PATIENCE && !done(); ticks += 1_000_000) {
      const result = guest.run(1_000_000);
      if (result.kind === "failed") throw new Error(result.report);
      if (result.kind === "off") return result.how;
    }
    return null;
  };
  until(() => console.endsWith(PROMPT));
  const answers: string[] = [];
  let how: string | null = null;
  for (const command of commands) {
    const from = console.length;
    guest.sendInput(new TextEncoder().encode(`${command}\n`));
    how = until(() => console.length > from && console.endsWith(PROMPT));
    answers.push(console.slice(from));
  }
  const { exits } = guest.stats();
  guest.destroy();
  return { answers, off: how === "power-off", exits: Object.values(exits).reduce((sum, n) => sum + n, 0) };
}

const COMMANDS = ["help", "ps", "touch 64 2", "tour", "poweroff"];
/** Those after whose every exit all invariants are checked: the tour would take a minute. */
const CHECKED = COMMANDS.filter((command) => command !== "tour");

describe("a kernel for bare hardware", () => {
  test(
    "runs under trap and emulate on a host with EVA, with all invariants, and answers as on the bare machine",
    () => {
      const config = { hostCpu: "P5600" };
      const checked = talk({ ...config, mode: "te", checkInvariants: true }, CHECKED);
      expect(checked.off).toBe(true);
      expect(checked.exits).toBeGreaterThan(500);
      const under = talk({ ...config, mode: "te" }, COMMANDS);
      expect(checked.answers.slice(0, 3)).toEqual(under.answers.slice(0, 3));
      const bare = talk({ ...config, mode: "bare" }, COMMANDS);
      expect(under.off).toBe(true);
      expect(bare.off).toBe(true);
      expect(under.exits).toBeGreaterThan(1000);
      expect(bare.exits).toBe(0);
      expect(under.answers[0]).toContain("TLB refills");
      expect(under.answers[0]).toBe(bare.answers[0]);
      // Times differ from here on; what is said does not.
      const words = (text: string): string[] => text.match(/[a-z]{4,}/gi) ?? [];
      expect(words(under.answers[2]!)).toEqual(words(bare.answers[2]!));
      expect(words(under.answers[3]!).length).toBeGreaterThan(50);
      expect(under.answers[4]).toContain("power off");
    },
    TOUR_TIMEOUT,
  );

  test("is refused in one line on a host without EVA", () => {
    const start = (): unknown =>
      createGuest({ kernel, mode: "te", hostCpu: "24Kc", onConsole: () => undefined });
    expect(start).toThrow(GuestConfigError);
    expect(start).toThrow(/^the kernel starts at 80[^\n]*use a host CPU with EVA \(P5600\)[^\n]*$/);
  });
});

/** Real kernels with a debugger: they do what they do without one. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  createGuest,
  createTimeTravel,
  TICKS_PER_SECOND,
  type Guest,
  type GuestConfig,
} from "../../src/index.ts";
import { GDB_PATIENCE, startProgram } from "../cli/kseg.ts";
import { cachedGuest, exactStats, runGuest, type GuestRun } from "./run-guest.ts";

const COMMANDS = "uname -m\npoweroff\n";
const GDB = "gdb-multiarch";
const hasGdb = spawnSync(GDB, ["--version"]).status === 0;
if (!hasGdb) console.log(`skipped: sessions with gdb, as ${GDB} is not installed`);

type Files = NonNullable<Awaited<ReturnType<typeof cachedGuest>>["paths"]>;

/** Tells the addresses of a kernel's symbols, in digits. */
function symbolsOf(paths: Files | undefined): (symbol: string) => string {
  return (symbol) => {
    const map = readFileSync(join(dirname(paths!.kernel), "System.map"), "utf8");
    return `0x${new RegExp(`^([0-9a-f]+) . ${symbol}$`, "m").exec(map)![1]!.slice(-8)}`;
  };
}

/** Runs a guest on which gdb, with a file of symbols or none, carries out commands; what gdb prints. */
async function runWithGdb(
  paths: Files,
  commands: readonly string[],
  symbolFile?: string,
): Promise<{ readonly debugged: GuestRun; readonly printed: string }> {
  let session: Promise<string> | null = null;
  const debugged = await runGuest(paths, ["--gdb", "0"], COMMANDS, (errors) => {
    const port = /target remote 127\.0\.0\.1:(\d+)\n/.exec(errors)?.[1];
    if (port === undefined || session !== null) return;
    const all = [
      ...["set confirm off", "set endian little", GDB_PATIENCE],
      ...[`target remote :${port}`, ...commands],
    ];
    const args = [...all.flatMap((command) => ["-ex", command]), ...(symbolFile ? [symbolFile] : [])];
    session = startProgram(GDB, ["-nx", "-batch", ...args]).result.then(({ stdout }) => stdout);
  });
  return { debugged, printed: await session! };
}

const linux = await cachedGuest("kvm-linux-4k");
describe.skipIf(linux.paths === undefined || !hasGdb)("kvm-linux-4k with gdb", () => {
  const addressOf = symbolsOf(linux.paths);

  test("boots and powers off, with the same output and statistics, whatever gdb stops it for", async () => {
    const plain = await runGuest(linux.paths!, [], COMMANDS);
    const commands = [
      ...[`break *${addressOf("start_kernel")}`, "continue", "delete"],
      ...[`watch *(int *)${addressOf("jiffies")}`, "continue", "continue", "continue", "delete"],
      ...[
        `break *${addressOf("do_page_fault")}`,
        "ignore 3 50",
        "continue",
        "print/x $badvaddr",
        "stepi",
        "delete",
      ],
      ...[`break *${addressOf("machine_power_off")}`, "continue", "info registers", "monitor tlb", "delete"],
      "continue",
    ];
    const { debugged, printed } = await runWithGdb(linux.paths!, commands);
    for (const [n, symbol] of [
      [1, "start_kernel"],
      [3, "do_page_fault"],
      [4, "machine_power_off"],
    ] as const)
      expect(printed).toContain(`hit Breakpoint ${n}, ${addressOf(symbol)} in ?? ()`);
    expect(printed.match(/hit Hardware watchpoint 2/g)).toHaveLength(3);
    expect(printed).toContain("exited normally");
    expect(debugged.console).toBe(plain.console);
    expect(exactStats(debugged)).toEqual(exactStats(plain));
    expect(debugged.status).toBe(0);
  });

  const symbolFile = join(dirname(linux.paths?.kernel ?? ""), "vmlinux.debug");
  const hasSymbols = existsSync(symbolFile);
  if (!hasSymbols) console.log("skipped: gdb with symbols, as kvm-linux-4k was built without vmlinux.debug");
  test.skipIf(!hasSymbols)(
    "has the symbols that the documentation shows, and steps back to an ERET",
    async () => {
      const text = readFileSync(new URL("../../docs/debugging.md", import.meta.url), "utf8");
      const [, session] = /\$ gdb-multiarch \S*\/vmlinux\.debug\n([^`]*)```/.exec(text)!;
      const commands = [...session!.matchAll(/^\(gdb\) (.*)$/gm)].map(([, command]) => command!);
      const { debugged, printed } = await runWithGdb(linux.paths!, commands.slice(1), symbolFile);
      // Where functions are is the compiler's business, what is interrupted that of the clock.
      const common = (line: string): string =>
        line.replace(/0x[0-9a-f]+/g, "X").replace(/(Breakpoint 3, X in) .*/, "$1");
      let rest = printed.split("\n").map(common).join("\n");
      for (const line of session!.split("\n")) {
        if (line.startsWith("(gdb) ")) continue;
        expect(rest).toContain(common(line));
        rest = rest.slice(rest.indexOf(common(line)) + common(line).length);
      }
      expect(debugged.status).toBe(0);
    },
  );
});

const large = await cachedGuest("kvm-linux-16k");
describe.skipIf(large.paths === undefined || !hasGdb)("kvm-linux-16k with gdb", () => {
  const addressOf = symbolsOf(large.paths);

  test("goes back from its end to its start, and does all of it again", async () => {
    const plain = await runGuest(large.paths!, [], COMMANDS);
    const { debugged, printed } = await runWithGdb(large.paths!, [
      ...[`break *${addressOf("machine_power_off")}`, "continue", "reverse-stepi", "reverse-stepi", "delete"],
      // Back to the last page faults, and who changed the time last.
      ...[
        `break *${addressOf("do_page_fault")}`,
        "reverse-continue",
        "reverse-continue",
        "print/x $badvaddr",
      ],
      ...["reverse-continue", "continue", "print/x $badvaddr", "delete"],
      ...[`watch *(int *)${addressOf("jiffies")}`, "reverse-continue", "reverse-continue", "delete"],
      ...["thread 2", "reverse-stepi", "thread 1"],
      ...[
        `break *${addressOf("start_kernel")}`,
        "reverse-continue",
        "delete",
        "reverse-continue",
        "continue",
      ],
    ]);
    expect(printed.match(/hit Breakpoint 2,/g)).toHaveLength(4);
    const faults = [...printed.matchAll(/= (0x[0-9a-f]+)$/gm)].map(([, address]) => address);
    expect(faults).toHaveLength(2);
    expect(faults[0]).toBe(faults[1]);
    const ticks = [...printed.matchAll(/Old value = (-?\d+)\s+New value = (-?\d+)/g)].map(([, from, to]) =>
      [from, to].map(Number),
    );
    expect(ticks).toHaveLength(2);
    expect(ticks.map(([from, to]) => from! - to!)).toEqual([1, 1]);
    expect(ticks[1]![0]).toBe(ticks[0]![1]);
    expect(printed).toContain(`hit Breakpoint 4, ${addressOf("start_kernel")} in ?? ()`);
    expect(printed).toMatch(/No more reverse-execution history[^]*exited normally/);
    expect(debugged.console).toBe(plain.console);
    expect(exactStats(debugged)).toEqual(exactStats(plain));
    expect(debugged.status).toBe(0);
  });
});

const debian = await cachedGuest("debian");
describe.skipIf(debian.paths === undefined)("debian", () => {
  const boot = <Made extends Guest>(
    create: (config: GuestConfig) => Made,
  ): { readonly guest: Made; readonly printed: () => string } => {
    const { kernel, initrd, append } = debian.paths!;
    let printed = "";
    const guest = create({
      kernel: readFileSync(kernel),
      ...(initrd === undefined ? {} : { initrd: readFileSync(initrd) }),
      ...(append === undefined ? {} : { append }),
      mode: "bare",
      onConsole: (bytes) => (printed += String.fromCharCode(...bytes)),
    });
    guest.sendInput(new TextEncoder().encode(COMMANDS));
    return { guest, printed: () => printed };
  };

  test("stops at its vectors and in user programs, and goes on as if it had not", () => {
    const plain = boot(createGuest);
    expect(plain.guest.run(600 * TICKS_PER_SECOND)).toEqual({ kind: "off", how: "power-off" });
    const { guest, printed } = boot(createGuest);
    const { debug } = guest;
    const reset = debug.readRegister("EBase")!;
    while (debug.readRegister("EBase") === reset) guest.run(TICKS_PER_SECOND / 1000);
    const base = (debug.readRegister("EBase")! & -0x1000) >>> 0;
    // The kernel has interrupts vectored, 256 bytes apart (Cause.IV, IntCtl.VS).
    const interrupts = Array.from({ length: 8 }, (_, n) => 0x200 + 0x100 * n);
    const points = [0, 0x180, ...interrupts].map((offset) => debug.setBreakpoint(base + offset));
    const causes = new Map<number, number>();
    const users = new Set<number>();
    for (let n = 0; n < 20_000; n++) {
      const result = guest.run(600 * TICKS_PER_SECOND);
      expect(result).toMatchObject({ kind: "debug", view: "guest", stop: { kind: "breakpoint" } });
      const [status, cause] = [debug.readRegister("Status")!, debug.readRegister("Cause")!];
      expect(status & 2).toBe(2);
      const code = (cause >>> 2) & 31;
      causes.set(code, (causes.get(code) ?? 0) + 1);
      if ((status & 0x10) !== 0) users.add(debug.readRegister("EPC")!);
      if (n % 100 === 0) expect(debug.step()).toMatchObject({ kind: "debug" });
    }
    // Interrupts, TLB misses and system calls.
    for (const code of [0, 2, 3, 8]) expect(causes.get(code)).toBeGreaterThan(5);
    expect(users.size).toBeGreaterThan(5);
    for (const point of points) debug.remove(point);
    expect(guest.run(600 * TICKS_PER_SECOND)).toEqual({ kind: "off", how: "power-off" });
    expect(printed()).toBe(plain.printed());
    expect(guest.stats()).toEqual(plain.guest.stats());
  });

  test("is run backwards through its traps, and comes to the same states again", () => {
    const { guest: travel } = boot((config) =>
      createTimeTravel({ ...config, memory: 64 << 20 }, { interval: TICKS_PER_SECOND }),
    );
    const { debug } = travel;
    const reset = debug.readRegister("EBase")!;
    while (debug.readRegister("EBase") === reset) travel.run(TICKS_PER_SECOND / 10);
    travel.run(TICKS_PER_SECOND / 10);
    const base = (debug.readRegister("EBase")! & -0x1000) >>> 0;
    for (const offset of [0, 0x180]) debug.setBreakpoint(base + offset);
    const state = (): unknown => ({
      hash: travel.hash(),
      ...travel.moment,
      cause: debug.readRegister("Cause"),
    });
    const stops = Array.from({ length: 12 }, () => {
      expect(travel.run(60 * TICKS_PER_SECOND)).toMatchObject({ kind: "debug" });
      return state();
    });
    const back = (): string => {
      const way = travel.reverseContinue();
      for (;;) {
        const { kind } = way.run(TICKS_PER_SECOND / 100);
        if (kind !== "running") return kind;
      }
    };
    for (const stop of stops.slice(0, -1).reverse()) {
      expect(back()).toBe("debug");
      expect(state()).toEqual(stop);
    }
    for (const stop of stops.slice(1)) {
      travel.run(60 * TICKS_PER_SECOND);
      expect(state()).toEqual(stop);
    }
  });
});

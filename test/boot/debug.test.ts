/** Real kernels with a debugger: they do what they do without one. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { createGuest, TICKS_PER_SECOND, type Guest } from "../../src/index.ts";
import { startProgram } from "../cli/kseg.ts";
import { cachedGuest, exactStats, runGuest } from "./run-guest.ts";

const COMMANDS = "uname -m\npoweroff\n";
const GDB = "gdb-multiarch";
const hasGdb = spawnSync(GDB, ["--version"]).status === 0;
if (!hasGdb) console.log(`skipped: sessions with gdb, as ${GDB} is not installed`);

const linux = await cachedGuest("kvm-linux-4k");
describe.skipIf(linux.paths === undefined || !hasGdb)("kvm-linux-4k with gdb", () => {
  /** The address of a kernel symbol, in digits. */
  const addressOf = (symbol: string): string => {
    const map = readFileSync(join(dirname(linux.paths!.kernel), "System.map"), "utf8");
    return `0x${new RegExp(`^([0-9a-f]+) . ${symbol}$`, "m").exec(map)![1]!.slice(-8)}`;
  };

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
    let session: Promise<string> | null = null;
    const debugged = await runGuest(linux.paths!, ["--gdb", "0"], COMMANDS, (errors) => {
      const port = /target remote 127\.0\.0\.1:(\d+)\n/.exec(errors)?.[1];
      if (port === undefined || session !== null) return;
      const all = ["set confirm off", "set endian little", `target remote :${port}`, ...commands];
      session = startProgram(GDB, [
        "-nx",
        "-batch",
        ...all.flatMap((command) => ["-ex", command]),
      ]).result.then(({ stdout }) => stdout);
    });
    const printed = await session!;
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
});

const debian = await cachedGuest("debian");
describe.skipIf(debian.paths === undefined)("debian", () => {
  const boot = (): { readonly guest: Guest; readonly printed: () => string } => {
    const { kernel, initrd, append } = debian.paths!;
    let printed = "";
    const guest = createGuest({
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
    const plain = boot();
    expect(plain.guest.run(600 * TICKS_PER_SECOND)).toEqual({ kind: "off", how: "power-off" });
    const { guest, printed } = boot();
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
});

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  createGuest,
  FtraceText,
  PerfettoTrace,
  TICKS_PER_SECOND,
  type Guest,
  type GuestConfig,
  type Stats,
  type TraceWriter,
} from "../../src/index.ts";
import { demoFile } from "../cli/kseg.ts";
import { readTrace } from "./perfetto-schema.ts";
import { countsIn, countsOf } from "./trace-counts.ts";

type Format = new (write: (bytes: Uint8Array) => void, time: () => number) => TraceWriter;

interface Run {
  readonly stats: Stats;
  readonly console: string;
  readonly bytes: Uint8Array;
  readonly time: number;
  /** The longest piece that was handed on, in bytes. */
  readonly longest: number;
}

const kernel = readFileSync(demoFile("demo-te.elf"));

/** Boots the demo guest, has it start some processes and turns it off. */
function runDemo(format: Format | null, config: Partial<GuestConfig> = {}): Run {
  let guest: Guest | null = null;
  const pieces: Uint8Array[] = [];
  const writer =
    format === null
      ? null
      : new format(
          (bytes) => pieces.push(bytes),
          () => guest?.time ?? 0,
        );
  let console = "";
  guest = createGuest({
    kernel,
    memory: 64 << 20,
    ...config,
    ...(writer === null ? {} : { tracer: writer.tracer }),
    onConsole: (bytes) => (console += new TextDecoder().decode(bytes)),
  });
  guest.sendInput(new TextEncoder().encode("churn 60\npoweroff\n"));
  while (guest.run(1_000_000).kind === "running")
    writer?.sample({ instructions: guest.stats().guestInstructions });
  writer?.finish();
  const { time } = guest;
  const stats = guest.stats();
  guest.destroy();
  const longest = Math.max(0, ...pieces.map(({ length }) => length));
  return { stats, console, time, longest, bytes: Buffer.concat(pieces) };
}

const configs: readonly Partial<GuestConfig>[] = [
  {},
  { refill: "slow", fastExits: "off" },
  { gvaRoots: 1, dyntrans: "on" },
  { hostCpu: "P5600", engine: "interp", checkInvariants: true },
];

describe("a trace", () => {
  test.each(configs)("tells all that is counted (%#)", (config) => {
    const { stats, bytes, time } = runDemo(PerfettoTrace, config);
    const events = readTrace(bytes);
    const { refills, ...others } = countsIn(events);
    const wanted = countsOf(stats);
    expect(others).toEqual({ ...wanted, refills: undefined });
    expect(refills.slow).toBe(wanted.refills.slow);
    // With the generated handler off, each is both.
    if (config.refill !== "slow") expect(refills.fast).toBe(wanted.refills.fast);
    expect(events.some(({ name }) => name === "kvm_enter")).toBe(true);
    expect(stats.asidChanges).toBeGreaterThan(60);

    const counted = events.filter(({ type }) => type === "counter").map(({ value }) => value);
    expect(counted).toEqual(counted.toSorted((a, b) => a - b));
    const times = events.map(({ timestamp }) => timestamp);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThanOrEqual((time / TICKS_PER_SECOND) * 1e9);
  });

  test.each(configs)("changes nothing in the guest and in what is counted (%#)", (config) => {
    const { stats, console } = runDemo(null, config);
    const traced = runDemo(FtraceText, config);
    expect(traced.console).toBe(console);
    expect(traced.stats).toEqual(stats);
    expect(console).toContain("60 processes in");
  });

  test("shows refills with address and instruction, and the exceptions that the guest is given", () => {
    const events = readTrace(runDemo(PerfettoTrace).bytes);
    const first = events.find(({ name }) => name === "kseg_refill");
    expect(first?.fields).toEqual({ pc: 0x4010_0000, va: 0x4010_0000, access: "load" });
    const given = events.filter(({ name }) => name === "kseg_guest_exception");
    const atRefill = given.filter(({ fields }) => fields["vector"] === 0x4000_0000);
    expect(new Set(atRefill.map(({ fields }) => fields["exception"]))).toEqual(new Set(["TLBL", "TLBS"]));
    const exit = events.find(({ type }) => type === "begin");
    expect(exit).toMatchObject({
      name: "tlbmiss_ld",
      track: "vcpu 0",
      fields: { pc: 0x4010_0000, reason: 2 },
    });
  });

  test("as text has KVM's lines, and is handed on in pieces", () => {
    const { bytes, longest, stats } = runDemo(FtraceText);
    const lines = new TextDecoder().decode(bytes).split("\n");
    expect(lines[0]).toBe("# tracer: nop");
    const events = lines.filter((line) => line !== "" && !line.startsWith("#"));
    for (const line of events) expect(line).toMatch(/^ +vcpu-1 +\[000\] \.{5} +\d+\.\d{9}: \w+: \S/);
    expect(events).toContain(
      "            vcpu-1       [000] .....     0.000000000: kvm_exit: [TLB Miss (LD)]PC: 0x40100000",
    );
    expect(events.some((line) => /: kvm_hwr: MTC0 Status \(COP0:12:0\) 0x[0-9a-f]{8}$/.test(line))).toBe(
      true,
    );
    expect(events.some((line) => /: kvm_asid_change: PC: 0x4\w{7} old: 0x00 new: 0x01$/.test(line))).toBe(
      true,
    );
    expect(events.filter((line) => line.includes(": kseg_refill: "))).toHaveLength(stats.refills.fast);
    expect(bytes.length).toBeGreaterThan(10 * longest);
    expect(longest).toBeLessThanOrEqual(0x2_0000);
  });
});

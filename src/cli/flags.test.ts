import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { CPU_MODELS } from "../index.ts";
import { UsageError } from "./errors.ts";
import { addRunFlags, RUN_FLAGS, type RunFlags } from "./flags.ts";

const parse = (...args: string[]): RunFlags =>
  addRunFlags(new Command()).parse(args, { from: "user" }).opts();

describe("the flags of kseg run", () => {
  it("are the ones that scripts rely on", () => {
    expect(RUN_FLAGS.map(({ name }) => name)).toEqual(
      (
        "--guest --kernel --initrd --append --share --exec --memory --mode --host-cpu --host-page-size --engine --refill --gva-roots --guest-tlb --fast-exits --guest-fpu --dyntrans --clock " +
        "--exit-on --timeout --stats --save --restore --record --replay --trace --gdb --gdb-no-wait --quiet"
      ).split(" "),
    );
  });

  it("have defaults", () => {
    expect(parse()).toEqual({
      memory: 256 << 20,
      hostCpu: "24Kc",
      engine: "auto",
    });
  });

  it("have a place to wait for gdb: on this computer unless it is said where", () => {
    expect(parse("--gdb", "1234").gdb).toEqual({ host: "127.0.0.1", port: 1234 });
    expect(parse("--gdb", "[::1]:0").gdb).toEqual({ host: "::1", port: 0 });
    expect(parse("--gdb", "example.org:65535").gdb).toEqual({ host: "example.org", port: 65535 });
  });

  it("are read into values", () => {
    const flags = parse(
      ...[
        "--kernel",
        "vmlinux",
        "--initrd",
        "-",
        "--append",
        "-x --mode y",
        "--memory",
        "64M",
        "--mode",
        "bare",
      ],
      ...["--host-page-size", "16K", "--engine", "interp", "--refill", "slow", "--clock", "wall"],
      ...["--gva-roots", "1", "--guest-tlb", "64", "--guest-fpu", "on"],
      ...["--exit-on", "ready$", "--timeout", "0.5", "--stats", "s.json", "--quiet"],
    );
    expect(flags).toEqual({
      kernel: "vmlinux",
      initrd: "-",
      append: "-x --mode y",
      memory: 64 << 20,
      mode: "bare",
      hostCpu: "24Kc",
      hostPageSize: 16384,
      engine: "interp",
      refill: "slow",
      gvaRoots: 1,
      guestTlb: 64,
      guestFpu: "on",
      clock: "wall",
      exitOn: /ready$/u,
      timeout: 0.5,
      stats: "s.json",
      quiet: true,
    });
  });

  it("take every CPU model", () => {
    for (const name of Object.keys(CPU_MODELS)) expect(parse("--host-cpu", name).hostCpu).toBe(name);
  });

  it.each([
    ["262144K", 2 ** 28],
    ["1G", 2 ** 30],
    ["1g", 2 ** 30],
    ["64MB", 2 ** 26],
    ["64MiB", 2 ** 26],
  ])("take %s of memory", (text, bytes) => {
    expect(parse("--memory", text).memory).toBe(bytes);
  });

  it.each(["64", "M", "-1M", "1.5G", "0x40M", "64 M", "1T", "", "99999999999999999G"])(
    "do not take %j as memory",
    (text) => {
      expect(() => parse("--memory", text)).toThrow(UsageError);
    },
  );

  it.each([
    [".5", 0.5],
    ["60", 60],
    ["1.25", 1.25],
  ])("take %s as a timeout", (text, value) => {
    expect(parse("--timeout", text).timeout).toBe(value);
  });

  it.each(["", "1e9", "1e1", "2147484", "0x10", "NaN", "5s", "99999999", "0.0"])(
    "do not take %j as a timeout",
    (text) => {
      expect(() => parse("--timeout", text)).toThrow(UsageError);
    },
  );

  it("take regular expressions that the strict syntax refuses", () => {
    expect(parse("--exit-on", "kseg\\-ready").exitOn!.test("kseg-ready")).toBe(true);
    expect(parse("--exit-on", "^\\p{Lu}").exitOn!.test("É")).toBe(true);
  });
});

it("the help shows each flag under a heading", () => {
  for (const option of addRunFlags(new Command()).options)
    expect(option.helpGroupHeading, option.long).toMatch(/^[A-Z].*:$/);
});

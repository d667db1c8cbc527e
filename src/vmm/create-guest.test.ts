import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GuestConfigError, type GuestConfig, type Mode } from "../guest.ts";
import { createGuest } from "./create-guest.ts";
import { createTimeTravel } from "./create-time-travel.ts";

const image = (name: string): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/${name}`, import.meta.url));
const good: GuestConfig = { kernel: image("demo-te.elf"), onConsole() {} };

/** What has no text. */
const NO_TEXT: unknown = Object.create(null);

describe("a configuration that cannot work", () => {
  it.each([
    ["mode", "vz", "choose from te, bare"],
    ["mode", 5n, "mode is 5: choose from te, bare"],
    ["engine", "x", "choose from auto, jit, interp"],
    ["refill", "x", "choose from fast, slow"],
    ["guestTlb", 100, "choose from 64, 128, 256, 512, 1024, 2048, 4096"],
    ["gvaRoots", 0, "give a whole number from 1 to 64"],
    ["gvaRoots", 65, "give a whole number from 1 to 64"],
    ["gvaRoots", "8", "give a whole number from 1 to 64"],
    ["hostCpus", 0, "give a whole number from 1 to 8"],
    ["hostCpus", 9, "give a whole number from 1 to 8"],
    ["clock", "x", "choose from virtual, wall"],
    ["hostPageSize", 8192, "choose from 4096, 16384"],
    ["hostPageSize", 0, "choose from 4096, 16384"],
    ["kernel", undefined, "no Uint8Array"],
    ["initrd", "abc", "no Uint8Array"],
    ["onConsole", undefined, "onConsole is missing"],
    ["onSerial", 5, "onSerial is no function"],
    ["append", 5, "append is no string"],
    ["memory", 0, "give a whole number of MiB"],
    ["memory", null, "null bytes of memory"],
    ["hostCpu", "Z80", "choose from"],
    ["hostCpu", Symbol("Z80"), "choose from"],
    ["hostCpu", NO_TEXT, "name has to have 1 to 64 characters"],
    ["memory", NO_TEXT, "an object bytes of memory"],
    ["gvaRoots", NO_TEXT, "gvaRoots is an object"],
    ["mode", NO_TEXT, "mode is an object: choose from"],
    ["checkInvariants", "yes", 'checkInvariants is "yes": choose from true, false'],
    ["refillLog", 3, "refillLog is 3: choose from true, false"],
    ["tracer", "x", 'tracer is "x": give an object'],
    ["mode", Symbol("vz"), "mode is Symbol(vz): choose from"],
  ])("%s %s is refused", (name, value, message) => {
    const config = { ...good, [name]: value } as GuestConfig;
    expect(() => createGuest(config)).toThrow(GuestConfigError);
    expect(() => createGuest(config)).toThrow(message);
  });
});

it.each([
  ["refil", "slow", "there is no setting refil: did you mean refill?"],
  ["onconsole", () => {}, "there is no setting onconsole: did you mean onConsole?"],
  ["frobnicate", 1, "there is no setting frobnicate: choose from mode, engine,"],
  ["constructor", 1, "there is no setting constructor: choose from"],
])("the setting %s, which there is not, is refused", (name, value, message) => {
  const create = () => createGuest({ ...good, [name]: value });
  expect(create).toThrow(GuestConfigError);
  expect(create).toThrow(message);
  expect(() => createTimeTravel({ ...good, [name]: value })).toThrow(message);
  expect(() => createGuest({ ...good, [name]: undefined })).not.toThrow();
});

it.each([
  "refill",
  "gvaRoots",
  "guestTlb",
  "fastExits",
  "guestFpu",
  "dyntrans",
  "hostPageSize",
  "hostCpus",
] as const)("%s is refused without a hypervisor", (name) => {
  const values = {
    refill: "slow",
    gvaRoots: 1,
    guestTlb: 64,
    fastExits: "off",
    guestFpu: "on",
    dyntrans: "on",
    hostPageSize: 4096,
    hostCpus: 2,
  } as const;
  const config = { ...good, mode: "bare", kernel: image("demo-bare.elf") } as const;
  expect(() => createGuest({ ...config, [name]: values[name] })).toThrow(
    `${name} is about the hypervisor: leave it out with mode bare`,
  );
});

it("a guest is not given an FPU that the host has not got", () => {
  expect(() => createGuest({ ...good, guestFpu: "on" })).toThrow(
    "the host CPU 24Kc has no FPU that a guest could have: use one of 24Kf, 34Kf, P5600",
  );
  createGuest({ ...good, hostCpu: "24Kf", guestFpu: "on" }).destroy();
});

it.each([null, undefined, "demo"])("%s as configuration is refused", (config) => {
  expect(() => createGuest(config as unknown as GuestConfig)).toThrow(
    `the configuration is an object with the guest's settings, not ${config === "demo" ? '"demo"' : config}`,
  );
});

it.each<[Mode, string]>([
  ["te", "demo-te.elf"],
  ["bare", "demo-bare.elf"],
])("under %s a run for no time is refused", (mode, name) => {
  const guest = createGuest({ ...good, mode, kernel: image(name) });
  for (const ticks of [NaN, 0, -1]) expect(() => guest.run(ticks)).toThrow(RangeError);
  expect(guest.run(1000)).toEqual({ kind: "running" });
});

it.each<[Mode, string, number]>([
  ["te", "demo-te.elf", 2],
  ["te", "demo-te.elf", 1],
  ["bare", "demo-bare.elf", 1],
])("under %s a run on a host CPU that there is not is refused (%s, %i)", (mode, name, cpus) => {
  const settings = mode === "te" ? { hostCpus: cpus } : {};
  const guest = createGuest({ ...good, ...settings, mode, kernel: image(name) });
  for (const cpu of [cpus, -1, 0.5, NaN]) expect(() => guest.run(1000, cpu)).toThrow(RangeError);
  expect(guest.run(1000, cpus - 1)).toEqual({ kind: "running" });
  expect(guest.time).toBeGreaterThanOrEqual(1000);
});

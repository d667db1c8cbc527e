import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { GuestConfig } from "../guest.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { createGuest } from "./create-guest.ts";
import { snapshotConfig } from "./snapshot-config.ts";

const image = (name: string): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/${name}`, import.meta.url));

it.each<Partial<GuestConfig>>([
  { mode: "te", refill: "slow", gvaRoots: 3, guestTlb: 64, fastExits: "off", dyntrans: "on" },
  { mode: "te", hostCpu: "34Kf", guestFpu: "on", memory: 32 << 20, hostCpus: 2 },
  { mode: "bare", hostCpu: "P5600", clock: "wall", now: () => 0 },
])("a snapshot knows that its guest was made with %j", (config) => {
  const kernel = image(config.mode === "bare" ? "demo-bare.elf" : "demo-te.elf");
  const guest = createGuest({ kernel, ...config, onConsole() {} });
  const { now: _, ...kept } = config;
  expect(snapshotConfig(guest.save())).toMatchObject(kept);
});

it("refuses what is no snapshot", () => {
  expect(() => snapshotConfig(new Uint8Array(100))).toThrow(SnapshotError);
});

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createGuest, TICKS_PER_SECOND, type GuestConfig } from "../index.ts";
import { viewsOf } from "./views.ts";

const image = (name: string): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/${name}`, import.meta.url));

it.each<readonly [Partial<GuestConfig>, host: number, guest: number]>([
  [{}, 16, 512],
  [{ hostCpu: "34Kc", guestTlb: 64 }, 64, 64],
  [{ guestTlb: 4096 }, 16, 4096],
  // An FTLB of 4 ways with 128 sets behind the VTLB, which the hypervisor has in use, but not the demo guest.
  [{ hostCpu: "P5600" }, 64 + 512, 512],
  [{ hostCpu: "P5600", mode: "bare" }, 64, 64],
])("shows TLBs of as many entries as there are with %j", (config, host, guest) => {
  const kernel = image(config.mode === "bare" ? "demo-bare.elf" : "demo-te.elf");
  const vm = createGuest({ ...config, kernel, onConsole() {} });
  vm.run(TICKS_PER_SECOND / 2);
  const tlbs = viewsOf(vm, { tlbs: true }).tlbs!;
  expect([tlbs.hostSize, tlbs.guestSize]).toEqual([host, guest]);
  expect(tlbs.host.length).toBeGreaterThan(0);
  for (const { index } of tlbs.host) expect(index).toBeLessThan(host);
  for (const { index } of tlbs.guest) expect(index).toBeLessThan(guest);
});

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createTimeTravel, generatedCode, type TimeTravel } from "../index.ts";
import { MissFollower } from "./miss-follower.ts";
import type { Miss, Settings } from "./protocol.ts";

const kernel = readFileSync(new URL("../../guests/demo/demo-te.elf", import.meta.url));

/** A demo guest, and what follows its misses. */
function newGuest(settings: Settings): { guest: TimeTravel; follower: MissFollower } {
  const guest = createTimeTravel({ kernel, ...settings, onConsole() {} });
  guest.sendInput(new TextEncoder().encode("demand 40\ntouch 40 400\n"));
  return { guest, follower: new MissFollower(guest, guest.hostDebug!, settings) };
}

/** Follows misses until there is one for which `wanted` holds. */
function followUntil(
  { guest, follower }: ReturnType<typeof newGuest>,
  wanted: (miss: Miss) => boolean,
): Miss {
  for (;;) {
    follower.start();
    const result = guest.run(100_000);
    if (result.kind !== "debug") continue;
    const miss = follower.follow();
    if (wanted(miss)) return miss;
  }
}

it.each<Settings>([{}, { hostCpu: "34Kf" }, { hostPageSize: 16384, hostCpu: "P5600" }])(
  "a fast miss is the listed handler, word for word, with %j",
  (settings) => {
    const image = settings.hostPageSize === 16384 ? "demo-te-16k.elf" : "demo-te.elf";
    const guest = createTimeTravel({
      kernel: readFileSync(new URL(`../../guests/demo/${image}`, import.meta.url)),
      ...settings,
      onConsole() {},
    });
    const follower = new MissFollower(guest, guest.hostDebug!, settings);
    const miss = followUntil({ guest, follower }, ({ way }) => way === "fast");
    const handler = miss.steps.filter(({ part }) => part === "refill");
    const listed = [...generatedCode("refill", settings).matchAll(/^[0-9a-f]{8}: ([0-9a-f]{8})/gm)];
    expect(handler.map(({ word }) => word)).toEqual(listed.map(([, word]) => Number.parseInt(word!, 16)));
    expect(miss.steps.at(-1)!.part).toBe("guest");
    const parts = follower.listing.find(({ part }) => part === "refill")!;
    expect(parts.words.map(({ address }) => address)).toEqual(handler.map(({ address }) => address));
  },
);

it("a slow miss leaves the machine between a way out and a way in, and each branch has its delay slot", () => {
  const test = newGuest({});
  const { steps } = followUntil(test, ({ way }) => way === "slow");
  const order = steps.map(({ part }) => part).filter((part, i, all) => part !== all[i - 1]);
  expect(order.slice(0, 4)).toEqual(["refill", "guest", "exit", "host"]);
  expect(order).toContain("entry");
  expect(order.at(-1)).toBe("guest");
  const exits = steps.filter(({ exit }) => exit !== undefined);
  expect(exits.map(({ exit }) => exit)).toEqual([expect.stringMatching(/^tlbmiss_/)]);
  const branches = steps.filter(({ text, part }) => part !== "guest" && /^(b|j)[a-z]* /.test(text));
  expect(branches.length).toBeGreaterThan(3);
  for (const [i, step] of steps.entries())
    if (branches.includes(step)) expect(steps[i + 1]!.address, step.text).toBe(step.address + 4);
});

it("every miss ends with an instruction of the guest's, its own handler's if it has to handle it", () => {
  const test = newGuest({});
  let elsewhere = 0;
  for (let slow = 0; slow < 60; slow++) {
    const { steps, pc } = followUntil(test, ({ way }) => way === "slow");
    const { part, address } = steps.at(-1)!;
    expect(part).toBe("guest");
    if (address !== pc && address !== pc + 4) elsewhere++;
  }
  expect(elsewhere).toBeGreaterThan(0);
});

it("who follows misses changes nothing", () => {
  const [followed, alone] = [newGuest({}), newGuest({})];
  for (let n = 0; n < 200; n++) followUntil(followed, () => true);
  const { time } = followed.guest;
  while (alone.guest.time < time) alone.guest.run(time - alone.guest.time);
  expect(followed.guest.stats()).toEqual(alone.guest.stats());
});

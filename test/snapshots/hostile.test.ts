/** Snapshots with random changes under a right checksum: refused, or a guest that harms nobody but itself. */
import { crc32 } from "node:zlib";
import { expect, it } from "vitest";
import { createGuest, restoreGuest, SnapshotError } from "../../src/index.ts";
import { Random } from "../fuzz/random.ts";
import { demo, type DemoConfig } from "./demo.ts";

const CASES = 60;
/** Bytes before the contents; the checksum is the last word of them. */
const HEADER_BYTES = 16;
/** Pages in front of the others, which are the hypervisor's if there is one, with their numbers. */
const FIRST_PAGES = 60 * (4 + 4096);
const onConsole = (): void => {};

/** Snapshots of a guest at some moments of its tour. */
function snapshots(config: DemoConfig): Uint8Array[] {
  const guest = createGuest({ ...demo({ memory: 4 << 20, ...config }), onConsole });
  guest.sendInput(Buffer.from("tour\n"));
  return Array.from({ length: 5 }, (_, n) => {
    guest.run(300_000 + 12_345 * n);
    return guest.save();
  });
}

/** Changes up to three bytes: of settings and state, of the first pages, or anywhere. */
function damage(snapshot: Uint8Array, random: Random): Uint8Array {
  const bytes = snapshot.slice();
  const view = new DataView(bytes.buffer);
  const state = HEADER_BYTES + 4 + view.getUint32(HEADER_BYTES, true);
  const pages = state + 4 + view.getUint32(state, true);
  const parts = [
    { weight: 1, first: HEADER_BYTES, end: state },
    { weight: 6, first: state, end: pages },
    { weight: 3, first: pages, end: Math.min(pages + FIRST_PAGES, bytes.length) },
    { weight: 1, first: HEADER_BYTES, end: bytes.length },
  ];
  for (let changes = random.between(1, 3); changes > 0; changes--) {
    const { first, end } = random.pick(parts.flatMap((part) => Array<typeof part>(part.weight).fill(part)));
    let at = random.between(first, end - 1);
    // Most of it is zeros that mean nothing.
    for (let tries = 0; bytes[at] === 0 && tries < 100; tries++) at = random.between(first, end - 1);
    bytes[at] = random.chance(50) ? bytes[at]! ^ (1 << random.below(8)) : random.below(256);
  }
  view.setUint32(HEADER_BYTES - 4, crc32(bytes.subarray(HEADER_BYTES)), true);
  return bytes;
}

it.each<DemoConfig>([
  { mode: "bare" },
  {},
  { hostCpu: "P5600", guestFpu: "on", hostCpus: 2 },
  { refill: "slow" },
])("with %j", (config) => {
  const originals = snapshots(config);
  let refused = 0;
  for (let seed = 0; seed < CASES; seed++) {
    const random = new Random(seed, 11);
    const bytes = damage(random.pick(originals), random);
    try {
      const guest = restoreGuest(bytes, { onConsole, engine: "interp" });
      for (let part = 0; part < 4; part++) guest.run(25_000);
      guest.save();
      guest.destroy();
    } catch (error) {
      expect(error, `seed ${seed}`).toBeInstanceOf(SnapshotError);
      expect((error as Error).message).not.toContain("\n");
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(CASES / 10);
  expect(refused).toBeLessThan(CASES);
});

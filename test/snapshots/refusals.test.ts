/** What is no snapshot, or no whole one, is refused with one line. */
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createGuest, GuestBusyError, restoreGuest, SnapshotError } from "../../src/index.ts";
import { demo } from "./demo.ts";

const HEADER_BYTES = 16;
const onConsole = (): void => {};
const restore = (snapshot: Uint8Array) => () => restoreGuest(snapshot, { onConsole });

function saved(): Uint8Array {
  const guest = createGuest({ ...demo({ mode: "bare", memory: 1 << 22 }), onConsole });
  guest.run(200_000);
  return guest.save();
}

const snapshot = saved();

function changed(at: number, value: number, mend: boolean): Uint8Array {
  const bytes = snapshot.slice();
  bytes[at] = value;
  const view = new DataView(bytes.buffer);
  if (mend) view.setUint32(12, crc32(bytes.subarray(HEADER_BYTES)), true);
  return bytes;
}

describe("restoreGuest refuses", () => {
  it.each<[string, unknown, string]>([
    ["nothing", undefined, "the snapshot is no Uint8Array"],
    ["text", "KSEGSNAP", "the snapshot is no Uint8Array"],
    ["no bytes", new Uint8Array(), "this is no snapshot of a kseg guest"],
    ["a kernel", demo({}).kernel, "this is no snapshot of a kseg guest"],
    ["a header alone", snapshot.subarray(0, HEADER_BYTES), "its checksum is wrong"],
    ["half of one", snapshot.subarray(0, snapshot.length >> 1), "its checksum is wrong"],
    ["all but the last byte", snapshot.subarray(0, -1), "its checksum is wrong"],
    ["one byte more", Uint8Array.of(...snapshot.subarray(0, 64), 0), "its checksum is wrong"],
    ["the magic alone", snapshot.subarray(0, 8), "ends too early"],
    ["a newer format", changed(8, 200, false), "the snapshot has format 200, this kseg reads format 3"],
    ["a changed byte", changed(1000, snapshot[1000]! ^ 1, false), "its checksum is wrong"],
  ])("%s", (_, bytes, message) => {
    const attempt = restore(bytes as Uint8Array);
    expect(attempt).toThrow(SnapshotError);
    expect(attempt).toThrow(message);
  });

  it("a configuration that cannot work", () => {
    expect(() => restoreGuest(snapshot, { onConsole: undefined as unknown as () => void })).toThrow(
      expect.objectContaining({ name: "GuestConfigError", setting: "onConsole" }),
    );
    expect(() => restoreGuest(snapshot, { onConsole, clock: "wall" })).toThrow(
      expect.objectContaining({ name: "GuestConfigError", setting: "now" }),
    );
  });
});

it("a snapshot can lie anywhere in memory", () => {
  const room = new Uint8Array(snapshot.length + 3);
  room.set(snapshot, 3);
  for (const bytes of [room.subarray(3), Buffer.from(room.buffer, 3)])
    expect(Buffer.compare(restoreGuest(bytes, { onConsole }).save(), snapshot)).toBe(0);
});

describe("save", () => {
  it("can be called in a console callback, and what is restored goes on from there", () => {
    let printed = "";
    let early: { readonly snapshot: Uint8Array; readonly printed: string } | null = null;
    const guest = createGuest({
      ...demo({}),
      onConsole: (bytes) => {
        printed += Buffer.from(bytes).toString("latin1");
        early ??= { snapshot: guest.save(), printed };
      },
    });
    guest.sendInput(Buffer.from("ps\npoweroff\n"));
    const result = guest.run(1e9);
    const { snapshot: inCallback, printed: before } = early!;
    let later = before;
    const other = restoreGuest(inCallback, {
      onConsole: (bytes) => (later += Buffer.from(bytes).toString("latin1")),
    });
    expect(other.run(1e9)).toEqual(result);
    expect(later).toBe(printed);
    expect(other.hash()).toBe(guest.hash());
  });

  it("cannot be called where the clock is read, nor after destroy", () => {
    const attempts: unknown[] = [];
    let isTried = false;
    const guest = createGuest({
      ...demo({}),
      clock: "wall",
      now: () => {
        if (isTried)
          try {
            guest.save();
          } catch (error) {
            attempts.push(error);
          }
        return performance.now();
      },
      onConsole,
    });
    isTried = true;
    guest.run(1000);
    isTried = false;
    expect(attempts.length).toBeGreaterThan(0);
    for (const error of attempts) expect(error).toBeInstanceOf(GuestBusyError);
    guest.destroy();
    expect(() => guest.save()).toThrow(SnapshotError);
  });

  it("keeps how a guest has ended", () => {
    const guest = createGuest({ ...demo({}), onConsole });
    guest.sendInput(Buffer.from("poweroff\n"));
    const result = guest.run(1e9);
    expect(result.kind).toBe("off");
    expect(restoreGuest(guest.save(), { onConsole }).run(1)).toEqual(result);
  });
});

describe("a clock", () => {
  it("on the wall goes on from where it was", () => {
    let now = 1000;
    const config = { onConsole, now: () => (now += 0.01) };
    const guest = createGuest({ ...demo({}), ...config, clock: "wall" });
    guest.run(5_000_000);
    const bytes = guest.save();
    now = 50;
    const other = restoreGuest(bytes, config);
    const { time } = other;
    expect(time).toBeGreaterThanOrEqual(guest.time - 100_000);
    other.run(1_000_000);
    expect(other.time - time).toBeLessThan(2_000_000);
    expect(() => restoreGuest(bytes, { onConsole })).toThrow(expect.objectContaining({ setting: "now" }));
  });

  it("can be another one than it was", () => {
    let now = 0;
    const guest = createGuest({ ...demo({}), onConsole, clock: "wall", now: () => (now += 0.01) });
    guest.run(2_000_000);
    const bytes = guest.save();
    const ends = [1, 2].map(() => {
      const other = restoreGuest(bytes, { onConsole, clock: "virtual" });
      other.sendInput(Buffer.from("poweroff\n"));
      return [other.run(1e9), other.hash()];
    });
    expect(ends[0]).toEqual(ends[1]);
    expect(ends[0]![0]).toEqual({ kind: "off", how: "power-off" });
  });
});

/** A guest is turned back, and does again what it did. */
import { describe, expect, it } from "vitest";
import {
  createTimeTravel,
  DivergenceError,
  replayGuest,
  restoreGuest,
  restoreTimeTravel,
  SnapshotError,
  type Moment,
  type TimeTravel,
} from "../../src/index.ts";
import { decodeRecording, encodeRecording } from "../../src/vmm/recording.ts";
import { Random } from "../fuzz/random.ts";
import { demo, type DemoConfig } from "./demo.ts";

const CONFIGS: readonly DemoConfig[] = [
  { mode: "bare" },
  {},
  { hostCpu: "P5600", engine: "interp", refill: "slow" },
  { hostCpus: 2 },
];

/** A guest with its console's text, which takes commands one by one. */
function traveller(config: DemoConfig, interval = 200_000): { travel: TimeTravel; text: () => string } {
  let text = "";
  const travel = createTimeTravel(
    { ...demo(config), onConsole: (bytes) => (text += Buffer.from(bytes).toString("latin1")) },
    { interval, snapshots: 6 },
  );
  return { travel, text: () => text };
}

/** Where a guest was, and in which state. */
type State = Moment & { readonly hash: string };

/** Has a session with the guest: commands that it gets at some moments. Returns states on the way. */
function session(travel: TimeTravel, cpus = 1): State[] {
  const states: State[] = [];
  const random = new Random(9, 9);
  for (const [n, command] of ["ps\n", "uptime\n", "mem\n", "ps\n"].entries()) {
    travel.sendInput(Buffer.from(command));
    for (let part = 0; part < 3; part++) {
      const { instructions } = travel.moment;
      travel.run(1 + random.below(150_000), n % cpus);
      // Of the moments with the same count only the first can be gone to.
      if (travel.moment.instructions === instructions) continue;
      states.push({ ...travel.moment, hash: travel.hash() });
    }
    travel.passTime(1000);
  }
  return states;
}

describe.each(CONFIGS)("with %j", (config) => {
  it("a guest comes back to where it was, and then to where it was last", () => {
    const { travel, text } = traveller(config);
    const states = session(travel, config.hostCpus);
    const end = { moment: travel.moment, hash: travel.hash(), stats: travel.stats() };
    const printed = text();
    const there = (): unknown => {
      travel.run(Math.max(1, end.moment.time - travel.time));
      return { moment: travel.moment, hash: travel.hash(), stats: travel.stats() };
    };
    const random = new Random(5, 5);
    let same = 0;
    for (const _ of states) {
      const { instructions, time, hash: before } = random.pick(states);
      travel.goTo(instructions);
      expect(travel.moment.instructions).toBe(instructions);
      const hash = travel.hash();
      // It may have waited at that count since.
      if (travel.moment.time === time) {
        expect(hash).toBe(before);
        same++;
      }
      // From any other moment the way leads to the same state.
      travel.goTo(random.below(instructions));
      travel.goTo(instructions);
      expect(travel.hash()).toBe(hash);
    }
    expect(same).toBeGreaterThan(states.length / 2);
    expect(text()).toBe(printed);
    expect(there()).toEqual(end);
    expect(travel.isReplaying).toBe(false);
  });

  it("a recording repeats a run, and what is given on the way begins another", () => {
    const { travel, text } = traveller(config);
    session(travel, config.hostCpus);
    const recording = travel.recording();
    let again = "";
    const onConsole = (bytes: Uint8Array): void => void (again += Buffer.from(bytes).toString("latin1"));
    const replay = replayGuest(recording, { onConsole });
    while (replay.isReplaying) replay.run(77_777);
    const wanted = travel.moment;
    replay.goTo(wanted.instructions - 1);
    while (replay.isReplaying) replay.run(1000);
    expect(again.startsWith(text())).toBe(true);
    const branch = replayGuest(recording, { onConsole });
    branch.run(200_000);
    expect(branch.isReplaying).toBe(true);
    branch.sendInput(Buffer.from("poweroff\n"));
    expect(branch.isReplaying).toBe(false);
    expect(branch.run(1e9)).toEqual({ kind: "off", how: "power-off" });
    branch.goTo(wanted.instructions >> 2);
    expect(branch.run(1e9)).toEqual({ kind: "off", how: "power-off" });
  });
});

it("a guest can be stepped back instruction by instruction", () => {
  const { travel } = traveller({ mode: "bare" });
  travel.run(150_000);
  const hashes: string[] = [];
  const last = travel.moment.instructions;
  for (let n = 0; n < 20; n++) {
    hashes.push(travel.hash());
    travel.goTo(last - n - 1);
    expect(travel.moment.instructions).toBe(last - n - 1);
  }
  for (const hash of hashes.reverse()) {
    travel.run(1);
    expect(travel.hash()).toBe(hash);
  }
});

it.each<DemoConfig>([{ mode: "bare" }, {}])("with %j a debugger finds the past as it was", (config) => {
  const { travel } = traveller(config);
  travel.sendInput(Buffer.from("ps\n"));
  travel.run(1_000_000);
  const { pc, instructions } = { pc: travel.debug.readRegister("pc")!, ...travel.moment };
  const breakpoint = travel.debug.setBreakpoint(pc);
  travel.goTo(instructions - 1);
  const steps = [travel.debug.step(), travel.debug.step()].map(({ kind }) => kind);
  expect(steps).toEqual(["debug", "debug"]);
  travel.goTo(instructions - 1000);
  let stop = travel.run(2_000_000);
  while (stop.kind === "debug" && travel.moment.instructions < instructions) stop = travel.run(2_000_000);
  expect(stop.kind).toBe("debug");
  travel.debug.remove(breakpoint);
  // What a debugger changes, nobody could do again.
  travel.debug.writeRegister("v0", 5);
  expect(travel.first.instructions).toBe(travel.moment.instructions);
  expect(() => travel.goTo(1000)).toThrow(RangeError);
});

it.each<DemoConfig>([{ mode: "bare" }, {}])(
  "with %j a debugger stops in the past where it stopped",
  (config) => {
    const { travel } = traveller(config);
    travel.sendInput(Buffer.from("ps\n"));
    travel.run(100_000);
    const start = travel.moment.instructions;
    travel.debug.setBreakpoint(travel.debug.readRegister("ra")! & -4);
    travel.debug.setWatchpoint(travel.debug.readRegister("sp")! - 256, 512, "write");
    const stops = (): unknown[] =>
      Array.from({ length: 20 }, () => {
        const result = travel.run(2_000_000);
        const kind = result.kind === "debug" ? result.stop.kind : result.kind;
        return { kind, pc: travel.debug.readRegister("pc"), ...travel.moment };
      });
    const first = stops();
    expect(new Set(first).size).toBe(first.length);
    travel.goTo(start);
    expect(stops()).toEqual(first);
  },
);

it("snapshots share what has not changed, and old ones become rare", () => {
  const travel = createTimeTravel(
    { ...demo({ memory: 64 << 20 }), onConsole: () => {} },
    { interval: 100_000, snapshots: 20 },
  );
  travel.sendInput(Buffer.from("tour\n"));
  for (let n = 0; n < 60; n++) travel.run(100_000);
  const { snapshots } = travel as unknown as {
    snapshots: { time: number; image: { ram: ReadonlyMap<number, Uint8Array> } }[];
  };
  expect(snapshots).toHaveLength(20);
  const pages = new Set(snapshots.flatMap(({ image }) => [...image.ram.values()]));
  const alone = snapshots.reduce((sum, { image }) => sum + image.ram.size, 0);
  // All of them together take less than three by themselves.
  expect(pages.size).toBeLessThan((alone / 20) * 3);
  const gaps = snapshots.slice(1).map(({ time }, n) => time - snapshots[n]!.time);
  expect(Math.max(...gaps.slice(0, 6))).toBeGreaterThan(2 * Math.max(...gaps.slice(-6)));
  travel.goTo(3_000_000);
  expect(travel.moment.instructions).toBe(3_000_000);
});

describe("what cannot be is refused", () => {
  it("moments that there are not", () => {
    const { travel } = traveller({});
    travel.run(100_000);
    for (const instructions of [-1, 0.5, Number.NaN])
      expect(() => travel.goTo(instructions)).toThrow(RangeError);
    const late = restoreTimeTravel(travel.save(), { onConsole: () => {} });
    expect(() => late.goTo(5)).toThrow(`give a whole number from ${late.first.instructions}`);
    const ended = traveller({}).travel;
    ended.sendInput(Buffer.from("poweroff\n"));
    ended.run(1e9);
    expect(() => ended.goTo(1e9)).toThrow("the guest stands at");
  });

  it("the wall clock, and settings out of bounds", () => {
    const config = { ...demo({}), onConsole: () => {} };
    expect(() => createTimeTravel({ ...config, clock: "wall", now: () => 0 })).toThrow(
      expect.objectContaining({ setting: "clock" }),
    );
    expect(() => createTimeTravel(config, { interval: 0 })).toThrow(RangeError);
    expect(() => createTimeTravel(config, { snapshots: 1 })).toThrow(RangeError);
  });

  it("recordings that are none, or of another guest", () => {
    const { travel } = traveller({});
    session(travel);
    const recording = travel.recording();
    const onConsole = (): void => {};
    const replay = (bytes: Uint8Array) => () => replayGuest(bytes, { onConsole });
    expect(replay(travel.save())).toThrow(
      expect.objectContaining({
        message: "this is no recording of a kseg guest but a snapshot",
        found: "snapshot",
      }),
    );
    expect(() => restoreGuest(recording, { onConsole })).toThrow(
      expect.objectContaining({
        message: "this is no snapshot of a kseg guest but a recording",
        found: "recording",
      }),
    );
    expect(replay(recording.subarray(0, -1))).toThrow("its checksum is wrong");
    expect(replay(new Uint8Array())).toThrow(SnapshotError);
    const { snapshot, inputs } = decodeRecording(recording);
    const late = inputs.map((one) => ({ ...one, instructions: one.instructions + 1 }));
    expect(() => replay(encodeRecording({ snapshot, inputs: late }))().run(1e6)).toThrow(DivergenceError);
    const wrong = inputs.map((one) =>
      one.input.kind === "mark" ? { ...one, input: { kind: "mark", hash: "00000000" } as const } : one,
    );
    expect(() => replay(encodeRecording({ snapshot, inputs: wrong }))().run(1e8)).toThrow(DivergenceError);
    expect(replay(encodeRecording({ snapshot, inputs: inputs.toReversed() }))).toThrow("not in order");
    const elsewhere = { ...inputs[0]!, input: { kind: "host-cpu", number: 1 } } as const;
    const goesElsewhere = replay(encodeRecording({ snapshot, inputs: [elsewhere] }));
    expect(goesElsewhere).toThrow(SnapshotError);
    expect(goesElsewhere).toThrow("its guest goes to host CPU 1, and there are 1");
    const forever = { ...inputs[0]!, input: { kind: "time", ticks: 2 ** 50 } } as const;
    expect(() => replay(encodeRecording({ snapshot, inputs: [forever] }))().run(1e9)).toThrow(SnapshotError);
  });
});

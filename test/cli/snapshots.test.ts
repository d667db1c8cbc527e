/** `kseg run --save` and `--restore`, as processes. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { demoFile, kseg, start } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-snapshots-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

const COMMANDS = "tour\nps\npoweroff\n";
const RUN = ["run", "--memory", "16M", "--quiet"];

/** The statistics in a file, without the seconds. */
function exactly(name: string): object {
  const { seconds: _, ...exact } = JSON.parse(readFileSync(at(name), "utf8")) as { seconds: number };
  return exact;
}

it.each(["te", "bare"])("a run under %s can be saved and gone on with, bit for bit", async (mode) => {
  const guest = [...RUN, "--mode", mode];
  const whole = await kseg([...guest, "--stats", at("whole.json")], { input: COMMANDS });
  expect(whole.status, whole.stderr).toBe(0);
  const file = at(`${mode}.snapshot`);
  const first = await kseg([...guest, "--save", file, "--exit-on", "^5\\. touch"], { input: COMMANDS });
  expect(first.status, first.stderr).toBe(0);
  expect(whole.stdout.startsWith(first.stdout)).toBe(true);
  const second = await kseg(["run", "--quiet", "--restore", file, "--stats", at("second.json")]);
  expect(second.status, second.stderr).toBe(0);
  expect(first.stdout + second.stdout).toBe(whole.stdout);
  expect(exactly("second.json")).toEqual(exactly("whole.json"));
});

it("a snapshot is replaced by a later one of the same guest, and takes new input", async () => {
  const file = at("chain.snapshot");
  await kseg([...RUN, "--save", file, "--exit-on", "guided tour"]);
  const old = readFileSync(file);
  const next = await kseg(["run", "--restore", file, "--save", file, "--exit-on", "Count"], {
    input: "uptime\n",
  });
  expect(next.status, next.stderr).toBe(0);
  expect(next.stderr).toMatch(/^instructions {4}[\d,]+, now [\d,]+ in /m);
  expect(next.stderr).toMatch(/^kseg: saved .*chain\.snapshot \(\d+ kB\)$/m);
  expect(readFileSync(file).equals(old)).toBe(false);
  expect(readdirSync(folder).filter((name) => name.includes("tmp"))).toEqual([]);
});

it("a guest that has ended is not saved over an older snapshot", async () => {
  writeFileSync(at("kept"), "old");
  const ended = await kseg([...RUN, "--save", at("kept")], { input: "poweroff\n" });
  expect(ended.status, ended.stderr).toBe(0);
  expect(readFileSync(at("kept"), "utf8")).toBe("old");
});

describe("a recording", () => {
  it.each(["te", "bare"])("repeats a run under %s, bit for bit", async (mode) => {
    const tape = at(`${mode}.tape`);
    const guest = [...RUN, "--mode", mode, "--stats", at("recorded.json")];
    const whole = await kseg([...guest, "--record", tape], { input: COMMANDS });
    expect(whole.status, whole.stderr).toBe(0);
    const flags = ["run", "--quiet", "--replay", tape, "--stats", at("repeated.json")];
    // Input of now comes behind all that was recorded, and so to a guest that is off.
    const again = await kseg(flags, { input: "uptime\n" });
    expect(again).toEqual(whole);
    expect(exactly("repeated.json")).toEqual(exactly("recorded.json"));
  });

  it("goes on with live input, and can be recorded again", async () => {
    const [first, second] = [at("first.tape"), at("second.tape")];
    const session = start([...RUN, "--record", first, "--exit-on", "Count"]);
    // The end of its input would be Ctrl-D to the guest.
    session.child.stdin!.write("uptime\n");
    expect((await session.result).status).toBe(0);
    const more = ["run", "--quiet", "--replay", first, "--record", second, "--clock", "virtual"];
    const longer = await kseg(more, { input: "ps\npoweroff\n" });
    expect(longer.status, longer.stderr).toBe(0);
    expect(longer.stdout).toMatch(/uptime[^]*Count[^]*ps[^]*power off/);
    const last = await kseg(["run", "--quiet", "--replay", second], { input: "" });
    expect(last).toEqual(longer);
  });

  it("goes on from a snapshot as well", async () => {
    await kseg([...RUN, "--save", at("start"), "--exit-on", "guided tour"]);
    const flags = ["run", "--quiet", "--restore", at("start"), "--record", at("from-start.tape")];
    const whole = await kseg(flags, { input: "ps\npoweroff\n" });
    expect(whole.status, whole.stderr).toBe(0);
    expect(await kseg(["run", "--quiet", "--replay", at("from-start.tape")], { input: "" })).toEqual(whole);
  });
});

describe("what cannot be restored is refused in one line", async () => {
  const good = at("good.snapshot");
  await kseg([...RUN, "--save", good, "--exit-on", "guided tour"]);
  const tape = at("good.tape");
  await kseg([...RUN, "--record", tape, "--exit-on", "guided tour"]);
  const packed = readFileSync(good);
  const bytes = gunzipSync(packed);
  const damaged = Buffer.from(bytes);
  damaged[5000]! ^= 1;
  const newer = Buffer.from(bytes);
  newer[8] = 99;
  const file = (name: string, contents: Uint8Array): string => {
    writeFileSync(at(name), contents);
    return at(name);
  };
  mkdirSync(at("folder"));
  const restore = (name: string, ...more: string[]): string[] => ["--restore", name, ...more];

  it.each<[string, string[], RegExp]>([
    ["no file", restore(at("missing")), /--restore .*missing: no such file/i],
    ["a folder", restore(at("folder")), /is a directory; give a file/],
    ["a kernel", restore(demoFile("demo-te.elf")), /this is no snapshot of a kseg guest/],
    ["an empty file", restore(file("empty", new Uint8Array())), /this is no snapshot of a kseg guest/],
    ["half a packed file", restore(file("half", packed.subarray(0, 5000))), /is damaged or not complete/],
    ["half an unpacked file", restore(file("half2", bytes.subarray(0, 5000))), /damaged or not complete/],
    ["a changed byte", restore(file("changed", gzipSync(damaged))), /its checksum is wrong/],
    ["another format", restore(file("newer", gzipSync(newer))), /has format 99, this kseg reads format/],
    ["with a kernel", restore(good, "--kernel", demoFile("demo-te.elf")), /leave --kernel out/],
    ["with a guest", restore(good, "--guest", "debian"), /leave --guest out/],
    [
      "with memory",
      restore(good, "--memory", "16M"),
      /--memory is decided by the snapshot .*leave --memory out/,
    ],
    ["with a setting", restore(good, "--refill", "slow"), /leave --refill out/],
    [
      "a snapshot as a recording",
      ["--replay", good],
      /this is no recording of a kseg guest but a snapshot: use --restore/,
    ],
    [
      "a recording as a snapshot",
      restore(tape),
      /this is no snapshot of a kseg guest but a recording: use --replay/,
    ],
    ["with a recording", restore(good, "--replay", good), /leave --restore out/],
    ["saved into a folder", restore(good, "--save", at("folder")), /--save .*: is a directory/],
  ])("%s", async (_, flags, message) => {
    const { status, stdout, stderr } = await kseg(["run", ...flags], { input: "" });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect([status, stdout]).toEqual([2, ""]);
  });

  it("and an unpacked one that is whole is taken", async () => {
    const flags = restore(file("plain", bytes), "--exit-on", "power off", "--quiet");
    const { status, stderr } = await kseg(["run", ...flags], { input: "poweroff\n" });
    expect(status, stderr).toBe(0);
  });
});

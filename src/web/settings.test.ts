import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { CPU_MODELS, createGuest, GuestConfigError, makeExecutable, snapshotConfig } from "../index.ts";
import {
  changeSettings,
  kernelSettings,
  presetOf,
  readSettings,
  SettingError,
  SETTINGS,
  settingsQuery,
  settingText,
} from "./settings.ts";
import { RUN_FLAGS } from "../cli/flags.ts";

const read = (query: string): ReturnType<typeof readSettings> => {
  const params = new URLSearchParams(query);
  return readSettings((name) => params.get(name));
};

/** A kernel that starts at `entry`. */
const kernelAt = (entry: number, endian: "little" | "big" = "little"): Uint8Array =>
  makeExecutable({ entry, endian, pieces: [{ address: entry, words: [0] }] });

it("a URL says what the flags of kseg run say", () => {
  expect(read("")).toEqual({});
  expect(read("?mode=te&host-cpu=24Kc&gva-roots=8&memory=256M&append=")).toEqual({});
  expect(
    read("?host-cpu=P5600&host-page-size=16k&refill=slow&gva-roots=1&memory=64m&append=a+b%3D%22c%22"),
  ).toEqual({
    ...{ hostCpu: "P5600", hostPageSize: 16384, refill: "slow", gvaRoots: 1 },
    ...{ memory: 64 * 2 ** 20, append: 'a b="c"' },
  });
  for (const { name } of SETTINGS) expect(RUN_FLAGS.map((flag) => flag.name)).toContain(`--${name}`);
});

it("mode bare has nothing of the hypervisor's", () => {
  expect(read("?mode=bare&refill=slow&guest-tlb=64&engine=interp")).toEqual({
    mode: "bare",
    engine: "interp",
  });
});

it.each([
  "mode=vz",
  "host-cpu=toString",
  "gva-roots=0",
  "gva-roots=1e1",
  "gva-roots=65",
  "memory=lots",
  "memory=-1M",
])("refuses %s", (query) => {
  expect(() => read(query)).toThrow(SettingError);
});

it("quotes on one line what it refuses", () => {
  expect(() => read("?mode=a%0ab%00")).toThrow('mode cannot be "a?b?": give one of te, bare');
});

it("leaves a default to kseg, however it is written", () => {
  expect(read("?memory=0256M&gva-roots=%208")).toEqual({});
});

it("keeps what is right beside what is wrong", () => {
  const params = new URLSearchParams("?host-cpu=bogus&refill=slow&memory=lots&gva-roots=2");
  const wrong: string[] = [];
  const settings = readSettings(
    (name) => params.get(name),
    ({ setting }) => wrong.push(setting.name),
  );
  expect(settings).toEqual({ refill: "slow", gvaRoots: 2 });
  expect(wrong).toEqual(["host-cpu", "memory"]);
});

it("a URL of a saved state's settings has no defaults in it", () => {
  const guest = createGuest({
    ...{ kernel: kernelAt(0x4010_0000), hostCpu: "34Kf", refill: "slow", gvaRoots: 2 },
    memory: 64 * 2 ** 20,
    onConsole() {},
  });
  expect(settingsQuery(snapshotConfig(guest.save()))).toBe(
    "?host-cpu=34Kf&refill=slow&gva-roots=2&memory=64M",
  );
});

it.each(["little", "big"] as const)(
  "a stock kernel is bare where it cannot be a guest, %s-endian",
  (endian) => {
    const stock = kernelAt(0x8010_0000, endian);
    expect(kernelSettings(stock, {})).toEqual({ mode: "bare" });
    expect(kernelSettings(stock, { hostCpu: "34Kf" })).toEqual({ mode: "bare" });
    expect(kernelSettings(stock, { hostCpu: "P5600" })).toEqual({});
    expect(kernelSettings(kernelAt(0x4010_0000, endian), {})).toEqual({});
    for (const hostCpu of Object.keys(CPU_MODELS)) {
      const settings = changeSettings({ hostCpu, refill: "slow" }, kernelSettings(stock, { hostCpu }));
      expect(() => createGuest({ ...settings, kernel: stock, onConsole() {} })).not.toThrow();
    }
    expect(kernelSettings(stock.subarray(0, 20), {})).toEqual({});
  },
);

it("mode bare leaves out what is about the hypervisor", () => {
  const settings = { refill: "slow", guestTlb: 64, memory: 2 ** 26 } as const;
  expect(changeSettings(settings, { mode: "bare" })).toEqual({ mode: "bare", memory: 2 ** 26 });
  expect(changeSettings(settings, { gvaRoots: 1 })).toEqual({ ...settings, gvaRoots: 1 });
});

it("settings come back from their URL, and kseg takes them", () => {
  const texts = fc.record(
    Object.fromEntries(
      SETTINGS.map(({ name, type }) => [
        name,
        type.kind === "choice"
          ? fc.constantFrom(...type.values.keys())
          : name === "append"
            ? fc.string()
            : fc.nat(64).map((n) => (name === "memory" ? `${n}M` : String(n + 1 > 64 ? 64 : n + 1))),
      ]),
    ),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const settings = readSettings((name) => text[name]!);
      expect(read(settingsQuery(settings))).toEqual(settings);
      try {
        createGuest({ ...settings, kernel: new Uint8Array(0), onConsole() {} });
      } catch (error) {
        // The kernel, which is none, is looked at after the settings.
        expect(error).toBeInstanceOf(GuestConfigError);
        expect(["kernel", "memory"]).toContain((error as GuestConfigError).setting);
      }
    }),
  );
});

it("docs/web.md lists the settings, with their values and defaults", () => {
  const text = readFileSync(new URL("../../docs/web.md", import.meta.url), "utf8");
  const [, table] = /## Settings\n[^|]*\n([^]*?)\n\n/.exec(text)!;
  const cells = (row: string): string[] => row.split("|").map((cell) => cell.trim().replaceAll("`", ""));
  const listed = table!
    .split("\n")
    .slice(2)
    .map((row) => cells(row).slice(1, 4));
  expect(listed).toEqual(
    SETTINGS.map((setting) => {
      const { name, type } = setting;
      const values = type.kind === "choice" ? [...type.values.keys()].join(", ") : type.wanted;
      return [name, values, presetOf(setting)];
    }),
  );
});

it("has the defaults of kseg run", () => {
  for (const setting of SETTINGS) {
    expect(settingText({}, setting)).toBe(presetOf(setting));
    const flag = RUN_FLAGS.find(({ name }) => name === `--${setting.name}`)!;
    const preset = (flag.preset ?? flag.otherwise ?? "").replace(/,.*/, "");
    expect(presetOf(setting), setting.name).toBe(preset);
  }
});

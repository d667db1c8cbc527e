import fc from "fast-check";
import { expect, it } from "vitest";
import { createGuest, GuestConfigError } from "../index.ts";
import { presetOf, readSettings, SettingError, SETTINGS, settingsQuery, settingText } from "./settings.ts";
import { RUN_FLAGS } from "../cli/flags.ts";

const read = (query: string): ReturnType<typeof readSettings> => {
  const params = new URLSearchParams(query);
  return readSettings((name) => params.get(name));
};

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

it.each(["mode=vz", "host-cpu=toString", "gva-roots=0", "gva-roots=1e1", "memory=lots", "memory=-1M"])(
  "refuses %s",
  (query) => {
    expect(() => read(query)).toThrow(SettingError);
  },
);

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

it("has the defaults of kseg run", () => {
  for (const setting of SETTINGS) {
    expect(settingText({}, setting)).toBe(presetOf(setting));
    const flag = RUN_FLAGS.find(({ name }) => name === `--${setting.name}`)!;
    const preset = (flag.preset ?? flag.otherwise ?? "").replace(/,.*/, "");
    expect(presetOf(setting), setting.name).toBe(preset);
  }
});

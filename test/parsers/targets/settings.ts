/** The settings in the address of the page. */
import { isDeepStrictEqual } from "node:util";
import { CPU_MODELS } from "../../../src/index.ts";
import { GuestConfigError } from "../../../src/guest.ts";
import { checkConfig } from "../../../src/vmm/check-config.ts";
import { readSettings, SettingError, SETTINGS, settingsQuery } from "../../../src/web/settings.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A query with each value that a setting may have, and with others. */
const QUERIES = [
  "?mode=bare&host-cpu=24Kc&memory=64M&append=console%3DttyS0+a%20b",
  "?host-page-size=16k&refill=slow&gva-roots=1&guest-tlb=64&fast-exits=off&dyntrans=on",
  "?guest-fpu=on&engine=jit&host-cpu=P5600&memory=1G&append=%ff%00%F0%9F%98%80",
  ...SETTINGS.map(({ name }) => `?${name}=&${name}=0`),
  ...Object.keys(CPU_MODELS).map((name) => `?host-cpu=${name}`),
];

function read(query: string): ReturnType<typeof readSettings> {
  const params = new URLSearchParams(query);
  return readSettings((name) => params.get(name));
}

export function openTarget(): Target {
  return {
    seeds: QUERIES.map(bytesOf),
    longest: 512,
    take: (input) => {
      const query = new TextDecoder().decode(input);
      try {
        const settings = read(query);
        const again = read(settingsQuery(settings));
        if (!isDeepStrictEqual(again, settings))
          throw new Error(`${JSON.stringify(settings)} come back as ${JSON.stringify(again)}`);
        checkConfig({ kernel: new Uint8Array(), onConsole() {}, ...settings });
      } catch (error) {
        checkRefusal(
          error,
          [SettingError, GuestConfigError],
          latin1(input) + new URLSearchParams(query).toString(),
        );
      }
    },
  };
}

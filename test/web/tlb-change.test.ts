import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createGuest, type TlbEntryView } from "../../src/index.ts";
import { changeOf } from "../../web/components/tlb-change.ts";
import { demoFile } from "../cli/kseg.ts";

const page = { cache: 3, readInhibit: false, executeInhibit: false } as const;
/** An entry for two pages, valid or not. */
const entry = (vpn2: number, even: boolean, odd: boolean): TlbEntryView => ({
  ...{ index: 0, vpn2, asid: 1, global: false, pageSize: 4096 },
  halves: [
    { ...page, virtual: vpn2, physical: 0x1000, valid: even, dirty: true },
    { ...page, virtual: vpn2 + 4096, physical: 0x2000, valid: odd, dirty: true },
  ],
});

it("tells filling, replacing and invalidating apart", () => {
  const both = entry(0x2000, true, true);
  expect(changeOf(undefined, undefined)).toBeNull();
  expect(changeOf(both, entry(0x2000, true, true))).toBeNull();
  expect(changeOf(undefined, both)).toBe("new");
  expect(changeOf(entry(0x2000, true, false), both)).toBe("new");
  expect(changeOf(both, entry(0x4000, true, true))).toBe("other");
  expect(changeOf(both, { ...both, asid: 2 })).toBe("other");
  expect(changeOf(both, undefined)).toBe("gone");
  expect(changeOf(both, entry(0x2000, false, true))).toBe("gone");
});

it("finds as many changed entries as refills have written", () => {
  const guest = createGuest({ kernel: readFileSync(demoFile("demo-te.elf")), onConsole() {} });
  guest.sendInput(new TextEncoder().encode("touch 40 4000\n"));
  let seen = 0;
  for (let n = 0; n < 3000; n++) {
    const [before, writes] = [guest.inspect().hostTlb(), guest.stats().hostTlbWrites];
    guest.run(200);
    const entries = guest.inspect().hostTlb();
    const changed = Array.from({ length: 16 }, (_, index) => {
      const at = (list: readonly TlbEntryView[]) => list.find((one) => one.index === index);
      return changeOf(at(before), at(entries));
    }).filter((change) => change !== null).length;
    const written = guest.stats().hostTlbWrites - writes;
    expect(changed).toBeLessThanOrEqual(written);
    if (written === 1 && changed === 1) seen++;
  }
  expect(seen).toBeGreaterThan(20);
});

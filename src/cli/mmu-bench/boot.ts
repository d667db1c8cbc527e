/** What a real kernel leaves the machine for, on its way to a shell. */
import { readFile } from "node:fs/promises";
import { guestPaths, type GuestName } from "../../guests/index.ts";
import { createGuest, TICKS_PER_SECOND, type GuestConfig, type Stats } from "../../index.ts";
import type { BootExits } from "./report.ts";

const GUEST: GuestName = "kvm-linux-16k";
/** What its initramfs prints when its shell is there. */
const READY = "kseg: shell ready";
const SLICE_TICKS = TICKS_PER_SECOND / 1000;

/** The real system's, for the same kernel (`docs/performance.md`). */
const REAL: Readonly<Record<string, number>> = {
  all: 169_091,
  "not exits: fast refills": 26_774,
  "of these, accesses to devices": 16_900,
  cop_unusable: 149_319,
  interrupt: 182,
  resvd_inst: 141,
  syscall: 50,
  tlbmiss_ld: 1521,
  tlbmiss_st: 875,
  tlbmod: 103,
};

/** The exits of a boot on this host, by cause. Throws GuestError if the guest is not in the cache. */
export async function bootExits(config: Partial<GuestConfig>): Promise<BootExits> {
  const paths = await guestPaths(GUEST);
  const [kernel, initrd] = await Promise.all([readFile(paths.kernel), readFile(paths.initrd)]);
  let printed = "";
  const onConsole = (bytes: Uint8Array): void => void (printed += new TextDecoder().decode(bytes));
  const guest = createGuest({ ...config, kernel, initrd, append: paths.append, onConsole });
  while (!printed.includes(READY)) {
    const result = guest.run(SLICE_TICKS);
    if (result.kind !== "running") throw new Error(`${GUEST} did not come to its shell: ${result.kind}`);
  }
  const stats = guest.stats();
  guest.destroy();
  return { guest: GUEST, rows: rowsOf(stats) };
}

function rowsOf({ exits, counters, refills }: Stats): BootExits["rows"] {
  const all = Object.values(exits).reduce((sum, count) => sum + count, 0);
  const byCause = Object.entries(exits).sort(([, a], [, b]) => b - a);
  const figures: readonly (readonly [string, number])[] = [
    ["all", all],
    ...byCause,
    ["of these, accesses to devices", counters["mmio_exits"] ?? 0],
    ["not exits: fast refills", refills.fast],
  ];
  return figures.map(([name, count]) => {
    const real = REAL[name];
    return { name, exits: count, ...(real === undefined ? {} : { real }) };
  });
}

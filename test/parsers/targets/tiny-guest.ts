/** Guests that are next to nothing, for parsers that need one. */
import type { GuestConfig, Mode } from "../../../src/index.ts";
import { makeExecutable } from "../../../src/loader/executable.ts";
import { createMachineGuest } from "../../../src/vmm/create-guest.ts";
import type { MachineGuest } from "../../../src/vmm/machine-guest.ts";

/** Where the code is, from the kernel's segment on. */
const CODE = 0x8000;
/** Counts in memory for ever: ADDIU $2, SW $2, B, NOP. */
const COUNT = [0x2442_0001, 0xac62_0000, 0x1000_fffd, 0] as const;
/** As little as there can be of anything. */
const SMALL = { te: { guestTlb: 64, gvaRoots: 1 }, bare: {} } as const;

/** A guest that has never run, on `hostCpu` if that is given. */
export function tinyGuest(mode: Mode, hostCpu?: string): MachineGuest {
  const address = (mode === "te" ? 0x4000_0000 : 0x8000_0000) + CODE;
  const config: GuestConfig = {
    kernel: makeExecutable({ entry: address, pieces: [{ address, words: COUNT }] }),
    ...{ mode, ...SMALL[mode], memory: 1 << 20, engine: "interp" },
    ...(hostCpu === undefined ? {} : { hostCpu }),
    onConsole() {},
  };
  return createMachineGuest(config);
}

/** What {@link tinyGuest} is after a while. */
export const WHILE = 30_000;

import { prepareBoot, type BootMemory, type BootState } from "../boards/malta/boot.ts";
import type { GuestConfig } from "../guest.ts";
import type { ElfImage } from "../loader/elf.ts";

/** Loads kernel, initrd and arguments into the guest's memory. Throws BootError. */
export function loadGuest(config: GuestConfig, kernel: ElfImage, memory: BootMemory): BootState {
  return prepareBoot({
    memory,
    kernel,
    ...(config.initrd === undefined ? {} : { initrd: config.initrd }),
    ...(config.append === undefined ? {} : { commandLine: config.append }),
  });
}

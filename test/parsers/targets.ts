/** What takes bytes from elsewhere, for `npm run fuzz:parsers`. */
import type { TargetModule } from "../../tools/coverage-fuzzer/fuzz-target.ts";

const target = (about: string, name: string, ...covers: readonly string[]): TargetModule => ({
  about,
  module: new URL(`./targets/${name}.ts`, import.meta.url),
  covers,
});

const ARCHIVES = ["src/archives/", "node_modules/modern-tar/"];

export const TARGETS: Readonly<Record<string, TargetModule>> = {
  elf: target(
    "kernels and programs: loader, symbols, where segments go",
    "elf",
    ...["src/loader/", "src/boards/malta/boot.ts", "src/guests/elf-kind.ts"],
  ),
  code: target("code of guests: decoder and disassembler", "code", "src/isa/"),
  cpio: target("cpio archives", "cpio", "src/archives/cpio.ts"),
  tar: target("tar archives", "tar", ...ARCHIVES),
  deb: target("Debian packages, as the page reads them", "deb", ...ARCHIVES, "src/web/packages.ts"),
  import: target("Debian packages in files", "import", ...ARCHIVES, "src/guests/"),
  dropped: target("files that are dropped into the page", "dropped", ...ARCHIVES, "web/files.ts", "src/web/"),
  manifest: target("manifests in the folder of guests", "manifest", "src/guests/cache.ts"),
  settings: target(
    "settings in the page's address",
    "settings",
    "src/web/settings.ts",
    "src/vmm/check-config.ts",
  ),
  flags: target("command lines, QEMU's too", "flags", "src/cli/"),
  console: target("what guests print, and what is typed", "console", "src/cli/"),
  gdb: target("what a debugger sends", "gdb", "src/gdb/", "src/inspect/", "src/vmm/debug"),
  snapshot: target(
    "snapshots, and guests of them",
    "snapshot",
    ...[
      "src/state/",
      "src/vmm/",
      "src/kvm/check-restored.ts",
      "src/kvm/invariants.ts",
      "src/machine/",
      "src/devices/",
    ],
  ),
  recording: target("recorded runs", "recording", "src/state/", "src/vmm/"),
};

/** Whatever kseg is given that it cannot use: one line that says so, the right status, and nothing on stdout. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { demoFile, kseg, KSEG, type Options } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-bad-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
chmodSync(folder, 0o755);

const demo = readFileSync(demoFile("demo-te.elf"));

/** A file in the test's folder. */
function file(name: string, contents: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
}

/** The demo kernel with some bytes of its ELF header changed. */
function patched(name: string, patches: Readonly<Record<number, number>>): string {
  const copy = Uint8Array.from(demo);
  for (const [at, byte] of Object.entries(patches)) copy[Number(at)] = byte;
  return file(name, copy);
}

const E_CLASS = 4;
const E_DATA = 5;
const E_TYPE = 16;
const E_MACHINE = 18;
const E_ENTRY = 24;

const folderInPlace = join(folder, "folder");
mkdirSync(folderInPlace);
const loop = join(folder, "loop");
symlinkSync("loop", loop);
const missing = join(folder, "missing");
const empty = file("empty", "");
const initrd = file("initrd", "070701");
const fifo = join(folder, "fifo");
spawnSync("mkfifo", [fifo]);

const kernel = (path: string): string[] => ["run", "--kernel", path];

const shared = [...kernel(demoFile("demo-te.elf")), "--initrd", initrd, "--share"];

/** What is wrong, the arguments, and what the line must say. The status is 2. */
const CASES: readonly (readonly [what: string, args: readonly string[], message: string | RegExp])[] = [
  ["no name for the console of kseg stat", ["stat", "--console", ""], "--console: the file name is empty"],
  [
    "an ELF cut off in its header",
    kernel(file("cut-header", demo.subarray(0, 40))),
    /cut-header: .*truncated/,
  ],
  [
    "an ELF cut off in a segment",
    kernel(file("cut", demo.subarray(0, 20_000))),
    /cut: the file is truncated/,
  ],
  ...["x", "65536", "-1", "", "host:", ":1", "a:b:1", "1234.5"].map(
    (where) =>
      [`--gdb ${where}`, ["run", "--gdb", where], "give a port from 0 to 65535, or HOST:PORT"] as const,
  ),
  ["an ELF without its last byte", kernel(file("cut-end", demo.subarray(0, -1))), /truncated/],
  ["a 64-bit ELF", kernel(patched("elf64", { [E_CLASS]: 2 })), /64-bit ELF.*32-bit MIPS/],
  ["an unknown byte order", kernel(patched("order", { [E_DATA]: 3 })), /unknown byte order 3/],
  ["an x86 ELF", kernel(patched("x86", { [E_MACHINE]: 3 })), /for x86.*not for MIPS/],
  ["an x86-64 program", kernel(process.execPath), /64-bit ELF|not for MIPS|not an ELF/],
  ["a relocatable object", kernel(patched("object.o", { [E_TYPE]: 1 })), /relocatable object/],
  ["a shared object", kernel(patched("object.so", { [E_TYPE]: 3 })), /shared object/],
  ["an entry point outside the file", kernel(patched("entry", { [E_ENTRY + 3]: 0x50 })), /entry point/],
  ["an empty kernel", kernel(empty), /empty: the file is empty/],
  ["text as kernel", kernel(file("text", "hello\n")), /not an ELF file/],
  ["a gzip file as kernel", kernel(file("vmlinux.gz", Uint8Array.of(0x1f, 0x8b, 8))), /gunzip/],
  ["a folder as kernel", kernel(folderInPlace), /folder: is a directory/],
  ["a missing kernel", kernel(missing), /--kernel .*missing: no such file or directory/],
  ["a file as a folder of the kernel's", kernel(join(empty, "vmlinux")), /not a directory/],
  ["a link to itself as kernel", kernel(loop), /loop: /],
  ["a device as kernel", kernel("/dev/null"), /is a device/],
  ["no name of a kernel", kernel(""), /--kernel: the file name is empty/],
  [
    "a pipe of statistics that nobody reads",
    ["run", "--stats", fifo],
    /--stats .*fifo: .*nobody at its other end/,
  ],
  [
    "a guest that is not in the cache",
    ["run", "--guest", "debian"],
    /--guest debian: .*run: kseg guest fetch/,
  ],
  [
    "an unknown guest to run",
    ["run", "--guest", "debain"],
    /--guest debain: unknown guest; did you mean debian/,
  ],
  [
    "two kernels",
    ["run", "--guest", "debian", "--kernel", "x"],
    /--guest debian has a kernel.*leave --kernel out/,
  ],
  ["a command without a guest", ["run", "--exec", "true"], /--guest debian: .*run: kseg guest fetch debian/],
  [
    "a command for one's own kernel",
    [...kernel(demoFile("demo-te.elf")), "--exec", "true"],
    /--exec: .*run: /,
  ],
  ["an empty command", ["run", "--exec", " "], /--exec: the command is empty/],
  ["a command beside an initrd", ["run", "--exec", "true", "--initrd", initrd], /leave --initrd out/],
  ["a command that is saved", ["run", "--exec", "true", "--save", "x"], /--save is about the whole guest/],
  [
    "a command in a snapshot",
    ["run", "--exec", "true", "--restore", "x"],
    /--exec is decided by the snapshot/,
  ],
  ["no folder to share", [...shared, missing], /--share .*missing: no such file/],
  ["a file to share", [...shared, empty], /--share .*empty: is no folder/],
  [
    "a folder too large",
    [...shared, folder, "--memory", "24M"],
    /the folder .* is more than the 0 MiB .*--memory/,
  ],
  [
    "a misspelt flag of QEMU's",
    ["run", "-kernal", "x"],
    /unknown option '-kernal' \(did you mean -kernel\?\)/,
  ],
  ["a disk", ["run", "-M", "malta", "-hda", "x"], /-hda: the machine has no disks/],
  ["a CPU of QEMU's that kseg lacks", ["stat", "-cpu", "24KEc"], /--host-cpu 24KEc: unknown CPU/],
  ["help on what there is not", ["help", "guest", "fetc"], /unknown command fetc; did you mean fetch\?/],
  ["a TLB of any size", ["run", "--guest-tlb", "100"], /--guest-tlb 100: unknown TLB size; .*64, 128/],
  [
    "statistics over the kernel",
    ["run", "--kernel", file("own-kernel", demo), "--stats", join(folder, "own-kernel")],
    /--stats .*own-kernel: is a file that the run reads/,
  ],
  ["no roots", ["run", "--gva-roots", "0"], /--gva-roots 0: give a whole number from 1 to 64/],
  ["not to wait for no gdb", ["run", "--gdb-no-wait"], /--gdb-no-wait needs --gdb/],
  ["roots of the bare machine", ["run", "--mode", "bare", "--gva-roots", "2"], /--gva-roots .*--mode bare/],
  ["refills of the bare machine", ["run", "--mode", "bare", "--refill", "slow"], /--refill .*--mode bare/],
  [
    "fast exits of the bare machine",
    ["run", "--mode", "bare", "--fast-exits", "on"],
    /--fast-exits .*--mode bare/,
  ],
  [
    "dynamic translation of the bare machine",
    ["run", "--mode", "bare", "--dyntrans", "off"],
    /--dyntrans .*--mode bare/,
  ],
  ["a benchmark that there is not", ["bench", "cpu"], /bench cpu: unknown measurement; choose from mmu/],
  [
    "figures in no folder",
    ["bench", "mmu", "--json", join(missing, "x")],
    /--json .*x: no such file or directory/,
  ],
  ["an unknown part of the generated code", ["disasm", "walk"], /walk.*refill, entry, exit, fast-exit, host/],
  ["a part that is misspelt", ["disasm", "refil"], /disasm refil: unknown part .*did you mean refill\?/],
  ["code of an unknown CPU", ["disasm", "refill", "--host-cpu", "Z80"], /--host-cpu Z80: unknown CPU/],
  [
    "host pages of the bare machine",
    ["run", "--mode", "bare", "--host-page-size", "4k"],
    /--host-page-size /,
  ],
  [
    "a kernel for the other mode",
    [...kernel(demoFile("demo-te.elf")), "--mode", "bare"],
    /--kernel .*demo-te.elf: .*trap and emulate/,
  ],
  ["a bare kernel as guest", kernel(demoFile("demo-bare.elf")), /mode bare/],
  ["an empty initrd", ["run", "--initrd", empty], /--initrd .*empty: the initrd is empty/],
  ["a folder as initrd", ["run", "--initrd", folderInPlace], /--initrd .*is a directory/],
  ["a missing initrd", ["run", "--initrd", missing], /--initrd .*no such file/],
  [
    "an initrd larger than memory",
    ["run", "--memory", "4M", "--initrd", file("large", new Uint8Array(5 << 20))],
    /--initrd .*large: the initrd of 5242880 bytes does not fit.*at least \d+ MiB/,
  ],
  ["memory too small for the kernel", ["run", "--memory", "1M"], /1 MiB of memory.*at least 2 MiB/],
  ["no memory", ["run", "--memory", "0M"], /--memory: 0 bytes of memory/],
  ["negative memory", ["run", "--memory", "-64M"], /--memory -64M: not a size/],
  ["memory without a unit", ["run", "--memory", "256"], /--memory 256: .*K, M or G/],
  ["garbage as memory", ["run", "--memory", "lots"], /--memory lots: not a size/],
  ["an odd size of memory", ["run", "--memory", "1025K"], /whole number of MiB/],
  ["too much memory", ["run", "--memory", "64G"], /--memory: .*from 1 to \d+/],
  ["a size beyond all numbers", ["run", "--memory", "999999999999G"], /--memory 999999999999G: not a size/],
  ["a timeout of months", ["run", "--timeout", "9999999"], /--timeout 9999999: give at most \d+ seconds/],
  [
    "a command line that is too long",
    ["run", "--append", "x".repeat(5000)],
    /--append: the command line has 5000 bytes/,
  ],
  ["a bad regex", ["run", "--exit-on", "("], /--exit-on: bad regular expression: .*[Uu]nterminated group/],
  ["an empty regex", ["run", "--exit-on", ""], /--exit-on: the regular expression is empty/],
  ["a timeout in words", ["run", "--timeout", "soon"], /--timeout soon: .*number of seconds/],
  ["no time", ["run", "--timeout", "0"], /--timeout 0: .*above 0/],
  ["negative time", ["run", "--timeout", "-5"], /--timeout -5: .*above 0/],
  ["endless time", ["run", "--timeout", "Infinity"], /--timeout Infinity: /],
  [
    "an unknown CPU",
    ["run", "--host-cpu", "24kc-kscrach"],
    /unknown CPU; did you mean 24Kc-kscratch\?.*34Kc/,
  ],
  ["a CPU that is like none", ["run", "--host-cpu", "Pentium"], /Pentium: unknown CPU; choose from 24Kc/],
  ["an unknown mode", ["run", "--mode", "vz"], /--mode vz: unknown mode.*te, bare/],
  ["an unknown refill", ["run", "--refill", "medium"], /unknown refill.*fast, slow/],
  ["an unknown clock", ["run", "--clock", "sun"], /unknown clock.*virtual, wall/],
  ["an unknown engine", ["run", "--engine", "diesel"], /unknown engine.*auto, jit, interp/],
  ["an unknown page size", ["run", "--host-page-size", "64k"], /unknown page size.*4k, 16k/],
  ["an unknown flag", ["run", "--kernal", "x"], /unknown option '--kernal' \(did you mean --kernel\?\)/],
  [
    "a flag without its value",
    ["run", "--memory"],
    /'--memory <SIZE>' argument missing; see kseg run --help/,
  ],
  ["an argument too many", ["run", "vmlinux"], /too many arguments/],
  ["an unknown command", ["rnu"], /unknown command 'rnu' \(did you mean run\?\); see kseg --help/],
  ["statistics in a missing folder", ["run", "--stats", join(missing, "s.json")], /--stats .*no such file/],
  ["a trace in a missing folder", ["run", "--trace", join(missing, "t.ftrace")], /--trace .*no such file/],
  ["a trace into a folder", ["run", "--trace", folderInPlace], /--trace .*is a directory/],
  ["a trace of a bare machine", ["run", "--trace", "t", "--mode", "bare"], /--trace is about the hypervisor/],
  ["an address in words", ["explain", "main"], /main: no address/],
  ["no instructions", ["explain", "400000", "--after", "0"], /--after 0: give a number of instructions/],
  ["statistics into a folder", ["run", "--stats", folderInPlace], /--stats .*is a directory/],
  ["line ends and escapes in a name", kernel("a\n\u001b[2Jb"), /--kernel a\S* ?.*b: no such file/],
  ["an import of what is no package", ["guest", "import", file("x.deb", "hello")], /x\.deb: /],
  ["an import of nothing", ["guest", "import"], /missing required argument 'files'/],
  ["an unknown guest", ["guest", "fetch", "fedora"], /cannot fetch fedora/],
];

async function refuses(
  args: readonly string[],
  message: string | RegExp,
  options: Options = {},
): Promise<void> {
  const result = await kseg(args, {
    input: "",
    env: { KSEG_CACHE: join(folder, "cache") },
    cwd: folder,
    ...options,
  });
  const { status, stdout } = result;
  // Progress, which `kseg guest` shows as it goes.
  const stderr = result.stderr.replaceAll(/^kseg guest: .*\n/gm, "");
  expect(stderr).toMatch(/^kseg: [^\n]+\n$/);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/defect in kseg|\bundefined\b|\[object/);
  // oxlint-disable-next-line no-control-regex -- escapes of a name must not reach the terminal
  expect(stderr.slice(0, -1)).not.toMatch(/[\u0000-\u001f]/);
  expect(stdout).toBe("");
  expect(status).toBe(2);
}

describe("bad inputs end with status 2 and one line", () => {
  // Processes, a few at a time: what is tested is what a user's shell sees.
  it.concurrent.each(CASES)("%s", (_what, args, message) => refuses(args, message));

  it("covers many", () => {
    expect(CASES.length).toBeGreaterThanOrEqual(25);
  });

  const NOBODY = 65_534;
  const isRoot = process.getuid?.() === 0;
  const canBeNobody =
    isRoot &&
    // Where that user may not enter this folder there is no output at all.
    String(spawnSync(process.execPath, [KSEG, "--version"], { uid: NOBODY, gid: NOBODY }).stdout).startsWith(
      "kseg",
    );
  const skip = (isRoot && !canBeNobody) || process.platform === "win32";
  if (skip)
    console.log("unreadable files: skipped: this user may read everything, and no other can run kseg here");
  it.skipIf(skip)("a kernel that may not be read", async () => {
    const secret = file("secret", demo);
    chmodSync(secret, 0);
    await refuses(kernel(secret), /secret: permission denied/, isRoot ? { uid: NOBODY } : {});
  });

  it.skipIf(skip)("statistics where nothing may be written", async () => {
    const locked = join(folder, "locked");
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    await refuses(
      ["run", "--stats", join(locked, "s.json")],
      /--stats .*denied/,
      isRoot ? { uid: NOBODY } : {},
    );
  });
});

describe("guests that cannot go on", () => {
  it("a guest page that is smaller than the host's ends with status 1 and a report", async () => {
    const args = [
      ...kernel(demoFile("demo-te.elf")),
      "--host-page-size",
      "16k",
      "--initrd",
      initrd,
      "--quiet",
    ];
    const { status, stderr } = await kseg(args, { input: "" });
    expect(stderr).toMatch(/^kseg: the guest cannot go on: .*page of 4096 bytes.*host's pages have 16384/);
    expect(stderr).not.toContain("    at ");
    expect(status).toBe(1);
  });
});

describe("KSEG_DEBUG", () => {
  it("shows where an error comes from", async () => {
    const { status, stderr } = await kseg(kernel(missing), { input: "", env: { KSEG_DEBUG: "1" } });
    expect(stderr).toContain("    at ");
    expect(status).toBe(2);
  });
});

it("prints its help, on stderr and with status 2, when no command is given", async () => {
  const { status, stdout, stderr } = await kseg([], { input: "" });
  expect(stderr).toContain("Usage: kseg");
  expect(stdout).toBe("");
  expect(status).toBe(2);
});

it.skipIf(process.platform === "win32")(
  "says so when the current folder is gone and the cache is in it",
  () => {
    const script = 'd=$(mktemp -d) && cd "$d" && rmdir "$d" && KSEG_CACHE=cache exec "$0" "$1" guest list';
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script, process.execPath, KSEG], {
      encoding: "utf8",
    });
    expect(stderr).toBe(
      "kseg: cache: the current folder is gone: go to another one, or give an absolute path\n",
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  },
);

/**
 * The demo guest outside kseg: its bare image in QEMU, and whether the committed images
 * rebuild to the same bytes. Both need Debian packages; without them the tests are
 * skipped and say why.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const demo = fileURLToPath(new URL("../guests/demo/", import.meta.url));

/** The reason why QEMU cannot be used, or null. */
function qemuMissing(): string | null {
  const { error } = spawnSync("qemu-system-mipsel", ["--version"]);
  return error === undefined ? null : "qemu-system-mipsel is not installed";
}

/** No network and display cards: their ROMs are packages of their own. */
const options = "-M malta -cpu 24Kc -m 64 -nographic -no-reboot -nic none -vga none";

/** Runs the bare image with this console input; its console output with plain newlines. */
function runInQemu(input: string): { output: string; status: number | null } {
  const { stdout, status } = spawnSync(
    "qemu-system-mipsel",
    [...options.split(" "), "-kernel", `${demo}demo-bare.elf`],
    { input, encoding: "utf8", timeout: 60_000 },
  );
  return { output: stdout.replaceAll("\r", ""), status };
}

/** What the guest printed between the echo of this command and the next prompt. */
function answer(output: string, command: string): string {
  const start = output.indexOf(`kseg> ${command}\n`);
  expect(start, `no "${command}" in:\n${output}`).toBeGreaterThanOrEqual(0);
  const from = start + `kseg> ${command}\n`.length;
  const to = output.indexOf("kseg> ", from);
  return output.slice(from, to < 0 ? undefined : to);
}

/** The number that follows a label in the output of `stats`. */
function counter(stats: string, label: string): number {
  const match = new RegExp(`^ *${label} +(\\d+)$`, "m").exec(stats);
  expect(match, `no "${label}" in:\n${stats}`).not.toBeNull();
  return Number(match?.[1]);
}

const missing = qemuMissing();
if (missing !== null) console.log(`demo guest in QEMU skipped: ${missing}`);

describe.skipIf(missing !== null)("demo guest, bare, in QEMU", { timeout: 90_000 }, () => {
  test("boots, answers and turns the machine off", () => {
    const { output, status } = runInQemu("help\nmap\nmem\npoweroff\n");
    expect(status).toBe(0);
    expect(output).toContain("kseg demo guest, bare MIPS map, 4 KiB pages\n64 MiB of memory, 16 TLB entries");
    expect(output).toMatch(/^hello from user mode, I am process 2$/m);
    for (const name of ["ps", "map", "tlb", "touch", "asid", "tour", "poweroff"])
      expect(answer(output, "help")).toMatch(new RegExp(`^  ${name} `, "m"));
    expect(answer(output, "map")).toContain("c0000000-c0003fff  trace ring");
    expect(answer(output, "mem")).toContain("65536 KiB of memory");
    expect(output.endsWith("kseg> poweroff\npower off\n")).toBe(true);
  });

  test("runs four daemons, each with an ASID and pages of its own", () => {
    const ALL = /^ {2}10000000-10017fff {2}heap {3}rw {2}24 of 24 pages mapped$/m;
    let map = "";
    const asids = new Set<string>();
    // The guest has what time passes outside: while QEMU has to wait, or is fast, all of them may not have their turn.
    for (let loops = 20_000_000; loops < 1e9 && (asids.size < 4 || !ALL.test(map)); loops *= 3) {
      const { output, status } = runInQemu(`spin ${loops}\nps\nmap 5\npoweroff\n`);
      expect(status).toBe(0);
      const ps = answer(output, "ps");
      asids.clear();
      for (const name of ["ticker", "reverser", "walker", "primes"]) {
        const match = new RegExp(`^ +\\d+  ${name} +(?:asleep|ready) +(\\d+) `, "m").exec(ps);
        expect(match, ps).not.toBeNull();
        asids.add(match?.[1] ?? "");
      }
      map = answer(output, "map 5");
    }
    expect(asids.size).toBe(4);
    expect(map).toMatch(ALL);
  });

  test("measures its workloads and tells about them", () => {
    const { output, status } = runInQemu("stats\ntour\nstats\nps\npoweroff\n");
    expect(status).toBe(0);
    const tour = answer(output, "tour");
    const table = tour.slice(tour.indexOf("workload "));
    expect(table.trim().split("\n")).toHaveLength(10);
    /* One invalid and one modified exception for each of 256 new pages, and a refill
     * at least for each pair of them. */
    const demand = /^first touches +256 +\d+ +[\d.]+ +(\d+) +(\d+) +(\d+) /m
      .exec(table)
      ?.slice(1)
      .map(Number);
    expect(demand?.[0]).toBeGreaterThanOrEqual(128);
    expect(demand?.[1]).toBeGreaterThanOrEqual(256);
    expect(demand?.[2]).toBe(256);
    /* 1000 yields between two processes; the clock may add a few. */
    const switches = Number(/^context switches .* (\d+)$/m.exec(table)?.[1]);
    expect(switches).toBeGreaterThanOrEqual(998);
    expect(switches).toBeLessThan(1100);

    const after = output.slice(output.lastIndexOf("kseg> stats"));
    expect(counter(after, "ASID rollovers")).toBe(1);
    expect(counter(after, "of these in KSeg2")).toBeGreaterThan(0);
    expect(counter(after, "pages copied on write")).toBeGreaterThan(0);
    expect(counter(after, "TLB refills")).toBeGreaterThan(1000);
  });

  test("gives back all memory that its workloads took", () => {
    /* The first workload fills the trace ring, whose pages then stay. */
    const workloads = "asid 10 4\ntouch 500 2\ndemand 300\nchurn 20\ncrash\n";
    const { output, status } = runInQemu(`syscall 3000\nmem\n${workloads}mem\npoweroff\n`);
    expect(status).toBe(0);
    /* Daemons may take pages meanwhile, so what is free and what is theirs go together. */
    const form = /memory, (\d+) KiB free\n(\d+) KiB in pages of processes, (\d+) KiB in/g;
    const sums = [...output.matchAll(form)].map(([, ...parts]) =>
      parts.reduce((sum, part) => sum + +part, 0),
    );
    expect(sums).toHaveLength(2);
    expect(sums[1]).toBe(sums[0]);
  });

  test("ends processes that do what they must not, and only those", () => {
    const { output, status } = runInQemu("crash\npoweroff\n");
    expect(status).toBe(0);
    const lines = answer(output, "crash").trim().split("\n");
    expect(lines.map((line) => /crash: (.*), pc/.exec(line)?.[1])).toEqual([
      "store to an unmapped page",
      "bad address on load",
      "bad address on load",
      "coprocessor unusable",
      "reserved instruction",
      "integer overflow",
      "breakpoint",
      "trap instruction",
      "store to a read-only page",
    ]);
  });

  test("edits the line, and takes Ctrl-D as poweroff", () => {
    const { output, status } = runInQemu("xx\b\x7fupx\btime\r\n\x15bogus\ngarbage\x15mem\nuptime 1\x04");
    expect(status).toBe(0);
    expect(output).toMatch(/^\d+\.\d\d s, \d+ ticks, Count [0-9a-f]{8}$/m);
    expect(output).toContain("bogus: no such command");
    expect(output).toContain("KiB in pages of processes");
    expect(output.endsWith("power off\n")).toBe(true);
  });

  test("says what is wrong with an argument", () => {
    const { output, status } = runInQemu("touch many\ntouch 0x7fffffff 1\nmap 99\ncrash gently\npoweroff\n");
    expect(status).toBe(0);
    expect(output).toContain("many: not a number, using 256");
    expect(output).toContain("2147483647 is out of range, using ");
    expect(output).toContain("no such user process");
    expect(output).toContain("kinds: null unaligned");
  });
});

describe("demo guest images", () => {
  const images = {
    "demo-te.elf": 0x40100000,
    "demo-te-16k.elf": 0x40100000,
    "demo-bare.elf": 0x80100000,
  };

  test.each(Object.entries(images))(
    "%s is a little-endian MIPS executable that starts at its link address",
    (name, entry) => {
      const bytes = readFileSync(demo + name);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      expect(bytes.subarray(0, 6)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1]));
      expect(view.getUint16(18, true)).toBe(8); // EM_MIPS
      expect(view.getUint32(24, true)).toBe(entry);
      expect(bytes.length).toBeLessThan(100_000);
    },
  );

  test("rebuild to the same bytes", { timeout: 120_000 }, ({ skip }) => {
    const { status, stdout, stderr } = spawnSync("sh", ["tools/build-guest.sh", demo, "--check"], {
      encoding: "utf8",
    });
    if (status === 77) {
      console.log(`rebuild of the demo guest skipped: ${stderr.trim()}`);
      skip(stderr.trim());
    }
    expect(status, stdout + stderr).toBe(0);
    expect(stdout.match(/identical/g)).toHaveLength(Object.keys(images).length);
  });
});

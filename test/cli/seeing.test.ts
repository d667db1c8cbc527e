import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readTrace } from "../inspect/perfetto-schema.ts";
import { kseg, start, startProgram, until } from "./kseg.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-seeing-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

describe("kseg run --trace", () => {
  test("writes a trace that agrees with --stats", async () => {
    const [trace, stats] = [file("boot.pftrace"), file("boot.json")];
    const args = ["run", "--trace", trace, "--stats", stats];
    const result = await kseg(args, { input: "poweroff\n" });
    expect(result).toMatchObject({ status: 0 });
    const counted = JSON.parse(readFileSync(stats, "utf8")) as {
      exits: Record<string, number>;
      refills: { fast: number };
    };
    const events = readTrace(readFileSync(trace));
    const exits: Record<string, number> = {};
    for (const { type, name } of events) if (type === "begin") exits[name] = (exits[name] ?? 0) + 1;
    expect(exits).toEqual(counted.exits);
    expect(events.filter(({ name }) => name === "kseg_refill")).toHaveLength(counted.refills.fast);
    const last = events.filter(({ type, track }) => type === "counter" && track === "fast refills").at(-1);
    expect(last?.value).toBe(counted.refills.fast);
  });

  test("writes text to a file that is called so, and the run is the same", async () => {
    const trace = file("boot.ftrace");
    const traced = await kseg(["run", "--quiet", "--trace", trace], { input: "poweroff\n" });
    expect(traced).toEqual(await kseg(["run", "--quiet"], { input: "poweroff\n" }));
    const text = readFileSync(trace, "utf8");
    expect(text).toMatch(/^# tracer: nop\n/);
    expect(text).toMatch(/^ +vcpu-1 .* kvm_enter: PC: 0x40100000$/m);
    const again = file("again.ftrace");
    await kseg(["run", "--quiet", "--trace", again], { input: "poweroff\n" });
    expect(readFileSync(again, "utf8")).toBe(text);
  });

  test("goes to a pipe as fast as that is read", async () => {
    const pipe = file("pipe");
    await startProgram("mkfifo", [pipe]).result;
    const cat = startProgram("sh", ["-c", `cat ${pipe} > ${file("read")}`]);
    // A pipe can be opened for writing once somebody reads, who has not come to its end while it is open.
    let writer = -1;
    await until(() => {
      try {
        writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
        return true;
      } catch {
        return false;
      }
    });
    const result = await kseg(["run", "--quiet", "--trace", pipe], { input: "churn 20\npoweroff\n" });
    closeSync(writer);
    expect(result.status).toBe(0);
    await cat.result;
    expect(readTrace(readFileSync(file("read"))).length).toBeGreaterThan(1000);
  });

  test.runIf(process.platform === "linux")(
    "ends with one line and status 1 when the disk is full",
    async () => {
      const result = await kseg(["run", "--quiet", "--trace", "/dev/full"], { input: "poweroff\n" });
      expect(result.status).toBe(1);
      expect(result.stderr).toBe("kseg: --trace /dev/full: no space left on the disk\n");
    },
  );

  test("leaves a file behind whose run was ended in the middle", async () => {
    const trace = file("ended.ftrace");
    const run = start(["run", "--quiet", "--trace", trace]);
    await run.shows("kseg> ");
    run.child.kill("SIGTERM");
    expect((await run.result).status).toBe(143);
    expect(statSync(trace).size).toBeGreaterThan(10_000);
    expect(readFileSync(trace, "utf8").endsWith("\n")).toBe(true);
  });
});

describe("kseg explain", () => {
  test("explains an address of the demo guest, and prints nothing else", async () => {
    const { status, stdout, stderr } = await kseg(["explain", "40101f00", "--after", "1000000"]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^40101f00, loads and stores of 4 bytes\n/);
    expect(stdout).toContain("\nkernel mode:\n  guest map     40000000-5fffffff: direct\n");
    expect(stdout).toMatch(/\n {2}GVA table {5}pgd\[256\] at [0-9a-f]{8} leads to [0-9a-f]{8}; PTE at /);
    expect(stdout.trimEnd().split("\n").length).toBe(20);
  });

  test("does so where --exit-on says, with input that is piped", async () => {
    const args = ["explain", "0x60000000", "--exit-on", "^2 processes in"];
    const { status, stdout } = await kseg(args, { input: "churn 2\n" });
    expect(status).toBe(0);
    expect(stdout).toContain("guest TLB");
  });

  test("explains addresses of bare machines", async () => {
    const args = ["explain", "80100000", "--mode", "bare", "--after", "1000"];
    const { status, stdout } = await kseg(args);
    expect(status).toBe(0);
    expect(stdout).toMatch(/kernel mode, which the guest is in:\n {2}segment {7}not translated\n/);
    expect(stdout).toContain("00100000 in RAM, at 00100000 of the host");
  });
});

/** `kseg run --gdb` with a real gdb, if there is one. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { demoFile, GDB_PATIENCE, kseg, start, startProgram, until, type Running } from "./kseg.ts";

const GDB = "gdb-multiarch";
const hasGdb = spawnSync(GDB, ["--version"]).status === 0;
if (!hasGdb) console.warn(`skipped: the sessions with gdb, as ${GDB} is not installed`);

const runs: Running[] = [];
afterEach(() => {
  for (const { child } of runs.splice(0)) child.kill("SIGKILL");
});

/** A guest that waits for a debugger, and the port where it does. */
async function waiting(...args: string[]): Promise<{ readonly run: Running; readonly port: number }> {
  const run = start(["run", "--gdb", "0", "--quiet", "--memory", "16M", ...args]);
  runs.push(run);
  for (;;) {
    const found = /target remote 127\.0\.0\.1:(\d+)\n/.exec(run.output().stderr);
    if (found !== null) return { run, port: Number(found[1]) };
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (run.child.exitCode !== null) throw new Error(run.output().stderr);
  }
}

/** Has gdb execute commands on the guest at `port`; what it prints. */
async function gdb(port: number, commands: readonly string[], elf = "demo-te.elf"): Promise<string> {
  const all = ["set confirm off", "set width 0", GDB_PATIENCE, `target remote :${port}`, ...commands];
  const run = startProgram(GDB, [
    "-nx",
    "-batch",
    ...all.flatMap((command) => ["-ex", command]),
    demoFile(elf),
  ]);
  runs.push(run);
  const { stdout, stderr } = await run.result;
  return stdout + stderr;
}

const POWER_OFF = "poweroff\n";

describe.runIf(hasGdb)("gdb", () => {
  it.each([
    ["te", "demo-te.elf", "auto"],
    ["te", "demo-te.elf", "interp"],
    ["bare", "demo-bare.elf", "auto"],
  ])("debugs a %s guest (%s, engine %s), which then does what it always does", async (mode, elf, engine) => {
    const args = ["--mode", mode, "--kernel", demoFile(elf), "--engine", engine];
    const plain = await kseg(["run", "--quiet", "--memory", "16M", ...args], {
      input: `touch\n${POWER_OFF}`,
    });
    const { run, port } = await waiting(...args);
    run.child.stdin?.end(`touch\n${POWER_OFF}`);
    const printed = await gdb(
      port,
      [
        ...["break schedule", "continue", "info registers", "backtrace", "stepi", "stepi"],
        ...[
          "delete",
          "watch *(int *)&ticks",
          "continue",
          "info registers entryhi",
          "monitor threads",
          "delete",
        ],
        ...["print $pc = $pc", "continue"],
      ],
      elf,
    );
    expect(printed).toMatch(/Breakpoint 1, 0x[48]0[0-9a-f]+ in schedule/);
    expect(printed).toMatch(/ status +lo +hi badvaddr +cause +pc/);
    expect(printed).toMatch(/#1 .* in /);
    expect(printed).toMatch(/Old value = 0\s+New value = 1\s/);
    expect(printed).toMatch(/entryhi: +0x/);
    expect(printed).toContain("exited normally");
    expect(printed).not.toMatch(/warning:|error:/i);
    const { status, stdout } = await run.result;
    expect({ status, stdout }).toEqual({ status: 0, stdout: plain.stdout });
  });

  it.each([
    ["te", "demo-te.elf"],
    ["bare", "demo-bare.elf"],
  ])("goes back with a %s guest, which does and prints what it always does", async (mode, elf) => {
    const args = ["--mode", mode, "--kernel", demoFile(elf)];
    const input = `touch\n${POWER_OFF}`;
    const plain = await kseg(["run", "--quiet", "--memory", "16M", ...args], { input });
    const { run, port } = await waiting(...args);
    run.child.stdin?.end(input);
    const printed = await gdb(
      port,
      [
        ...["break syscall", "continue", "continue", "continue", 'printf "pc %x\\n", $pc'],
        ...["reverse-stepi", "stepi", "reverse-continue", "reverse-continue", "delete"],
        ...["watch *(int *)&reschedule", "continue", "continue", "continue"],
        ...["reverse-continue", "reverse-continue", "reverse-continue", "continue", "delete"],
        ...["reverse-continue", "monitor stats", "continue"],
      ],
      elf,
    );
    expect(printed.match(/Breakpoint 1, .* in syscall/g)).toHaveLength(6);
    const values = [...printed.matchAll(/Old value = (\d)\s+New value = (\d)/g)].map(
      ([, a, b]) => `${a}${b}`,
    );
    expect(values).toEqual(["01", "10", "01", "10", "01", "10", "01"]);
    expect(printed).toContain("No more reverse-execution history");
    expect(printed).toMatch(/reverse-execution history[^]*exited normally/);
    expect(printed).not.toMatch(/warning:|error:/i);
    const { status, stdout } = await run.result;
    expect({ status, stdout }).toEqual({ status: 0, stdout: plain.stdout });
  });

  it("steps off a return from an exception, and comes to breakpoints on it again", async () => {
    const { run, port } = await waiting();
    run.child.stdin?.end(POWER_OFF);
    const printed = await gdb(port, [
      ...["break *((int)&enter_thread - 4)", "continue", "x/i $pc", 'printf "EPC %x\n", $epc', "stepi"],
      ...['printf "PC %x\n", $pc', "reverse-stepi", "x/i $pc", "stepi", 'printf "PC %x\n", $pc'],
      ...["continue", "x/i $pc", "detach"],
    ]);
    expect(printed.match(/^=> .*eret$/gm)).toHaveLength(3);
    const epc = /^EPC (.*)$/m.exec(printed)![1];
    expect(printed.match(/^PC .*$/gm)).toEqual([`PC ${epc}`, `PC ${epc}`]);
    expect(printed).not.toContain("SIGTRAP");
    expect((await run.result).status).toBe(0);
  });

  it("looks at a guest that cannot go on, and turns it back", async () => {
    const { run, port } = await waiting();
    run.child.stdin?.end(POWER_OFF);
    // Onto the WAIT of panic, with all interrupts off.
    const broken = ["break schedule", "continue", "delete", "set $status = 0", "set $pc = (int)&panic + 84"];
    const printed = await gdb(port, [...broken, "continue", "reverse-stepi", "continue", "continue"]);
    expect(printed.match(/with all its interrupts disabled/g)).toHaveLength(2);
    expect(printed.match(/received signal SIGABRT/g)).toHaveLength(2);
    expect(printed).toContain("Program terminated with signal SIGABRT");
    const { status, stderr } = await run.result;
    expect(status).toBe(1);
    expect(stderr).toContain("with all its interrupts disabled");
  });

  it("finds no way back while a trace is written", async () => {
    const trace = join(mkdtempSync(join(tmpdir(), "kseg-gdb-")), "run.ftrace");
    const { run, port } = await waiting("--trace", trace);
    run.child.stdin?.end(POWER_OFF);
    expect(await gdb(port, ["reverse-stepi", "detach"])).toContain("does not support this command");
    expect((await run.result).status).toBe(0);
  });

  it.each(["does what the documentation shows", "goes back as the documentation shows"])(
    "%s",
    async (name) => {
      const text = readFileSync(new URL("../../docs/debugging.md", import.meta.url), "utf8");
      const sessions = [...text.matchAll(/\$ gdb-multiarch guests\/demo.*\n([^`]*)```/g)].map(
        ([, session]) => session!,
      );
      const session = sessions[name.startsWith("goes") ? 1 : 0]!;
      const commands = [...session.matchAll(/^\(gdb\) (.*)$/gm)].map(([, command]) => command!);
      const lines = session.split("\n").filter((line) => line !== "" && !line.startsWith("(gdb)"));
      const { run, port } = await waiting();
      run.child.stdin?.end(POWER_OFF);
      let printed = await gdb(port, commands.slice(1));
      for (const line of lines) {
        expect(printed).toContain(line);
        printed = printed.slice(printed.indexOf(line) + line.length);
      }
      expect(commands.length).toBeGreaterThan(6);
      expect((await run.result).status).toBe(0);
    },
  );

  it("kills the guest", async () => {
    const { run, port } = await waiting();
    expect(await gdb(port, ["kill"])).toContain("killed");
    expect((await run.result).status).toBe(0);
  });

  it("stops a guest that runs already", async () => {
    const { run, port } = await waiting("--gdb-no-wait");
    await run.shows("kseg>");
    expect(await gdb(port, ["info registers pc", "detach"])).toMatch(/pc: 0x/);
    run.child.stdin?.end(POWER_OFF);
    expect((await run.result).status).toBe(0);
  });
});

/** A debugger that says what it is told to. */
async function connected(port: number): Promise<{ readonly socket: Socket; readonly said: () => string }> {
  const socket = connect(port, "127.0.0.1");
  let said = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (said += piece));
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, said: () => said };
}

describe("a connection", () => {
  it("that ends lets the guest run on, and only one is served at a time", async () => {
    const { run, port } = await waiting();
    run.child.stdin?.end(POWER_OFF);
    const first = await connected(port);
    first.socket.write("$?#3f");
    await until(() => first.said().includes("T05"));
    const second = await connected(port);
    await new Promise((resolve) => second.socket.once("close", resolve));
    expect(run.output().stdout).toBe("");
    first.socket.destroy();
    expect((await run.result).status).toBe(0);
  });

  it("that brings anything but the protocol does no harm", async () => {
    const { run, port } = await waiting();
    run.child.stdin?.end(POWER_OFF);
    const { socket } = await connected(port);
    socket.write(`GET / HTTP/1.1\r\n\r\n$${"x".repeat(100_000)}#00$g#00+-\u0003$qXfer:::::#00`);
    socket.end();
    expect((await run.result).status).toBe(0);
  });

  it("that has detached and stays connected does not keep kseg from ending", async () => {
    const { run, port } = await waiting();
    const connection = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    connection.write("$D#44");
    await run.shows("kseg>");
    run.child.stdin?.end(POWER_OFF);
    expect((await run.result).status).toBe(0);
    connection.destroy();
  });

  it("that asks without end and never listens does not keep kseg from ending", async () => {
    const { run, port } = await waiting();
    const { socket } = await connected(port);
    socket.pause();
    const ask = (): void => {
      while (socket.write("$?#3f".repeat(1000)));
    };
    socket.on("drain", ask).on("error", () => undefined);
    ask();
    const asking = setInterval(ask, 50);
    // Until kseg has more to answer than goes through; if this were too short, it would end all the more easily.
    await new Promise((resolve) => setTimeout(resolve, 500));
    run.child.kill("SIGTERM");
    expect((await run.result).status).toBe(143);
    clearInterval(asking);
    socket.destroy();
  });

  it("is told when the guest powers off, and when the run ends otherwise", async () => {
    for (const more of [[], ["--exit-on", "kseg demo"]]) {
      const { run, port } = await waiting(...more);
      run.child.stdin?.end(POWER_OFF);
      const { socket, said } = await connected(port);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.write("$c#63");
      expect((await run.result).status).toBe(0);
      await closed;
      expect(said()).toContain("$W00#b7");
    }
  });

  it("interrupts a guest that waits for input", async () => {
    const { run, port } = await waiting();
    const { socket, said } = await connected(port);
    socket.write("$c#63");
    await run.shows("kseg>");
    socket.write("\u0003");
    await until(() => said().includes("T02"));
    socket.write("+$D#44");
    run.child.stdin?.end(POWER_OFF);
    expect((await run.result).status).toBe(0);
  });

  it("need not come: the timeout ends a run that waits for it", async () => {
    const { status, stderr } = await kseg(["run", "--gdb", "0", "--timeout", "1"]);
    expect(status).toBe(124);
    expect(stderr).toContain("timed out after 1 s");
  });
});

it("a port that is in use is refused in one line", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const { status, stdout, stderr } = await kseg(["run", "--gdb", String(port)]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toBe(`kseg: --gdb 127.0.0.1:${port}: the port is in use\n`);
  server.close();
});

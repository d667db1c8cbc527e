import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { Guest, RunResult } from "../guest.ts";
import type { ReverseResult } from "../debug.ts";
import { parseElf } from "../loader/elf.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { createGuest } from "../vmm/create-guest.ts";
import { createTimeTravel } from "../vmm/create-time-travel.ts";
import { fromHex, packetOf, PacketReader, textToHex } from "./packets.ts";
import { GdbSession } from "./session.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const image = (mode: string): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/demo-${mode}.elf`, import.meta.url));
const WAIT_WORD = "42000020";
const symbols = parseElf(image("te")).symbols();
const addressOf = (symbol: string): string => symbols.get(symbol)!.toString(16);

/** A debugger that talks with a session, and whoever runs the guest. */
class Talk {
  readonly guest: Guest;
  readonly session: GdbSession;

  constructor(
    mode: "te" | "bare" = "te",
    create: typeof createTimeTravel | typeof createGuest = createGuest,
    input = "touch\npoweroff\n",
  ) {
    this.guest = create({ kernel: image(mode), mode, memory: 16 << 20, onConsole() {} });
    this.guest.sendInput(bytesOf(input));
    this.session = new GdbSession(this.guest);
  }

  /** Bodies of the packets that the session sends for these bytes. */
  raw(text: string): string[] {
    return bodiesOf(this.session.receive(bytesOf(text)));
  }

  /** The answer to a packet. */
  ask(body: string): string {
    const [answer = "none"] = this.raw(packetOf(body));
    return answer;
  }

  /** Does what the debugger wants until it wants nothing, and returns what it was told then. */
  go(body: string): string {
    const answers = this.raw(packetOf(body));
    if (answers.length > 0) throw new Error(`${body} is answered at once: ${answers.join(" ")}`);
    for (;;) {
      const told = bodiesOf(this.session.report(this.part()));
      if (told.length > 0) return told.join(" ");
    }
  }

  /** A part of what the debugger wants. */
  private part(): RunResult | ReverseResult {
    const { wanted } = this.session;
    switch (wanted.kind) {
      case "run":
        return this.guest.run(TICKS_PER_SECOND);
      case "step":
        return wanted.view.step();
      case "reverse":
        return wanted.run.run(TICKS_PER_SECOND);
      default:
        throw new Error(`wants ${wanted.kind}`);
    }
  }

  /** What `monitor` prints. */
  monitor(command: string): string {
    const answers = this.raw(packetOf(`qRcmd,${textToHex(command)}`));
    if (answers.pop() !== "OK") throw new Error(`${command} is not answered`);
    return answers.map((answer) => String.fromCharCode(...fromHex(answer.slice(1))!)).join("");
  }
}

function bodiesOf(bytes: Uint8Array): string[] {
  return [...new PacketReader().take(bytes)].flatMap((event) =>
    event.kind === "packet" ? [event.body] : [],
  );
}

let talk: Talk;
beforeEach(() => {
  talk = new Talk();
});

describe("a debugger", () => {
  test("finds a guest that stands still, and is told what it can do", () => {
    expect(talk.session.wanted).toEqual({ kind: "stop" });
    expect(talk.ask("?")).toBe("T05thread:1;1d:00000000;25:00001040;");
    expect(talk.ask("qSupported:multiprocess+;swbreak+")).toContain("qXfer:features:read+");
    expect(talk.ask("vCont?")).toBe("vCont;c;C;s;S");
    expect(talk.ask("vMustReplyEmpty")).toBe("");
    expect(talk.ask("qAttached")).toBe("1");
    expect(talk.ask("no such packet")).toBe("");
  });

  test("acknowledges packets until that is turned off, and has broken ones sent again", () => {
    const answer = (text: string): string => String.fromCharCode(...talk.session.receive(bytesOf(text)));
    expect(answer("$?#3f")[0]).toBe("+");
    expect(answer("$?#00")).toBe("-");
    expect(answer("-")).toMatch(/^\$T05/);
    expect(answer(packetOf("QStartNoAckMode"))).toBe(`+${packetOf("OK")}`);
    expect(answer(packetOf("qC"))).toBe(packetOf("QC1"));
    expect(answer("$qC#00")).toBe("");
  });

  test("has threads: the guest, and the host if there is one", () => {
    expect(talk.ask("qfThreadInfo")).toBe("m1,2");
    expect(talk.ask("qsThreadInfo")).toBe("l");
    expect(talk.ask("qThreadExtraInfo,2")).toBe(textToHex("host"));
    expect([talk.ask("T2"), talk.ask("T3"), talk.ask("Hg3"), talk.ask("Hg-1")]).toEqual([
      "OK",
      "E01",
      "E01",
      "OK",
    ]);
    const bare = new Talk("bare");
    expect(bare.ask("qfThreadInfo")).toBe("m1");
    expect(bare.ask("Hg2")).toBe("E01");
  });

  test("reads the description of the registers in parts", () => {
    let text = "";
    for (;;) {
      const part = talk.ask(`qXfer:features:read:target.xml:${text.length.toString(16)},200`);
      text += part.slice(1);
      if (part[0] === "l") break;
      expect(part[0]).toBe("m");
    }
    const numbers = [...text.matchAll(/regnum="(\d+)"/g)].map(([, number]) => Number(number));
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index));
    const names = [...text.matchAll(/<reg name="([^"]*)"/g)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["r31", "status", "f31", "entryhi", "ebase"]));
    expect(talk.ask("g").length).toBe(8 * numbers.length);
    expect(talk.ask("qXfer:features:read:other.xml:0,10")).toBe("E00");
    expect(talk.ask("qXfer:auxv:read::0,10")).toBe("");
  });

  test("reads and writes registers and memory of the thread that it selects", () => {
    expect(talk.ask("P2=78563412")).toBe("OK");
    expect(talk.ask("p2")).toBe("78563412");
    expect(talk.guest.debug.readRegister("v0")).toBe(0x1234_5678);
    expect(talk.ask("P0=01000000")).toBe("E16");
    const all = talk.ask("g");
    expect(talk.ask(`G${all.slice(0, 24)}efbeadde${all.slice(32)}`)).toBe("OK");
    expect(talk.ask("p3")).toBe("efbeadde");
    // What is not known may be left out, in letters of either case.
    expect(talk.ask(`G${"X".repeat(24)}EFBEADDE`)).toBe("OK");
    expect(talk.ask("p2")).toBe("78563412");
    // The FPU's, which this guest has not.
    expect(talk.ask("p26")).toBe("xxxxxxxx");
    const start = addressOf("start");
    const code = talk.ask(`m${start},10`);
    expect(code).toHaveLength(32);
    expect(talk.ask(`M${start},4:01020304`)).toBe("OK");
    expect(talk.ask(`m${start},4`)).toBe("01020304");
    expect(talk.ask(`X${start},3:}\u0003\u0005}]`)).toBe("OK");
    expect(talk.ask(`m${start},4`)).toBe("23057d04");
    expect(talk.ask(`X${start},0:`)).toBe("OK");
    expect(talk.ask("m60000000,4")).toBe("E0e");
    expect(talk.ask(`m${start},ffffffff`).length).toBeGreaterThan(1000);
    expect(talk.ask("Hg2")).toBe("OK");
    expect(talk.ask("p25")).toBe("0000c0bf");
  });

  test("sets breakpoints, continues to them, and steps", () => {
    const main = addressOf("main");
    expect(talk.ask(`Z0,${main},4`)).toBe("OK");
    expect(talk.go("vCont;c")).toMatch(new RegExp(`^T05thread:1;.*25:${swapped(main)};$`));
    expect(talk.ask(`z0,${main},4`)).toBe("OK");
    const next = (Number.parseInt(main, 16) + 4).toString(16);
    expect(talk.go("s")).toContain(`25:${swapped(next)};`);
    expect(talk.go("vCont;s:1;c")).toContain("T05thread:1;");
    expect(talk.ask(`Z1,${addressOf("schedule")},4`)).toBe("OK");
    expect(talk.go("C05")).toContain(`25:${swapped(addressOf("schedule"))};`);
  });

  test.each([
    ["guest", "te"],
    ["bare machine", "bare"],
  ] as const)("steps off an ERET of a %s by the breakpoint that gdb inserts behind it", (_, mode) => {
    const session = new Talk(mode);
    // Of the general exception handler, in front of what enters a thread.
    const behind = parseElf(image(mode)).symbols().get("enter_thread")!;
    const eret = swapped((behind - 4).toString(16));
    session.ask(`Z0,${(behind - 4).toString(16)},4`);
    expect(session.go("c")).toContain(`25:${eret};`);
    session.ask(`z0,${(behind - 4).toString(16)},4`);
    const epc = session.guest.debug.readRegister("EPC")!;
    session.ask(`Z0,${behind.toString(16)},4`);
    expect(session.go("vCont;c")).toContain(`T05thread:1;`);
    expect(session.guest.debug.readRegister("pc")).toBe(epc);
    // From other instructions it goes on, until it comes there.
    session.ask(`Z0,${(epc + 4).toString(16)},4`);
    session.raw(packetOf("c"));
    expect(session.session.wanted).toEqual({ kind: "run" });
  });

  test.each([
    ["guest", "te"],
    ["bare machine", "bare"],
  ] as const)("steps over a WAIT of a %s, back to it and over it again", (_, mode) => {
    const session = new Talk(mode, createTimeTravel, "");
    const { debug } = session.guest;
    let wait = parseElf(image(mode)).symbols().get("idle_wait")!;
    while (session.ask(`m${wait.toString(16)},4`) !== swapped(WAIT_WORD)) wait += 4;
    session.ask(`Z0,${wait.toString(16)},4`);
    session.go("c");
    session.ask(`z0,${wait.toString(16)},4`);
    // gdb steps by the breakpoints that it inserts, or by steps of the stub.
    for (const step of ["s", "vCont;s:1"]) {
      expect(debug.readRegister("pc")).toBe(wait);
      expect(session.go(step)).toContain("T05thread:1;");
      const after = debug.readRegister("pc");
      expect(after).not.toBe(wait);
      expect(session.go("bs")).toContain("T05");
      expect(debug.readRegister("pc")).toBe(wait);
      expect(session.go(step)).toContain("T05thread:1;");
      expect(debug.readRegister("pc")).toBe(after);
      session.go("bs");
    }
  });

  test("steps the host, whose handlers are at other addresses", () => {
    talk.ask(`Z0,${addressOf("schedule")},4`);
    talk.go("c");
    talk.ask("Hg2");
    expect(talk.go("vCont;s:2")).toContain("T05thread:2;");
    const ebase = talk.guest.hostDebug!.readRegister("EBase")! & -0x1000;
    talk.ask(`Z0,${(ebase >>> 0).toString(16)},4`);
    let stop = "";
    for (let n = 0; n < 10 && !stop.includes("thread:2"); n++) stop = talk.go("c");
    expect(stop).toContain("thread:2;");
    // The guest's registers are not known there, but for where it is.
    expect(talk.ask("Hg1")).toBe("OK");
    expect(talk.ask("p2")).toBe("xxxxxxxx");
    expect(talk.ask("p25")).toMatch(/^[0-9a-f]{8}$/);
    expect(talk.ask("P2=00000000")).toBe("E16");
  });

  test.each([
    ["2", "watch"],
    ["4", "awatch"],
  ])("watches with Z%s, and is told the address", (type, reason) => {
    const address = addressOf("reschedule");
    expect(talk.ask(`Z${type},${address},4`)).toBe("OK");
    for (let n = 0; n < 3; n++) expect(talk.go("c")).toContain(`T05${reason}:${address};thread:1;`);
    expect(talk.ask(`z${type},${address},4`)).toBe("OK");
    expect(talk.go("c")).toBe("W00");
  });

  test("interrupts a guest that runs, and only such a one", () => {
    expect(talk.raw("\u0003")).toEqual([]);
    expect(talk.raw(packetOf("c"))).toEqual([]);
    talk.guest.run(1000);
    expect(talk.raw("\u0003")[0]).toMatch(/^T02thread:1;/);
    expect(talk.session.wanted).toEqual({ kind: "stop" });
  });

  test("detaches: nothing of it is left, and the guest runs on", () => {
    talk.ask(`Z0,${addressOf("schedule")},4`);
    talk.ask(`Z2,${addressOf("reschedule")},4`);
    expect(talk.ask("D")).toBe("OK");
    expect(talk.session.wanted).toEqual({ kind: "detached" });
    expect(talk.guest.run(20 * TICKS_PER_SECOND)).toEqual({ kind: "off", how: "power-off" });
  });

  test("that is gone has detached", () => {
    talk.ask(`Z0,${addressOf("schedule")},4`);
    talk.session.closed();
    expect(talk.session.wanted).toEqual({ kind: "detached" });
    expect(talk.guest.run(20 * TICKS_PER_SECOND)).toEqual({ kind: "off", how: "power-off" });
  });

  test.each(["k", "vKill;1"])("kills with %s", (packet) => {
    talk.raw(packetOf(packet));
    expect(talk.session.wanted).toEqual({ kind: "killed" });
  });

  test("is told the guest's failure, may look at it, and then lets the run end", () => {
    const fail = (): string[] => {
      talk.raw(packetOf("c"));
      return bodiesOf(talk.session.report({ kind: "failed", report: "it cannot go on" }));
    };
    const [report, stop, ...more] = fail();
    expect(report).toBe(`O${textToHex("it cannot go on\n")}`);
    expect(stop).toMatch(/^T06thread:1;/);
    expect(more).toEqual([]);
    expect(talk.ask("p1d")).toMatch(/^[0-9a-f]{8}$/);
    expect(fail()).toEqual(["X06"]);
    expect(talk.session.wanted).toEqual({ kind: "detached" });
  });

  test("asks the monitor", () => {
    talk.ask(`Z0,${addressOf("idle")},4`);
    talk.go("c");
    for (const line of talk.monitor("help").trimEnd().split("\n"))
      expect(talk.monitor(line.split(" ")[0]!).length).toBeGreaterThan(0);
    expect(talk.monitor("exits")).toMatch(/\d+ {2}addrerr_st/);
    expect(talk.monitor("stats")).toMatch(/\d+ {2}guest instructions/);
    expect(talk.monitor("threads")).toContain(`1  guest  pc ${addressOf("idle")}`);
    expect(talk.monitor("tlb")).toMatch(/guest TLB:\n.*[^]*host TLB:\n.*guest kernel/);
    expect(talk.monitor(`gva ${addressOf("idle")}`)).toContain("guest map");
    const pc = talk.guest.debug.readRegister("pc")!.toString(16);
    expect(talk.monitor("gva $pc")).toBe(talk.monitor(`gva ${pc}`));
    expect(talk.monitor("gva main")).toContain("takes an address");
    const host = talk.monitor("host");
    expect(host).toMatch(/^CPU at 4[0-9a-f]{7}, in the guest's code\n/);
    const status = talk.guest.hostDebug!.readRegister("Status")!.toString(16).padStart(8, "0");
    expect(host).toMatch(new RegExp(`^ {2}Status {7}${status} .*KSU=2`, "m"));
    expect(host).toMatch(/roots of GVA tables:\n {2}kernel, guest ASID .* live$/m);
    const bare = new Talk("bare").monitor("host");
    expect(bare).toMatch(/^CPU at 80[0-9a-f]{6}, in kernel mode\n/);
    expect(bare).not.toContain("roots");
    expect(talk.monitor("frobnicate")).toContain("no command frobnicate");
    expect(talk.monitor("constructor")).toContain("no command");
  });
});

describe("backwards", () => {
  const pcOf = (stop: string): number => Number.parseInt(swapped(/25:([0-9a-f]{8})/.exec(stop)![1]!), 16);

  test("a debugger is not told of what the guest cannot do", () => {
    expect(talk.ask("qSupported:")).not.toContain("Reverse");
    expect([talk.ask("bs"), talk.ask("bc")]).toEqual(["", ""]);
  });

  test.each(["te", "bare"] as const)("a %s guest goes to breakpoints, accesses and single steps", (mode) => {
    const past = new Talk(mode, createTimeTravel);
    const symbol = (name: string): string => parseElf(image(mode)).symbols().get(name)!.toString(16);
    expect(past.ask("qSupported:")).toContain(";ReverseStep+;ReverseContinue+");
    expect(past.ask("b9600")).toBe("");
    const schedule = symbol("schedule");
    past.ask(`Z0,${schedule},4`);
    const stops = [past.go("c"), past.go("c"), past.go("c")];
    const before = past.guest.hash();
    expect(past.go("s")).not.toBe(stops[2]);
    expect(past.go("bs")).toBe(stops[2]);
    expect(past.guest.hash()).toBe(before);
    expect([past.go("bc"), past.go("bc")]).toEqual([stops[1], stops[0]]);
    // Interrupted it is somewhere on the way, and a guest as any other.
    expect(past.raw(packetOf("bc"))).toEqual([]);
    expect(past.raw("\u0003")[0]).toMatch(/^T02thread:1;/);
    expect(past.go("bc")).toMatch(/^T05replaylog:begin;thread:1;/);
    expect(past.go("c")).toBe(stops[0]);
    past.ask(`z0,${schedule},4`);
    // Forwards in front of an access, backwards behind it.
    past.ask(`Z2,${symbol("reschedule")},4`);
    const watched = past.go("c");
    past.go("s");
    const behind = pcOf(past.go("s"));
    expect(watched).toContain(`watch:${symbol("reschedule")};`);
    const back = past.go("bc");
    expect(back).toContain(`T05watch:${symbol("reschedule")};thread:1;`);
    expect(pcOf(back)).not.toBe(pcOf(watched));
    expect(pcOf(back)).toBeLessThan(behind);
    expect(pcOf(past.go("bs"))).toBe(pcOf(watched));
  });

  test("the host goes back by itself, if the debugger names it", () => {
    const past = new Talk("te", createTimeTravel);
    past.ask(`Z0,${addressOf("schedule")},4`);
    past.go("c");
    past.ask("Hc2");
    const stop = past.go("bs");
    expect(stop).toContain("T05thread:2;");
    expect(past.go("bs")).not.toBe(stop);
    past.ask("Hc-1");
    past.ask("Hg1");
    expect(past.go("bs")).toContain("T05thread:1;");
  });
});

/** Digits of an address in the guest's byte order, little endian. */
function swapped(digits: string): string {
  return digits.padStart(8, "0").replace(/(..)(..)(..)(..)/, "$4$3$2$1");
}

describe("nothing that a debugger sends throws", () => {
  const digits = fc.string({ unit: fc.constantFrom(...Array.from("0123456789abcdef")), maxLength: 10 });
  const piece = fc.oneof(
    digits,
    fc.constantFrom(",", ";", ":", "=", "-1", "40100000", "4", "target.xml", "read", "*", "}", "\u00ff"),
  );
  const head = fc.constantFrom(
    ...["?", "g", "G", "p", "P", "m", "M", "X", "H", "Hg", "T", "Z0,", "Z2,", "z4,", "z", "Z", "Z9,"],
    ...[
      "q",
      "Q",
      "v",
      "qXfer:features:read:target.xml:",
      "qRcmd,",
      "qThreadExtraInfo,",
      "qSupported",
      "vCont",
      "vKill",
    ],
    ...["c", "s", "C", "S", "vCont;", "vCont;s:", "b", "bs", "bc", "Hc", "!", "R", "i", "A", "\u0000"],
  );
  const body = fc
    .tuple(head, fc.array(piece, { maxLength: 6 }))
    .map(([first, rest]) => first + rest.join(""));
  const bytes = fc.oneof(
    body.map(packetOf),
    fc.string({ unit: fc.constantFrom(...Array.from("$#+-}*\u0003\u0000az09")) }),
    fc.string({ unit: "binary" }).map(packetOf),
  );

  test("and each packet of a guest that stands still is answered once", () => {
    const guest = createTimeTravel({ kernel: image("te"), memory: 16 << 20, onConsole() {} });
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), (texts) => {
        const session = new GdbSession(guest);
        for (const text of texts) {
          session.receive(bytesOf(text));
          if (["run", "step", "reverse"].includes(session.wanted.kind)) session.receive(bytesOf("\u0003"));
        }
        session.closed();
        const other = new GdbSession(guest);
        expect(bodiesOf(other.receive(bytesOf(packetOf("qC"))))).toEqual(["QC1"]);
        other.closed();
      }),
      { numRuns: 2000 },
    );
  });
});

/** What a debugger sends, with a guest that it can do everything to. */
import type { DebugView, ReverseRun, ReversibleGuest } from "../../../src/debug.ts";
import { GdbSession, type DebuggedGuest } from "../../../src/gdb/index.ts";
import { packetOf, PacketReader, textToHex } from "../../../src/gdb/packets.ts";
import type { Mode } from "../../../src/index.ts";
import type { MachineGuest } from "../../../src/vmm/machine-guest.ts";
import type { GuestImage } from "../../../src/vmm/snapshot-file.ts";
import { latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { tinyGuest, WHILE } from "./tiny-guest.ts";

/** Ticks of a run, before the debugger interrupts it. */
const RUN = 200;
const INTERRUPT = 3;
/** Runs and steps of one input. */
const MOST_RUNS = 8;

const BODIES = [
  "qSupported:multiprocess+;swbreak+",
  "?",
  "g",
  `G${"00".repeat(4)}${"x".repeat(8)}`,
  "p25",
  "P2=01020304",
  "m40008000,10",
  "M40008000,4:01020304",
  "X40008000,2:}\u0003a",
  "c",
  "s40008000",
  "C05",
  "S05;40008004",
  "vCont?",
  "vCont;s:1;c",
  "vCont;c:2",
  "bs",
  "bc",
  "Z0,40008000,4",
  "z0,40008000,4",
  "Z2,40008000,4",
  "Z3,40008000,8",
  "Z4,0,ffffffff",
  "Hg2",
  "Hc-1",
  "T1",
  "qC",
  "qfThreadInfo",
  "qsThreadInfo",
  "qThreadExtraInfo,2",
  "qAttached",
  "qSymbol::",
  "qXfer:features:read:target.xml:0,fff",
  "QStartNoAckMode",
  "D",
  "k",
  "vKill;1",
  "vMustReplyEmpty",
  ...["help", "exits", "gva 40008000", "tlb", "stats", "threads", "gva x"].map(
    (command) => `qRcmd,${textToHex(command)}`,
  ),
];

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** The right sum behind each packet. */
function mendSums(input: Uint8Array): Uint8Array {
  return bytesOf(latin1(input).replaceAll(/\$([^$#]*)#../gs, (_, body: string) => packetOf(body)));
}

/** A guest, and what debuggers have of it. */
class Rig {
  private readonly guest: MachineGuest;
  private readonly image: GuestImage;
  private changed = false;
  readonly debugged: readonly DebuggedGuest[];

  constructor(mode: Mode) {
    const guest = tinyGuest(mode);
    guest.run(WHILE);
    this.guest = guest;
    this.image = guest.capture();
    const views = {
      debug: this.watched(guest.debug),
      hostDebug: guest.hostDebug === null ? null : this.watched(guest.hostDebug),
    };
    const debugged = (extra: Partial<ReversibleGuest>): DebuggedGuest => ({
      ...views,
      ...extra,
      inspect: () => guest.inspect(),
      stats: () => guest.stats(),
      get time() {
        return guest.time;
      },
    });
    /** Going back is not for parsers: it takes a while, and leads nowhere. */
    const back = (): ReverseRun => ({ run: (ticks) => ({ kind: ticks > 1 ? "running" : "begin" }) });
    this.debugged = [debugged({}), debugged({ reverseStep: back, reverseContinue: back })];
  }

  /** A view that tells whether it was used for more than looking. */
  private watched(view: DebugView): DebugView {
    return new Proxy(view, {
      get: (of, name) => {
        const value: unknown = Reflect.get(of, name, of);
        if (typeof value !== "function") return value;
        this.changed ||= name === "step" || name === "writeRegister" || name === "writeMemory";
        return (value as (...args: unknown[]) => unknown).bind(of);
      },
    });
  }

  /** Does what the debugger wants. */
  resume(session: GdbSession): void {
    const { wanted } = session;
    if (wanted.kind === "step") checkAnswer(session.report(wanted.view.step()));
    if (wanted.kind === "reverse")
      for (const ticks of [RUN, 1]) checkAnswer(session.report(wanted.run.run(ticks)));
    if (wanted.kind !== "run") return;
    this.changed = true;
    checkAnswer(session.report(this.guest.run(RUN)));
    checkAnswer(session.receive(Uint8Array.of(INTERRUPT)));
  }

  /** Puts the guest back as it was. */
  restore(): void {
    if (this.changed) this.guest.reinstate(this.image);
    this.changed = false;
  }
}

export function openTarget(): Target {
  const [bare, te] = [new Rig("bare"), new Rig("te")];
  return {
    seeds: BODIES.map((body) => bytesOf(packetOf(body))),
    longest: 1024,
    repair: mendSums,
    take: (input) => {
      // Most are for a bare machine: it takes ten times as long to put a guest under it back as it was.
      const rig = input.length % 8 === 7 ? te : bare;
      const session = new GdbSession(rig.debugged[(input.length >> 3) % 2]!);
      let runs = 0;
      // Each packet for itself, so that the guest can run in between.
      for (const piece of latin1(input).split(/(?<=#..)/s)) {
        checkAnswer(session.receive(bytesOf(piece)));
        if (runs++ < MOST_RUNS) rig.resume(session);
      }
      session.closed();
      rig.restore();
    },
  };
}

/** What is sent is packets and acknowledgements. */
function checkAnswer(bytes: Uint8Array): void {
  for (const event of new PacketReader().take(bytes))
    if (event.kind === "broken" || event.kind === "interrupt")
      throw new Error(`the answer is no packet: ${JSON.stringify(latin1(bytes))}`);
}

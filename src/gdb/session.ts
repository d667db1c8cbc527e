import {
  DebugMemoryError,
  type Breakpoint,
  type DebugView,
  type ReverseResult,
  type ReverseRun,
  type ReversibleGuest,
  type Watchpoint,
} from "../debug.ts";
import type { Guest, RunResult } from "../guest.ts";
import { decode } from "../isa/decode.ts";
import { monitor } from "./monitor.ts";
import {
  escapeText,
  fromHex,
  hexByte,
  MAX_PACKET,
  packetOf,
  PacketReader,
  parseNumber,
  textToHex,
  toHex,
  unescapeBytes,
} from "./packets.ts";
import { GdbRegisters, REGISTER, wordOf } from "./registers.ts";

/** What the debugger wants of the guest now. */
export type Wanted =
  /** It stands still. */
  | { readonly kind: "stop" }
  | { readonly kind: "run" }
  /** One step of a view; what it ends with is to be reported. */
  | { readonly kind: "step"; readonly view: DebugView }
  /** It goes back, as long as this is wanted: what each part of that leads to is to be reported. */
  | { readonly kind: "reverse"; readonly run: ReverseRun }
  /** The debugger has left: the guest runs on by itself. */
  | { readonly kind: "detached" }
  /** The run is to end. */
  | { readonly kind: "killed" };

/** The guest that a debugger is connected to: backwards too, if it can be run so. */
export type DebuggedGuest = Pick<Guest, "debug" | "hostDebug" | "inspect" | "stats" | "time"> &
  Partial<ReversibleGuest>;

/** Signals as the protocol numbers them. */
const SIGNAL = { INT: 2, TRAP: 5, ABRT: 6 } as const;

/** Answers of the protocol. */
const OK = "OK";
const UNKNOWN = "";
const ERROR = { syntax: "E01", memory: "E0e", value: "E16" } as const;

/** What Z0 to Z4 insert. */
const POINTS: Readonly<Record<string, "breakpoint" | Watchpoint["access"]>> = {
  0: "breakpoint",
  1: "breakpoint",
  2: "write",
  3: "read",
  4: "access",
};
/** How a stop says which kind of watchpoint it was. */
const WATCH_REASON: Readonly<Record<Watchpoint["access"], string>> = {
  write: "watch",
  read: "rwatch",
  access: "awatch",
};

/** gdb makes steps itself, by breakpoints where they may end: behind an instruction, or a branch and its delay slot. */
const STEP_INSTRUCTIONS = 2;

/** Instructions that lead where CP0 registers say, of which gdb knows nothing. */
const RETURNS: ReadonlySet<string | undefined> = new Set(["eret", "eretnc", "deret"]);
const INSTRUCTION_BYTES = 4;

type InsertedPoint = readonly { readonly view: DebugView; readonly point: Breakpoint }[];

/**
 * The remote protocol of gdb (GDB manual, appendix "Remote Serial Protocol"), for one connection: bytes in, bytes out.
 * Views are threads of one program: 1 is the guest, 2 its host machine. Points are set in both, as the debugger has one
 * address space for all threads.
 *
 * Whoever runs the guest asks what is {@link wanted}, and reports what came of it. Nothing that a debugger sends throws.
 */
export class GdbSession {
  private readonly guest: DebuggedGuest;
  private readonly views: readonly DebugView[];
  private readonly registers: GdbRegisters;
  private readonly reader = new PacketReader();
  private readonly points = new Map<string, InsertedPoint>();
  private acknowledges = true;
  private output = "";
  private lastPacket = "";
  private lastStop: string;
  /** The thread that registers and memory are asked of, and that is meant if none is named. */
  private thread = 1;
  /** The thread that is to go on; null if none was named for that. */
  private steered: number | null = null;
  /** The thread that was run on last, and guest instructions until then. */
  private resumed = { thread: 1, guestInstructions: 0 };
  private want: Wanted = { kind: "stop" };
  /** Instructions after which the guest could not go on, as far as the debugger has been told. */
  private failedAt: number | null = null;

  /** The guest stands still, and goes on doing so until the debugger says otherwise. */
  constructor(guest: DebuggedGuest) {
    this.guest = guest;
    this.views = guest.hostDebug === null ? [guest.debug] : [guest.debug, guest.hostDebug];
    this.registers = new GdbRegisters(this.views);
    this.lastStop = this.stopReply(SIGNAL.TRAP, 1);
  }

  get wanted(): Wanted {
    return this.want;
  }

  private get view(): DebugView {
    return this.views[this.thread - 1]!;
  }

  // --- bytes ---

  /** Takes what has come from the debugger. Returns what is to be sent. The guest must not be running. */
  receive(bytes: Uint8Array): Uint8Array {
    for (const event of this.reader.take(bytes)) {
      if (this.isOver) break;
      switch (event.kind) {
        case "packet":
          if (this.acknowledges) this.output += "+";
          this.answer(event.body);
          break;
        case "broken":
          if (this.acknowledges) this.output += "-";
          break;
        case "resend":
          this.output += this.lastPacket;
          break;
        case "interrupt":
          if (this.want.kind !== "stop") this.stopped(SIGNAL.INT, 1, "");
          break;
        case "ack":
          break;
      }
    }
    return this.takeOutput();
  }

  /** The debugger is gone: the guest runs on. */
  closed(): void {
    if (!this.isOver) this.detach();
  }

  private get isOver(): boolean {
    return this.want.kind === "detached" || this.want.kind === "killed";
  }

  private takeOutput(): Uint8Array {
    const bytes = Uint8Array.from(this.output, (character) => character.charCodeAt(0));
    this.output = "";
    return bytes;
  }

  private send(body: string): void {
    this.lastPacket = packetOf(body);
    this.output += this.lastPacket;
  }

  // --- the guest ---

  /** Tells the debugger how a run or a step ended, unless the guest can go on by itself. Returns what is to be sent. */
  report(result: RunResult | ReverseResult): Uint8Array {
    switch (result.kind) {
      case "debug": {
        const { stop } = result;
        const thread = this.threadFor(result.view);
        if (stop.kind !== "watchpoint") {
          this.stopped(SIGNAL.TRAP, thread, "");
          break;
        }
        // A debugger that goes back expects to come to an access from behind, and takes the last step itself.
        if (this.want.kind === "reverse") this.views[thread - 1]!.step();
        const reason = WATCH_REASON[stop.watchpoint.access];
        this.stopped(SIGNAL.TRAP, thread, `${reason}:${stop.address.toString(16)};`);
        break;
      }
      case "begin":
        this.stopped(SIGNAL.TRAP, this.thread, "replaylog:begin;");
        break;
      case "off":
        this.ended("W00");
        break;
      case "failed":
        this.failed(result.report);
        break;
      case "running":
      case "idle":
        break;
    }
    return this.takeOutput();
  }

  /** The thread that has stopped. What is a step's end in the guest may be one of its host: that sees the guest, too. */
  private threadFor(view: DebugView["name"]): number {
    if (view === "host") return 2;
    const { thread, guestInstructions } = this.resumed;
    const wasStep = Math.abs(this.guest.stats().guestInstructions - guestInstructions) <= STEP_INSTRUCTIONS;
    return wasStep ? thread : 1;
  }

  private stopped(signal: number, thread: number, reason: string): void {
    this.want = { kind: "stop" };
    this.thread = thread;
    this.lastStop = this.stopReply(signal, thread, reason);
    this.send(this.lastStop);
  }

  private stopReply(signal: number, thread: number, reason = ""): string {
    const view = this.views[thread - 1]!;
    const told = [REGISTER.sp, REGISTER.pc].map(
      (number) => `${hexByte(number)}:${this.registers.read(view, number)};`,
    );
    return `T${hexByte(signal)}${reason}thread:${thread};${told.join("")}`;
  }

  /** The guest cannot go on. The debugger may look at it, and turn it back; if it does not, this is the end. */
  private failed(report: string): void {
    const { instructions } = this.guest.stats();
    if (this.failedAt === instructions) {
      this.ended(`X${hexByte(SIGNAL.ABRT)}`);
      return;
    }
    this.failedAt = instructions;
    this.send(`O${textToHex(`${report}\n`)}`);
    this.stopped(SIGNAL.ABRT, 1, "");
  }

  /** The guest has ended: there is nothing to debug any more. */
  private ended(reply: string): void {
    this.removeAll();
    this.lastStop = reply;
    this.want = { kind: "detached" };
    this.send(reply);
  }

  private detach(): void {
    this.removeAll();
    this.want = { kind: "detached" };
  }

  private removeAll(): void {
    for (const inserted of this.points.values()) for (const { view, point } of inserted) view.remove(point);
    this.points.clear();
  }

  // --- packets ---

  private answer(body: string): void {
    const reply = this.replyTo(body);
    if (reply !== null) this.send(reply);
    // What comes from now on is not acknowledged; the request for that was.
    if (body === "QStartNoAckMode") this.acknowledges = false;
  }

  /** The answer to a packet; null if there is none, or it comes later. */
  private replyTo(body: string): string | null {
    // A debugger that asks for anything has a guest that stands still; it can only interrupt one that runs.
    if (this.want.kind !== "stop") return UNKNOWN;
    const rest = body.slice(1);
    switch (body[0]) {
      case "?":
        return this.lastStop;
      case "g":
        return this.registers.all.map((_, number) => this.registers.read(this.view, number)).join("");
      case "G":
        return this.writeAll(rest);
      case "p":
        return this.readOne(rest);
      case "P":
        return this.writeOne(rest);
      case "m":
        return this.readMemory(rest);
      case "M":
        return this.writeMemory(rest, fromHex);
      case "X":
        return this.writeMemory(rest, unescapeBytes);
      case "c":
      case "s":
        return this.resume(body[0], rest);
      case "b":
        return this.reverse(rest);
      case "C":
      case "S":
        return this.resume(body[0].toLowerCase(), rest.split(";")[1] ?? "");
      case "Z":
        return this.insert(rest);
      case "z":
        return this.removePoint(rest);
      case "H":
        return this.selectThread(rest);
      case "T":
        return this.threadOf(rest) === null ? ERROR.syntax : OK;
      case "D":
        this.detach();
        return OK;
      case "k":
        this.want = { kind: "killed" };
        this.removeAll();
        return null;
      case "q":
      case "Q":
        return this.query(body);
      case "v":
        return this.verbose(body);
      default:
        return UNKNOWN;
    }
  }

  private query(body: string): string | null {
    const [name] = body.split(/[:,]/, 1) as [string];
    const rest = body.slice(name.length + 1);
    switch (name) {
      case "qSupported":
        return [
          `PacketSize=${MAX_PACKET.toString(16)};QStartNoAckMode+;qXfer:features:read+;vContSupported+`,
          ...(this.canReverse ? ["ReverseStep+;ReverseContinue+"] : []),
        ].join(";");
      case "QStartNoAckMode":
        return OK;
      case "qAttached":
        return "1";
      case "qC":
        return `QC${this.thread}`;
      case "qfThreadInfo":
        return `m${this.views.map((_, index) => index + 1).join(",")}`;
      case "qsThreadInfo":
        return "l";
      case "qThreadExtraInfo": {
        const thread = this.threadOf(rest);
        return thread === null ? ERROR.syntax : textToHex(this.views[thread - 1]!.name);
      }
      case "qSymbol":
        return OK;
      case "qXfer":
        return this.transfer(rest);
      case "qRcmd":
        return this.command(rest);
      default:
        return UNKNOWN;
    }
  }

  private verbose(body: string): string | null {
    if (body === "vCont?") return "vCont;c;C;s;S";
    if (body.startsWith("vCont;")) return this.resumeThreads(body.slice(6));
    if (body === "vKill" || body.startsWith("vKill;")) {
      this.want = { kind: "killed" };
      this.removeAll();
      return OK;
    }
    return UNKNOWN;
  }

  // --- registers ---

  private readOne(digits: string): string {
    const number = parseNumber(digits);
    return number === null || number >= this.registers.all.length
      ? ERROR.syntax
      : this.registers.read(this.view, number);
  }

  private writeOne(text: string): string {
    const [digits, value = ""] = text.split("=");
    const number = parseNumber(digits!);
    const bytes = fromHex(value);
    if (number === null || number >= this.registers.all.length || bytes === null) return ERROR.syntax;
    return this.registers.write(this.view, number, bytes) ? OK : ERROR.value;
  }

  /** Writes those that have changed: others may have effects. */
  private writeAll(digits: string): string {
    if (digits.length % 8 !== 0 || digits.length > 8 * this.registers.all.length) return ERROR.syntax;
    const words = digits.toLowerCase().match(/.{8}/g) ?? [];
    if (words.some((word) => !/^([0-9a-f]{8}|x{8})$/.test(word))) return ERROR.syntax;
    for (const [number, word] of words.entries())
      if (word !== this.registers.read(this.view, number) && !word.startsWith("x"))
        this.registers.write(this.view, number, fromHex(word)!);
    return OK;
  }

  // --- memory ---

  private readMemory(text: string): string {
    const [address, length] = rangeOf(text);
    if (address === null || length === null) return ERROR.syntax;
    // Every byte takes two digits.
    return this.inMemory(() => toHex(this.view.readMemory(address, Math.min(length, MAX_PACKET / 2))));
  }

  private writeMemory(text: string, unpack: (data: string) => Uint8Array | null): string {
    const colon = text.indexOf(":");
    const [address, length] = rangeOf(text.slice(0, Math.max(colon, 0)));
    const bytes = unpack(text.slice(colon + 1));
    if (colon < 0 || address === null || bytes === null || bytes.length !== length) return ERROR.syntax;
    return this.inMemory(() => {
      this.view.writeMemory(address, bytes);
      return OK;
    });
  }

  private inMemory(access: () => string): string {
    return memoryOrNull(access) ?? ERROR.memory;
  }

  // --- going on ---

  private resume(how: string, at: string): string | null {
    this.thread = this.steered ?? this.thread;
    if (at !== "") {
      const address = parseNumber(at);
      if (address === null || address % 4 !== 0) return ERROR.syntax;
      this.view.writeRegister("pc", address);
    }
    this.want = how === "s" || this.isStepOffReturn() ? { kind: "step", view: this.view } : { kind: "run" };
    this.resumed = { thread: this.thread, guestInstructions: this.guest.stats().guestInstructions };
    return null;
  }

  /**
   * Whether going on is gdb's step off a return from an exception: gdb does not know where that leads, and has inserted a
   * breakpoint behind it, where no step ends. One that the user has there looks the same: who goes on from the return
   * then stops once more than asked for, which is better than never.
   */
  private isStepOffReturn(): boolean {
    const { view } = this;
    const pc = view.readRegister("pc")!;
    const isBehind = ({ point }: InsertedPoint[number]): boolean =>
      point.address === (pc + INSTRUCTION_BYTES) >>> 0 && !("length" in point);
    if (![...this.points.values()].flat().some(isBehind)) return false;
    const bytes = memoryOrNull(() => view.readMemory(pc, INSTRUCTION_BYTES));
    return bytes?.length === INSTRUCTION_BYTES && RETURNS.has(decode(wordOf(bytes, view.endian))?.mnemonic);
  }

  private get canReverse(): boolean {
    return this.guest.reverseStep !== undefined;
  }

  /** `bs` and `bc`. */
  private reverse(how: string): string | null {
    this.thread = this.steered ?? this.thread;
    const { guest, thread, view } = this;
    const run =
      how === "s" ? guest.reverseStep?.(view.name) : how === "c" ? guest.reverseContinue?.() : undefined;
    if (run === undefined) return UNKNOWN;
    this.want = { kind: "reverse", run };
    this.failedAt = null;
    this.resumed = { thread, guestInstructions: guest.stats().guestInstructions };
    return null;
  }

  /** `vCont`: the first step that is asked for is made, or else the first thread goes on, and all others with it. */
  private resumeThreads(actions: string): string | null {
    const parsed = actions.split(";").map((action) => /^([csCS])[0-9a-f]*(?::(.*))?$/.exec(action));
    if (parsed.some((action) => action === null)) return ERROR.syntax;
    const [, how, threadText] = (parsed.find((action) => action![1]!.toLowerCase() === "s") ?? parsed[0])!;
    const thread = threadText === undefined ? this.thread : this.threadOf(threadText);
    if (thread === null) return ERROR.syntax;
    this.thread = thread;
    this.steered = null;
    return this.resume(how!.toLowerCase(), "");
  }

  // --- points ---

  private insert(text: string): string {
    const at = pointOf(text);
    if (at === null) return POINTS[text[0] ?? ""] === undefined ? UNKNOWN : ERROR.syntax;
    const { kind, address, size } = at;
    const isBreakpoint = kind === "breakpoint";
    if (isBreakpoint ? address % 4 !== 0 : size < 1) return ERROR.value;
    if (this.points.has(text)) return OK;
    this.points.set(
      text,
      this.views.map((view) => ({
        view,
        point: isBreakpoint ? view.setBreakpoint(address) : view.setWatchpoint(address, size, kind),
      })),
    );
    return OK;
  }

  private removePoint(text: string): string {
    if (pointOf(text) === null) return POINTS[text[0] ?? ""] === undefined ? UNKNOWN : ERROR.syntax;
    for (const { view, point } of this.points.get(text) ?? []) view.remove(point);
    this.points.delete(text);
    return OK;
  }

  // --- threads ---

  /** A thread by its number, or any for 0 and -1; null if there is none such. */
  private threadOf(text: string): number | null {
    if (text === "0" || text === "-1") return this.thread;
    const number = parseNumber(text);
    return number !== null && number >= 1 && number <= this.views.length ? number : null;
  }

  private selectThread(text: string): string {
    const thread = this.threadOf(text.slice(1));
    if (thread === null) return ERROR.syntax;
    if (text[0] === "g") this.thread = thread;
    // None, or any, is the one that the debugger looks at.
    if (text[0] === "c") this.steered = /^c(0|-1)$/.test(text) ? null : thread;
    return OK;
  }

  // --- the rest ---

  /** `qXfer:features:read:target.xml:offset,length`. */
  private transfer(text: string): string {
    const found = /^features:read:target\.xml:([0-9a-f]+),([0-9a-f]+)$/i.exec(text);
    const [offset, length] = [parseNumber(found?.[1] ?? ""), parseNumber(found?.[2] ?? "")];
    if (offset === null || length === null) return text.startsWith("features:read:") ? "E00" : UNKNOWN;
    const { description } = this.registers;
    const part = description.slice(offset, offset + Math.min(length, MAX_PACKET / 2));
    return (offset + part.length < description.length ? "m" : "l") + escapeText(part);
  }

  private command(digits: string): string | null {
    const bytes = fromHex(digits);
    if (bytes === null) return ERROR.syntax;
    const text = monitor(this.guest, String.fromCharCode(...bytes));
    // In packets that a debugger takes.
    const digitsOf = textToHex(text);
    for (let at = 0; at < digitsOf.length; at += MAX_PACKET / 2)
      this.send(`O${digitsOf.slice(at, at + MAX_PACKET / 2)}`);
    return OK;
  }
}

/** What comes of an access, or null if there is no memory for it. */
function memoryOrNull<T>(access: () => T): T | null {
  try {
    return access();
  } catch (error) {
    if (error instanceof DebugMemoryError) return null;
    throw error;
  }
}

/** `ADDRESS,LENGTH`. */
function rangeOf(text: string): readonly [address: number | null, length: number | null] {
  const [address = "", length = "", ...more] = text.split(",");
  return more.length > 0 ? [null, null] : [parseNumber(address), parseNumber(length)];
}

/** `TYPE,ADDRESS,KIND`; conditions and commands, which gdb was not told that we take, are ignored. */
function pointOf(text: string): {
  readonly kind: "breakpoint" | Watchpoint["access"];
  readonly address: number;
  readonly size: number;
} | null {
  const [type = "", address = "", size = ""] = text.split(";", 1)[0]!.split(",");
  const kind = POINTS[type];
  const [at, bytes] = [parseNumber(address), parseNumber(size)];
  return kind === undefined || at === null || bytes === null ? null : { kind, address: at, size: bytes };
}

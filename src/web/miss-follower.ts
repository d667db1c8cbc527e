/** Follows host TLB misses from fault to retry, instruction by instruction, in the machine under the hypervisor. */
import {
  CODE_PARTS,
  DebugMemoryError,
  disassemble,
  generatedCode,
  type Breakpoint,
  type DebugView,
  type Guest,
} from "../index.ts";
import type { Miss, MissStep, Settings } from "./protocol.ts";

/** Instructions in the end of a way that is longer than any: it is cut off there. */
const LONGEST_WAY = 2000;
/** Instructions of host code in which a guest is entered. */
const LONGEST_ENTRY = 1000;
/** What EBase has of an address. */
const BASE_MASK = ~0xfff;
const ACCESSES: Readonly<Record<number, Miss["access"]>> = { 2: "load", 3: "store" };

/** What the listing says of a word of generated code. */
interface Note {
  readonly word: number;
  readonly section: string;
  readonly comment: string;
}

/** Stops a guest at its refill vector, and writes down what happens from there on. */
export class MissFollower {
  private readonly guest: Guest;
  private readonly host: DebugView;
  private readonly settings: Settings;
  /** The listing of all generated code, and where it has the refill handler; made when it is needed. */
  private listed: ReturnType<typeof listing> | null = null;
  private vector: number | null = null;
  private breakpoint: Breakpoint | null = null;

  /** `host` is the guest's `hostDebug`. */
  constructor(guest: Guest, host: DebugView, settings: Settings) {
    this.guest = guest;
    this.host = host;
    this.settings = settings;
  }

  /** Has the guest stop at misses from now on, once it has been entered; until then this has to be asked again. */
  start(): void {
    this.listed ??= listing(this.settings);
    this.vector ??= this.findVector();
    if (this.vector !== null) this.breakpoint ??= this.host.setBreakpoint(this.vector);
  }

  /** Lets the guest miss undisturbed again. */
  stop(): void {
    if (this.breakpoint !== null) this.host.remove(this.breakpoint);
    this.breakpoint = null;
  }

  /** Follows the miss at which the guest stands, up to where it has executed an instruction again. */
  follow(): Miss {
    const { guest, host } = this;
    this.stop();
    const time = guest.time;
    const read = (name: string): number => host.readRegister(name)!;
    const miss = {
      time,
      address: read("BadVAddr"),
      pc: read("EPC"),
      access: ACCESSES[(read("Cause") >>> 2) & 31] ?? ("load" as const),
    };
    const steps: MissStep[] = [];
    let exits = guest.stats().exits;
    while (guest.time === time && steps.length < LONGEST_WAY) {
      const step = this.stepAt(read("pc"));
      const result = host.step();
      const now = guest.stats().exits;
      const cause = Object.keys(now).find((name) => now[name] !== exits[name]);
      exits = now;
      steps.push(cause === undefined ? step : { ...step, exit: cause });
      if (result.kind !== "debug") break;
    }
    this.start();
    return { ...miss, steps };
  }

  private stepAt(address: number): MissStep {
    const word = this.wordAt(address);
    const { notes, refill } = this.listed!;
    const note = notes.get(address) ?? notes.get((address - this.vector! + refill) >>> 0);
    const known = note !== undefined && note.word === word ? note : null;
    return {
      address,
      word,
      text: word === null ? "" : disassemble(word, address, { cp0Names: true }),
      section: known?.section ?? "guest",
      comment: known?.comment ?? "",
    };
  }

  /** Null if nothing maps the address: the instruction is about to miss the TLB itself. */
  private wordAt(address: number): number | null {
    for (const view of [this.host, this.guest.debug])
      try {
        const bytes = view.readMemory(address, 4);
        return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, view.endian === "little");
      } catch (error) {
        if (!(error instanceof DebugMemoryError)) throw error;
      }
    return null;
  }

  private get base(): number {
    return (this.host.readRegister("EBase")! & BASE_MASK) >>> 0;
  }

  /** Where refill exceptions of the guest lead to: EBase, which is this vcpu's from entry to exit. */
  private findVector(): number | null {
    for (let steps = 0; this.base === this.listed!.host; steps++) {
      if (steps === LONGEST_ENTRY) return null;
      this.host.step();
    }
    return this.base;
  }
}

/** All generated code, by address as it is listed, and where the refill handler and the host are there. */
function listing(settings: Settings): {
  readonly notes: ReadonlyMap<number, Note>;
  readonly refill: number;
  readonly host: number;
} {
  const notes = new Map<number, Note>();
  let refill = 0;
  let section = "";
  for (const part of CODE_PARTS)
    for (const line of generatedCode(part, settings).split("\n")) {
      section = /^(\w+):$/.exec(line)?.[1] ?? section;
      const [, address, word, comment] = /^([0-9a-f]{8}): ([0-9a-f]{8})[^#]*(?:# (.*))?$/.exec(line) ?? [];
      if (address === undefined) continue;
      const at = Number.parseInt(address, 16);
      if (section === "tlb_refill" && refill === 0) refill = at;
      notes.set(at, { word: Number.parseInt(word!, 16), section, comment: comment ?? "" });
    }
  // The host has its own vectors in front of all other code.
  return { notes, refill, host: (Math.min(...notes.keys()) & BASE_MASK) >>> 0 };
}

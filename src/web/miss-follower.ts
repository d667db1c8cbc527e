/** Follows host TLB misses from fault to retry, instruction by instruction, in the machine under the hypervisor. */
import {
  CODE_PARTS,
  DebugMemoryError,
  disassemble,
  generatedCode,
  type Breakpoint,
  type CodePart,
  type DebugView,
  type Guest,
} from "../index.ts";
import type { ListedPart, ListedWord, Miss, MissStep, Settings } from "./protocol.ts";

/** Instructions in the end of a way that is longer than any: it is cut off there. */
const LONGEST_WAY = 2000;
/** Instructions of host code in which a guest is entered. */
const LONGEST_ENTRY = 1000;
/** What EBase has of an address. */
const BASE_MASK = ~0xfff;
/** Cause.ExcCode of a store that missed. */
const TLBS = 3;

/** A word as the listing has it, which does not know where this vcpu's code is. */
type Listed = Pick<ListedWord, "address" | "comment" | "label">;

/** Stops a guest at its refill vector, and writes down what happens from there on. */
export class MissFollower {
  private readonly guest: Guest;
  private readonly host: DebugView;
  private readonly settings: Settings;
  /** Made when it is needed. */
  private canonical: ReadonlyMap<CodePart, readonly Listed[]> | null = null;
  /** Where the guest's refill exceptions lead to; null until that is known. */
  private vector: number | null = null;
  private breakpoint: Breakpoint | null = null;
  /** All generated code, where it lies, and to which part an address belongs; read when the first miss is followed. */
  private parts: readonly ListedPart[] = [];
  private partAt: ReadonlyMap<number, CodePart> = new Map();

  /** `host` is the guest's `hostDebug`. */
  constructor(guest: Guest, host: DebugView, settings: Settings) {
    this.guest = guest;
    this.host = host;
    this.settings = settings;
  }

  /** Has the guest stop at misses from now on, once it has been entered; until then this has to be asked again. */
  start(): void {
    this.vector ??= this.findVector();
    if (this.vector !== null) this.breakpoint ??= this.host.setBreakpoint(this.vector);
  }

  /** Lets the guest miss undisturbed again. */
  stop(): void {
    if (this.breakpoint !== null) this.host.remove(this.breakpoint);
    this.breakpoint = null;
  }

  /** The generated code, once a miss has been followed. */
  get listing(): readonly ListedPart[] {
    return this.parts;
  }

  /** Follows the miss at which the guest stands, up to where it has executed an instruction again. */
  follow(): Miss {
    const { guest, host } = this;
    this.stop();
    if (this.parts.length === 0) this.readCode();
    const time = guest.time;
    const read = (name: string): number => host.readRegister(name)!;
    const [address, pc, cause] = [read("BadVAddr"), read("EPC"), read("Cause")];
    // Behind a fetch that did not miss, an access to the instruction itself would not either.
    const fetched = cause >>> 31 === 1 ? pc + 4 : pc;
    const access = address === fetched ? "fetch" : ((cause >>> 2) & 31) === TLBS ? "store" : "load";
    const steps: MissStep[] = [];
    let before = guest.stats();
    while (steps.length < LONGEST_WAY) {
      const step = this.stepAt(read("pc"));
      const at = guest.time;
      const result = host.step();
      const now = guest.stats();
      const exit = Object.keys(now.exits).find((name) => now.exits[name] !== before.exits[name]);
      steps.push(exit === undefined ? step : { ...step, exit });
      // A branch is not left without its delay slot.
      if (exit === undefined && now.instructions - before.instructions === 2)
        steps.push(this.stepAt(step.address + 4));
      before = now;
      // Time of the guest's passes when it has executed an instruction; an exit may take some as well.
      if (result.kind !== "debug" || (step.part === "guest" && guest.time > at)) break;
    }
    this.start();
    const way = steps.some(({ exit }) => exit !== undefined) ? "slow" : "fast";
    return { way, time, address, pc, access, steps };
  }

  private stepAt(address: number): MissStep {
    const word = this.wordAt(address);
    const text = word === null ? "" : disassemble(word, address, { cp0Names: true });
    return { address, word, text, part: this.partAt.get(address) ?? "guest" };
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

  /** Reads the generated code from the machine's memory. The host is in kernel mode, at the refill vector. */
  private readCode(): void {
    const moved = this.vector! - this.listed.get("refill")![0]!.address;
    const partAt = new Map<number, CodePart>();
    this.parts = [...this.listed].map(([part, words]) => ({
      part,
      words: words.map(({ address: listed, comment, label }) => {
        // The host's own code is where it always is.
        const address = part === "host" ? listed : listed + moved;
        const word = this.wordAt(address)!;
        partAt.set(address, part);
        return { address, word, text: disassemble(word, address, { cp0Names: true }), comment, label };
      }),
    }));
    this.partAt = partAt;
  }

  private get listed(): ReadonlyMap<CodePart, readonly Listed[]> {
    return (this.canonical ??= listedCode(this.settings));
  }

  private get base(): number {
    return (this.host.readRegister("EBase")! & BASE_MASK) >>> 0;
  }

  /** Where refill exceptions of the guest lead to: EBase, which is this vcpu's from entry to exit. */
  private findVector(): number | null {
    const first = this.listed.get("host")![0]!.address;
    for (let steps = 0; this.base === (first & BASE_MASK) >>> 0; steps++) {
      if (steps === LONGEST_ENTRY) return null;
      this.host.step();
    }
    return this.base;
  }
}

/** All generated code, by part, as it is listed. */
function listedCode(settings: Settings): ReadonlyMap<CodePart, readonly Listed[]> {
  return new Map(
    CODE_PARTS.map((part) => {
      const words: Listed[] = [];
      let label = "";
      for (const line of generatedCode(part, settings).split("\n")) {
        label = /^(\w+):$/.exec(line)?.[1] ?? label;
        const [, address, comment] = /^([0-9a-f]{8}): [0-9a-f]{8}[^#]*(?:# (.*))?$/.exec(line) ?? [];
        if (address !== undefined)
          words.push({ address: Number.parseInt(address, 16), comment: comment ?? "", label });
      }
      return [part, words];
    }),
  );
}

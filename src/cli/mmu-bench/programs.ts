/** The loops that are measured, each of one thing that costs a guest more than an instruction. */
import { CP0, GPR, type Assembler, type GuestConfig, type Stats } from "../../index.ts";
import type { Emit, KernelCode } from "./image.ts";

const { t0, t1, t2, t3, t4, t5, k0 } = GPR;

/** Mapped addresses, and a page size that maps all of them by one entry of the guest's TLB: 16 MiB. */
const MAPPED = 0x0200_0000;
const BIG_PAGES = 0x01ff_e000;
const PAIR = 0x2000;
const PAGE = 0x1000;
/** Valid, dirty, cacheable; not global. And the PFN's place. */
const ENTRY_LO = 0x1e;
const PFN_SHIFT = 6;
/** Where the guest has its pages: above its code. */
const PHYSICAL = 0x0100_0000;

/** A board register that is read through what guests see of devices: the revision of the Malta. */
const DEVICE = 0xbfc0_0010;

/** More pairs of pages than any host TLB here has entries. */
const REFILL_PAIRS = 256;
/** More pairs of pages than the guest's TLB has entries, which are 64 then. */
const MISSING_PAIRS = 96;

/** A loop, and how often it does what it is about. */
export interface MmuProgram {
  readonly name: string;
  readonly code: KernelCode;
  readonly config?: Partial<GuestConfig>;
  /** How often it has happened. */
  readonly events: (stats: Stats) => number;
  /** Host instructions that the real system takes for one (`docs/performance.md`). */
  readonly real?: number;
}

/** Exits and fast exits by a cause, together: what a trap is, whoever settles it. */
const traps =
  (cause: string) =>
  ({ exits, fastExits }: Stats): number =>
    (exits[cause] ?? 0) + (fastExits[cause] ?? 0);

const UNROLLED = 8;

/** CP0 moves by the register's index. */
const mtc0 = (asm: Assembler, rt: number, index: number): void => asm.mtc0(rt, index >>> 3, index & 7);
const mfc0 = (asm: Assembler, rt: number, index: number): void => asm.mfc0(rt, index >>> 3, index & 7);

/** Kernel mode with the vectors in RAM, then `setup`, then `body` without end. */
function loop(body: Emit, setup: Emit = () => {}, times = UNROLLED): Emit {
  return (asm) => {
    mtc0(asm, 0, CP0.Status);
    setup(asm);
    const head = asm.bind();
    for (let n = 0; n < times; n++) body(asm);
    asm.b(head);
    asm.nop();
  };
}

/** Writes the entry of the guest's TLB that maps all of the mapped addresses in `asid`. */
const mapAll =
  (asid: number): Emit =>
  (asm) => {
    asm.loadConstant(t0, MAPPED | asid);
    mtc0(asm, t0, CP0.EntryHi);
    asm.loadConstant(t0, ((PHYSICAL >>> 12) << PFN_SHIFT) | ENTRY_LO);
    mtc0(asm, t0, CP0.EntryLo0);
    mtc0(asm, 0, CP0.EntryLo1);
    asm.loadConstant(t0, BIG_PAGES);
    mtc0(asm, t0, CP0.PageMask);
    asm.loadConstant(t0, asid);
    mtc0(asm, t0, CP0.Index);
    asm.tlbwi();
  };

/** Loads from `count` addresses, `step` apart, from the first mapped one on. */
const touch =
  (count: number, step: number): Emit =>
  (asm) => {
    if (count === 0) return;
    asm.loadConstant(t2, count);
    asm.loadConstant(t3, MAPPED);
    const head = asm.bind();
    asm.lw(t4, 0, t3);
    asm.addiu(t2, t2, -1);
    asm.bnez(t2, head);
    asm.addiu(t3, t3, step);
  };

/** Goes on behind the instruction that raised the exception. */
const skip: Emit = (asm) => {
  mfc0(asm, k0, CP0.EPC);
  asm.addiu(k0, k0, 4);
  mtc0(asm, k0, CP0.EPC);
  asm.eret();
};

/** A refill handler that maps each address to itself, but for the place that the pages have. */
const identityRefill: Emit = (asm) => {
  mfc0(asm, k0, CP0.BadVAddr);
  asm.srl(k0, k0, 13);
  asm.sll(k0, k0, 1 + PFN_SHIFT);
  asm.ori(k0, k0, ENTRY_LO);
  mtc0(asm, k0, CP0.EntryLo0);
  asm.addiu(k0, k0, 1 << PFN_SHIFT);
  mtc0(asm, k0, CP0.EntryLo1);
  asm.tlbwr();
  asm.eret();
};

const one = (
  name: string,
  cause: string,
  body: Emit,
  options: Partial<MmuProgram> & { setup?: Emit } = {},
): MmuProgram => {
  const { setup, ...rest } = options;
  return { name, code: { start: loop(body, setup) }, events: traps(cause), ...rest };
};

/** What an instruction costs that never traps: what all others are compared with. */
export const PLAIN: MmuProgram = {
  name: "an instruction that does not trap",
  code: { start: loop((asm) => asm.addu(t5, t5, t0)) },
  events: ({ guestInstructions }) => guestInstructions,
};

/** Host TLB misses that the tables of the guest can answer. */
export const REFILLS: readonly MmuProgram[] = (["fast", "slow"] as const).map((refill) => ({
  name: `${refill} refill`,
  code: { start: loop(touch(REFILL_PAIRS, PAIR), mapAll(0), 1) },
  config: { refill },
  events: ({ refills }) => refills[refill],
  ...(refill === "fast" ? { real: 30 } : {}),
}));

/** What a guest's kernel does that its privilege does not allow. */
export const TRAPS: readonly MmuProgram[] = [
  one("DI", "cop_unusable", (asm) => asm.di(0), { real: 578 }),
  one("EI", "cop_unusable", (asm) => asm.ei(0)),
  {
    name: "ERET",
    code: {
      start: (asm) => {
        mtc0(asm, 0, CP0.Status);
        asm.loadConstant(t0, asm.address + 12);
        mtc0(asm, t0, CP0.EPC);
        asm.eret();
      },
    },
    events: traps("cop_unusable"),
    real: 586,
  },
  one("MTC0 Status", "cop_unusable", (asm) => mtc0(asm, 0, CP0.Status)),
  one("MFC0 Count", "cop_unusable", (asm) => mfc0(asm, t0, CP0.Count), { real: 1170 }),
  one("MTC0 Compare", "cop_unusable", (asm) => mtc0(asm, t0, CP0.Compare)),
  one("MTC0 EntryHi, same ASID", "cop_unusable", (asm) => mtc0(asm, t1, CP0.EntryHi), {
    setup: (asm) => asm.addiu(t1, 0, 1),
  }),
  one("TLBWI", "cop_unusable", (asm) => asm.tlbwi(), { setup: mapAll(0), real: 863 }),
  one("TLBP, the address looked up last", "cop_unusable", (asm) => asm.tlbp(), {
    setup: mapAll(0),
    real: 1286,
  }),
  one("TLBR", "cop_unusable", (asm) => asm.tlbr(), { setup: mapAll(0) }),
  one("RDHWR", "resvd_inst", (asm) => asm.rdhwr(t0, 2), { real: 650 }),
  {
    ...one("system call, with the way back", "syscall", (asm) => asm.syscall(0)),
    code: { start: loop((asm) => asm.syscall(0)), general: skip },
    real: 445,
  },
  {
    ...one("load from a device", "", (asm) => asm.lw(t1, 0, t0)),
    code: {
      start: loop(
        (asm) => asm.lw(t1, 0, t0),
        (asm) => asm.loadConstant(t0, DEVICE),
      ),
    },
    events: ({ counters }) => counters["mmio_exits"] ?? 0,
  },
  {
    name: "TLB miss of the guest, with its refill handler",
    code: { start: loop(touch(MISSING_PAIRS, PAIR), undefined, 1), refill: identityRefill },
    config: { guestTlb: 64 },
    events: ({ exits }) => exits["tlbmiss_ld"] ?? 0,
    real: 7800,
  },
];

/** Numbers of pages for the change of an ASID. */
export const PAGE_COUNTS = [0, 1, 16, 64, 256, 1024] as const;

/** How two ASIDs take turns. */
export interface Turns {
  /** Pages that each of them has touched before. */
  readonly pages: number;
  readonly gvaRoots: number;
  /** Each touches its pages again whenever it is its turn. */
  readonly touching: boolean;
}

/** Two ASIDs that take turns, or with `turning` off the same with one of them alone. */
export function asidTurns({ pages, gvaRoots, touching }: Turns, turning: boolean): MmuProgram {
  const enter =
    (asid: number, touched: number): Emit =>
    (asm) => {
      asm.addiu(t1, 0, asid);
      mtc0(asm, t1, CP0.EntryHi);
      touch(touched, PAGE)(asm);
    };
  const other = turning ? 2 : 1;
  const setup: Emit = (asm) => {
    mapAll(1)(asm);
    mapAll(2)(asm);
    enter(1, pages)(asm);
    enter(2, pages)(asm);
  };
  const body: Emit = (asm) => {
    for (const asid of [1, other]) enter(asid, touching ? pages : 0)(asm);
  };
  return {
    name: `${pages} page${pages === 1 ? "" : "s"}`,
    code: { start: loop(body, setup, 1) },
    config: { gvaRoots },
    events: turning ? ({ asidChanges }) => asidChanges : PLAIN.events,
  };
}

/** Look-ups by TLBP in a guest's TLB of `entries`, all different, of two addresses that take turns. */
export function lookup(entries: NonNullable<GuestConfig["guestTlb"]>): MmuProgram {
  const setup: Emit = (asm) => {
    mtc0(asm, 0, CP0.PageMask);
    asm.loadConstant(t0, entries - 1);
    asm.loadConstant(t1, MAPPED);
    asm.loadConstant(t2, PAIR);
    const head = asm.bind();
    mtc0(asm, t0, CP0.Index);
    mtc0(asm, t1, CP0.EntryHi);
    asm.tlbwi();
    asm.addu(t1, t1, t2);
    asm.bnez(t0, head);
    asm.addiu(t0, t0, -1);
    asm.loadConstant(t1, MAPPED);
  };
  const body: Emit = (asm) => {
    asm.xor(t1, t1, t2);
    mtc0(asm, t1, CP0.EntryHi);
    asm.tlbp();
  };
  return {
    name: `TLBP among ${entries}, and MTC0 EntryHi`,
    code: { start: loop(body, setup) },
    events: ({ exits }) => exits["cop_unusable"] ?? 0,
    config: { guestTlb: entries },
  };
}

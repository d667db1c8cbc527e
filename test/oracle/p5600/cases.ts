import { CONFIG, CP0, cp0Operands, ENTRY_HI, PAGE_GRAIN, STATUS } from "../../../src/isa/cp0.ts";
import { GPR } from "../../../src/isa/registers.ts";
import type { Assembler } from "../../../src/uasm/assembler.ts";
import {
  entryLo,
  KSEG0,
  LEGACY,
  PLACE,
  USER_CODE,
  USER_VA,
  type CaseBuilder,
  type OracleCase,
} from "./program.ts";

const { zero, t0, t1, t2, t3, a0, a1 } = GPR;
const SUPERVISOR = STATUS.SM;

/** Segments that can be given any access mode while the program runs in kseg0 and at USER_VA. */
const SEGMENTS = [
  { cfg: 0, base: 0xe000_0000 },
  { cfg: 1, base: 0xc000_0000 },
  { cfg: 2, base: 0xa000_0000 },
  { cfg: 4, base: 0x4000_0000 },
] as const;
const SEG_CTL = [CP0.SegCtl0, CP0.SegCtl1, CP0.SegCtl2] as const;

const STORED = 0x1357_9bdf;

/** How the word at a0 is accessed in each mode. */
const MODES: readonly { name: string; access: (on: CaseBuilder, store: boolean) => void }[] = [
  {
    name: "kernel",
    access: (on, store) => on.trying((asm) => (store ? asm.sw(a1, 0, a0) : asm.lw(t2, 0, a0))),
  },
  {
    name: "error level",
    access: (on, store) => {
      on.mtc0(STATUS.ERL, CP0.Status);
      on.trying((asm) => (store ? asm.sw(a1, 0, a0) : asm.lw(t2, 0, a0)));
      on.mtc0(0, CP0.Status);
    },
  },
  {
    name: "supervisor",
    access: (on, store) =>
      on.trying(() => on.enter(USER_VA + (store ? USER_CODE.store : USER_CODE.load), SUPERVISOR)),
  },
  {
    name: "user",
    access: (on, store) =>
      on.trying(() => on.enter(USER_VA + (store ? USER_CODE.store : USER_CODE.load), STATUS.UM)),
  },
  {
    name: "user access of the kernel",
    access: (on, store) => on.trying((asm) => (store ? asm.swe(a1, 0, a0) : asm.lwe(t2, 0, a0))),
  },
];

/** Every access mode of a segment, with and without EU, in every mode, for loads and stores. */
function segmentCases(): OracleCase[] {
  const cases: OracleCase[] = [];
  for (let am = 0; am < 8; am++)
    for (const eu of [0, 1])
      for (const { cfg, base } of SEGMENTS)
        for (const { name, access } of MODES)
          for (const store of [false, true])
            cases.push({
              name: `segment ${cfg}, AM ${am}, EU ${eu}: ${store ? "store" : "load"} in ${name} mode`,
              emit: (on) => {
                // RAM appears at physical address 0 and at 80000000.
                const pa = am % 2 === 0 ? 0 : 4;
                const value = (pa << 9) | (am << 4) | (eu << 3) | 3;
                const shift = (cfg & 1) * 16;
                const legacy = LEGACY[cfg >>> 1]!;
                on.mtc0((legacy & ~(0xffff << shift)) | (value << shift) | 0, SEG_CTL[cfg >>> 1]!);
                on.asm.loadConstant(a0, base + PLACE.data);
                on.asm.loadConstant(a1, STORED);
                access(on, store);
                on.record(t2);
                on.recordMemory(PLACE.data);
              },
            });
  return cases;
}

const DATA_VA = 0x0040_0000;
const ASID = 5;
/** Maps the data page at DATA_VA in ASID 5 with the given flags, and makes that the current ASID. */
function mapData(on: CaseBuilder, flags = 6): void {
  on.tlbwi(1, DATA_VA | ASID, entryLo(PLACE.data, flags), entryLo(PLACE.data, flags));
  on.asm.loadConstant(a0, DATA_VA + 8);
  on.asm.loadConstant(a1, 0x1122_3344);
}

const LOADS: readonly [string, (asm: Assembler, offset: number) => void][] = [
  ["lbe", (asm, o) => asm.lbe(t2, o, a0)],
  ["lbue", (asm, o) => asm.lbue(t2, o, a0)],
  ["lhe", (asm, o) => asm.lhe(t2, o, a0)],
  ["lhue", (asm, o) => asm.lhue(t2, o, a0)],
  ["lwe", (asm, o) => asm.lwe(t2, o, a0)],
  ["lwle", (asm, o) => asm.lwle(t2, o, a0)],
  ["lwre", (asm, o) => asm.lwre(t2, o, a0)],
  ["lle", (asm, o) => asm.lle(t2, o, a0)],
];
const STORES: readonly [string, (asm: Assembler, offset: number) => void][] = [
  ["sbe", (asm, o) => asm.sbe(a1, o, a0)],
  ["she", (asm, o) => asm.she(a1, o, a0)],
  ["swe", (asm, o) => asm.swe(a1, o, a0)],
  ["swle", (asm, o) => asm.swle(a1, o, a0)],
  ["swre", (asm, o) => asm.swre(a1, o, a0)],
  ["sce", (asm, o) => asm.sce(a1, o, a0)],
];

/** The user-access instructions on a mapped page: values, alignment, and every reason to refuse. */
function evaCases(): OracleCase[] {
  const cases: OracleCase[] = [];
  const kinds = [
    ...LOADS.map((load) => ({ load, isStore: false })),
    ...STORES.map((load) => ({ load, isStore: true })),
  ];
  for (const {
    load: [name, emit],
    isStore,
  } of kinds) {
    for (const offset of [0, 1, 2, 3, -4, -5, 255 & ~3, -256])
      cases.push({
        name: `${name} at offset ${offset}`,
        emit: (on) => {
          mapData(on);
          on.asm.loadConstant(a0, DATA_VA + (isStore ? 0x100 : 0x80));
          // For SCE: LLE of the same word.
          if (isStore) on.asm.lle(t2, offset & ~3, a0);
          on.trying((asm) => emit(asm, offset));
          on.record(t2);
          on.record(a1);
          const at = (isStore ? 0x100 : 0x80) + (offset & ~3);
          for (const word of [at - 4, at, at + 4]) on.recordMemory(PLACE.data + word);
        },
      });
    const refusals: [string, (on: CaseBuilder) => void][] = [
      ["a page with V = 0", (on) => mapData(on, 0)],
      ["a page with D = 0", (on) => mapData(on, 2)],
      ["an unmapped page", (on) => on.asm.loadConstant(a0, DATA_VA + 0x10_0000)],
      ["kseg0", (on) => on.asm.loadConstant(a0, KSEG0 + PLACE.data)],
      ["kseg3", (on) => on.asm.loadConstant(a0, 0xe000_0000)],
    ];
    for (const [what, set] of refusals)
      cases.push({
        name: `${name} on ${what}`,
        emit: (on) => {
          on.asm.loadConstant(a1, 0x5566_7788);
          set(on);
          on.trying((asm) => emit(asm, 0));
          on.record(t2);
          on.record(a1);
          on.recordMemory(PLACE.data + 8);
        },
      });
  }
  for (const [name, status] of [
    ["user mode", STATUS.UM],
    ["supervisor mode", SUPERVISOR],
    ["user mode with CU0", STATUS.UM | STATUS.CU0],
  ] as const)
    for (const piece of ["evaLoad", "evaStore", "prefe"] as const)
      cases.push({
        name: `${piece} in ${name}`,
        emit: (on) => {
          mapData(on);
          on.trying(() => on.enter(USER_VA + USER_CODE[piece], status));
          on.record(t2);
          on.recordMemory(PLACE.data + 8);
        },
      });
  for (const inhibit of [PAGE_GRAIN.RIE, PAGE_GRAIN.RIE | PAGE_GRAIN.IEC, 0])
    cases.push({
      name: `user access of a read-inhibited page, PageGrain ${(inhibit >>> 0).toString(16)}`,
      emit: (on) => {
        on.mtc0(inhibit, CP0.PageGrain);
        mapData(on, 6 | 0x8000_0000);
        on.trying((asm) => asm.lwe(t2, 0, a0));
        on.record(t2);
        on.trying((asm) => asm.swe(a1, 0, a0));
        on.recordMemory(PLACE.data + 8);
      },
    });
  return cases;
}

/** TLB entries in four colours: which of them a probe still finds is recorded. */
function tlbCases(): OracleCase[] {
  const VPNS = [0x0100_0000, 0x0110_0000, 0x0120_0000, 0x0130_0000] as const;
  const fill = (on: CaseBuilder): void => {
    on.tlbwi(4, VPNS[0] | 1, entryLo(PLACE.data, 6), entryLo(PLACE.data, 6));
    on.tlbwi(5, VPNS[1] | 2, entryLo(PLACE.data, 6), entryLo(PLACE.data, 6));
    on.tlbwi(6, VPNS[2] | 1, entryLo(PLACE.data, 7), entryLo(PLACE.data, 7));
    on.tlbwi(7, VPNS[3] | 2, entryLo(PLACE.data, 0), entryLo(PLACE.data, 0));
  };
  const probe = (on: CaseBuilder): void => {
    VPNS.forEach((vpn, n) => {
      on.mtc0(vpn | [1, 2, 1, 2][n]!, CP0.EntryHi);
      on.asm.tlbp();
      on.asm.ehb();
      on.asm.mfc0(t0, ...cp0Operands(CP0.Index));
      // What Index holds after a failed probe is not defined, but for P.
      on.asm.sra(t1, t0, 31);
      on.asm.or(t0, t0, t1);
      on.record(t0);
    });
  };
  const read = (on: CaseBuilder, index: number): void => {
    on.mtc0(index, CP0.Index);
    on.asm.tlbr();
    on.asm.ehb();
    for (const register of [CP0.EntryHi, CP0.PageMask, CP0.EntryLo0, CP0.EntryLo1]) on.recordCp0(register);
  };
  return [
    { name: "TLB entries before", emit: (on) => (fill(on), probe(on)) },
    ...[1, 2, 3].map((asid) => ({
      name: `TLBINV in ASID ${asid}`,
      emit: (on: CaseBuilder) => {
        fill(on);
        on.mtc0(asid, CP0.EntryHi);
        on.asm.tlbinv();
        on.asm.ehb();
        probe(on);
        read(on, 4);
        read(on, 6);
      },
    })),
    {
      name: "TLBINV spares no wired entry",
      emit: (on) => {
        fill(on);
        on.mtc0(8, CP0.Wired);
        on.mtc0(1, CP0.EntryHi);
        on.asm.tlbinv();
        on.mtc0(0, CP0.Wired);
        probe(on);
      },
    },
    {
      name: "TLBINVF",
      emit: (on) => {
        fill(on);
        on.asm.tlbinvf();
        on.asm.ehb();
        probe(on);
        read(on, 6);
      },
    },
    {
      name: "TLBWI with EHINV",
      emit: (on) => {
        fill(on);
        on.tlbwi(5, ENTRY_HI.EHINV | VPNS[1], entryLo(PLACE.data, 7), entryLo(PLACE.data, 7));
        probe(on);
        read(on, 5);
        // Written again it is an entry like any other.
        on.tlbwi(5, VPNS[1] | 2, entryLo(PLACE.data, 6), entryLo(PLACE.data, 6));
        read(on, 5);
      },
    },
    {
      name: "EHINV stays through an exception",
      emit: (on) => {
        on.mtc0(ENTRY_HI.EHINV | 3, CP0.EntryHi);
        on.asm.loadConstant(a0, 0x0200_0000);
        on.trying((asm) => asm.lw(t2, 0, a0));
        on.recordCp0(CP0.EntryHi);
      },
    },
  ];
}

/** XPA: the upper halves of EntryLo. */
function xpaCases(): OracleCase[] {
  const lo = entryLo(PLACE.data, 6);
  return [
    {
      name: "MTHC0 and MFHC0 with ELPA, and MTC0 after them",
      emit: (on) => {
        on.mtc0(PAGE_GRAIN.ELPA, CP0.PageGrain);
        for (const index of [CP0.EntryLo0, CP0.EntryLo1]) {
          on.mtc0(lo, index);
          on.mthc0(0xa, index);
          on.recordHigh(index);
          on.recordCp0(index);
          on.mtc0(lo, index);
          on.recordHigh(index);
        }
      },
    },
    {
      name: "upper halves through TLBWI and TLBR",
      emit: (on) => {
        on.mtc0(PAGE_GRAIN.ELPA, CP0.PageGrain);
        on.mtc0(9, CP0.Index);
        on.mtc0(0x0210_0000, CP0.EntryHi);
        on.mtc0(0, CP0.PageMask);
        for (const [index, high] of [
          [CP0.EntryLo0, 3],
          [CP0.EntryLo1, 5],
        ] as const) {
          on.mtc0(lo, index);
          on.mthc0(high, index);
        }
        on.asm.tlbwi();
        on.mtc0(0, CP0.EntryLo0);
        on.mtc0(0, CP0.EntryLo1);
        on.asm.tlbr();
        on.asm.ehb();
        for (const index of [CP0.EntryLo0, CP0.EntryLo1]) {
          on.recordCp0(index);
          on.recordHigh(index);
        }
      },
    },
    {
      name: "RAM above 2 GiB through the TLB, with ELPA and without",
      emit: (on) => {
        for (const grain of [0, PAGE_GRAIN.ELPA]) {
          on.mtc0(grain, CP0.PageGrain);
          const high = entryLo(0x8000_0000 + PLACE.data, 6);
          on.tlbwi(3, 0x0220_0000, high, high);
          on.asm.loadConstant(a0, 0x0220_0004);
          on.trying((asm) => asm.lw(t2, 0, a0));
          on.record(t2);
        }
      },
    },
  ];
}

/** LLbit across returns from exceptions, and the places where a faulting instruction is kept. */
function controlCases(): OracleCase[] {
  const afterReturn = (instruction: "eret" | "eretnc"): OracleCase => ({
    name: `SC after ${instruction}`,
    emit: (on) => {
      const { asm } = on;
      const next = asm.label();
      asm.loadConstant(a0, KSEG0 + PLACE.data);
      asm.loadConstant(t3, 0x0bad_cafe);
      asm.ll(t1, 0, a0);
      on.mtc0(STATUS.EXL, CP0.Status);
      asm.loadAddress(t0, next);
      asm.mtc0(t0, ...cp0Operands(CP0.EPC));
      asm.ehb();
      asm[instruction]();
      asm.bind(next);
      asm.sc(t3, 0, a0);
      on.record(t3);
      on.recordMemory(PLACE.data);
      on.recordCp0(CP0.Status);
    },
  });
  const raising = (name: string, code: (asm: Assembler) => void): OracleCase => ({
    name: `BadInstr and BadInstrP: ${name}`,
    emit: (on) => {
      on.asm.loadConstant(a0, 0x0230_0000);
      on.asm.loadConstant(a1, 0x7fff_ffff);
      on.trying(code);
      on.recordCp0(CP0.BadInstr);
      const branches = /slot/.test(name);
      if (branches) on.recordCp0(CP0.BadInstrP);
    },
  });
  const inSlot = (asm: Assembler, emit: () => void): void => {
    const target = asm.label();
    asm.beqz(zero, target);
    emit();
    asm.bind(target);
    asm.nop();
  };
  return [
    afterReturn("eret"),
    afterReturn("eretnc"),
    raising("load", (asm) => asm.lw(t2, 0, a0)),
    raising("store", (asm) => asm.sb(t2, 3, a0)),
    raising("unaligned", (asm) => asm.lw(t2, 1, a0)),
    raising("SYSCALL", (asm) => asm.syscall(5)),
    raising("BREAK", (asm) => asm.break(1, 2)),
    raising("trap", (asm) => asm.teq(zero, zero)),
    raising("overflow", (asm) => asm.add(t2, a1, a1)),
    raising("load in a delay slot", (asm) => inSlot(asm, () => asm.lw(t2, 4, a0))),
    raising("overflow in a delay slot", (asm) => inSlot(asm, () => asm.add(t2, a1, a1))),
    raising("SYSCALL in a delay slot", (asm) => inSlot(asm, () => asm.syscall())),
  ];
}

/** Registers that software writes with all ones and all zeros, and what it reads then. */
function registerCases(): OracleCase[] {
  const KEPT = [
    ...[
      CP0.SegCtl0,
      CP0.SegCtl2,
      CP0.PWBase,
      CP0.PWSize,
      CP0.EntryLo0,
      CP0.EntryLo1,
      CP0.EntryHi,
      CP0.PageGrain,
    ],
    ...[CP0.UserLocal, CP0.KScratch1, CP0.KScratch2, CP0.KScratch3, CP0.ErrorEPC, CP0.Wired],
  ];
  const all = KEPT.map((index) => ({
    name: `writable bits of CP0 register ${index >>> 3}.${index & 7}`,
    emit: (on: CaseBuilder) => {
      for (const value of [-1, 0]) {
        on.mtc0(value, index);
        on.recordCp0(index);
      }
    },
  }));
  return [
    ...all,
    {
      name: "EBase with and without WG",
      emit: (on) => {
        for (const value of [0xc123_4800, 0xc123_4000, 0x8000_0800, 0x8000_0000]) {
          on.mtc0(value | 0, CP0.EBase);
          on.recordCp0(CP0.EBase);
        }
      },
    },
    {
      name: "Config registers",
      emit: (on) => {
        const { asm } = on;
        // Of each, what both have: FPU, MSA, cache shapes, MAAR and the number of KScratch registers differ.
        const common: [number, number][] = [
          [CP0.PRId, -1],
          [CP0.Config, 0x8000_ff87],
          [CP0.Config1, 0xfe00_0000],
          [
            CP0.Config3,
            CONFIG.C3_VINT |
              CONFIG.C3_LPA |
              CONFIG.C3_RXI |
              CONFIG.C3_ULRI |
              CONFIG.C3_PW |
              CONFIG.C3_SC |
              0x8c00_0000,
          ],
          [CP0.Config4, (3 << CONFIG.C4_IE_SHIFT) | 0x8000_c0ff],
          [CP0.Config5, CONFIG.C5_LLB | CONFIG.C5_MVH | CONFIG.C5_EVA],
        ];
        for (const [index, mask] of common) {
          asm.mfc0(t0, ...cp0Operands(index));
          asm.loadConstant(t1, mask | 0);
          asm.and(t0, t0, t1);
          on.record(t0);
        }
      },
    },
  ];
}

/** The hardware page walker on a table of its own: one directory level of 1,024 pointers to 1,024 PTEs. */
function walkerCases(SHIFT: 12 | 14): OracleCase[] {
  const PTEI = 6;
  const DIRECTORY = SHIFT * 2 - 2;
  const va = 0x0840_0000 + 5 * 4096 * (SHIFT === 14 ? 4 : 1);
  const pte = (pa: number, flags: number): number =>
    ((pa >>> 12) << (PTEI + 6)) | (3 << (PTEI + 3)) | (flags << PTEI);
  const set = (on: CaseBuilder, at: number, word: number): void => {
    on.asm.loadConstant(t0, KSEG0 + at);
    on.asm.loadConstant(t1, word | 0);
    on.asm.sw(t1, 0, t0);
  };
  const prepare = (on: CaseBuilder, odd: number, enable = 0x8000_0000): void => {
    const table = PLACE.tables + 0x1_0000;
    const pair = (va >>> SHIFT) & (2 ** (SHIFT - 2) - 2);
    set(on, PLACE.tables + (va >>> DIRECTORY) * 4, KSEG0 + table);
    set(on, table + pair * 4, pte(PLACE.data, 6) | 0x3f);
    set(on, table + (pair + 1) * 4, odd);
    on.mtc0(KSEG0 + PLACE.tables, CP0.PWBase);
    on.mtc0((DIRECTORY << 24) | (12 << 18) | (12 << 12) | (SHIFT << 6) | PTEI, CP0.PWField);
    on.mtc0(((32 - DIRECTORY) << 24) | ((SHIFT - 2) << 6), CP0.PWSize);
    on.mtc0(enable | 0, CP0.PWCtl);
    on.mtc0(7, CP0.EntryHi);
    on.asm.loadConstant(a0, va + 12);
  };
  const walk = (name: string, odd: number, enable?: number): OracleCase => ({
    name: `page walker, pages of ${1 << (SHIFT - 10)}K: ${name}`,
    emit: (on) => {
      on.mtc0(PAGE_GRAIN.RIE | PAGE_GRAIN.XIE, CP0.PageGrain);
      prepare(on, odd, enable);
      on.trying((asm) => asm.lw(t2, 0, a0));
      on.record(t2);
      on.trying((asm) => asm.sw(t2, 4, a0));
      on.mtc0(0, CP0.PWCtl);
      on.mtc0((va & ENTRY_HI.VPN2) | 7, CP0.EntryHi);
      on.asm.tlbp();
      on.asm.ehb();
      // Which entry was written is the processor's choice: whether one was is not.
      on.asm.mfc0(t0, ...cp0Operands(CP0.Index));
      on.asm.srl(t1, t0, 31);
      on.record(t1);
      const none = on.asm.label();
      on.asm.bnez(t1, none);
      on.asm.nop();
      on.asm.tlbr();
      on.asm.ehb();
      for (const index of [CP0.EntryHi, CP0.PageMask, CP0.EntryLo0, CP0.EntryLo1]) on.recordCp0(index);
      on.asm.bind(none);
    },
  });
  return [
    walk("a page that may be read and written", pte(PLACE.data, 6)),
    walk("a page that may be read", pte(PLACE.data, 2)),
    walk("RI and XI", pte(PLACE.data, 6) | (3 << (PTEI - 2))),
    walk("a page that is not valid", 0),
    walk("software bits below RI and XI", pte(PLACE.data, 6) | 0xf),
    walk("not enabled", pte(PLACE.data, 6), 0),
  ];
}

/** All cases. Each is independent of the others. */
export const CASES: readonly OracleCase[] = [
  ...segmentCases(),
  ...evaCases(),
  ...tlbCases(),
  ...xpaCases(),
  ...controlCases(),
  ...registerCases(),
  ...walkerCases(12),
  ...walkerCases(14),
];

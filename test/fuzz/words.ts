import { CP0, ENTRY_LO, STATUS, CAUSE, HWRENA } from "../../src/isa/cp0.ts";
import { encode, encodeRow } from "../../src/isa/encode.ts";
import { FCR, FCSR } from "../../src/isa/fpu.ts";
import { INSTRUCTIONS } from "../../src/isa/instructions.ts";
import { encodingOf } from "../../src/isa/operands.ts";
import { MAPPED_CODE_BIT } from "./roles.ts";
import type { GuestPlan } from "./axes.ts";
import type { Random } from "./random.ts";

/**
 * How wild a guest is: "wild" does anything anywhere. "tame" is as wild, but data accesses keep to data, jumps to
 * code, and registers to their roles, as far as such a guest keeps to anything: for comparisons where the guest
 * must not see its own instructions.
 */
export type Style = GuestPlan["style"];

/** Registers by role. Wild guests break the roles now and then. */
const BASES = [19, 20, 21, 22, 23, 28, 29] as const;
const CODE_POINTERS = [16, 17, 18] as const;
const SCRATCH = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25] as const;
const AT = 1;
const RA = 31;
const K0 = 26;
const K1 = 27;

/** Where the guest's things are; what the generators aim at. */
export interface Targets {
  readonly style: Style;
  /** Where physical memory begins to show. */
  readonly direct: number;
  /** Bytes of the smallest page that the guest maps. */
  readonly smallestPage: number;
  /** Branches in delay slots: what they do is unpredictable by the manual. */
  readonly branchesInSlots: boolean;
  /** There is an FPU. */
  readonly fpu: boolean;
  /** Data addresses worth an access, all segments. */
  data(random: Random): number;
  /** Code addresses. */
  code(random: Random): number;
  /** An EntryLo worth having. */
  entryLo(random: Random): number;
  /** An EntryHi worth having. */
  entryHi(random: Random): number;
  /** A PageMask worth having. */
  pageMask(random: Random): number;
}

const LOADS = ["lb", "lbu", "lh", "lhu", "lw", "lwl", "lwr", "ll"] as const;
const STORES = ["sb", "sh", "sw", "swl", "swr", "sc"] as const;
const TRAPS = ["teq", "tne", "tge", "tgeu", "tlt", "tltu"] as const;
const COMPARES = ["beq", "bne", "beql", "bnel"] as const;
const SIGN_TESTS = [
  ...(["blez", "bgtz", "bltz", "bgez", "blezl", "bgtzl", "bltzl", "bgezl"] as const),
  ...(["bltzal", "bgezal", "bltzall", "bgezall"] as const),
];
const ALU = [
  ...(["addu", "subu", "and", "or", "xor", "nor", "slt", "sltu", "mul", "movz", "movn"] as const),
  ...(["add", "sub"] as const),
];
const ALU_IMMEDIATE = ["addiu", "addi", "slti", "sltiu"] as const;
const TLB_OPERATIONS = ["tlbwi", "tlbwr", "tlbp", "tlbr"] as const;

/** Instructions of the FPU, those that there are in no CPU left out, and its branches apart. */
const FPU = INSTRUCTIONS.filter((row) => row.kind === "fpu" && !/^(bc1|c1$|cop1)/.test(row.mnemonic));
const FPU_BRANCHES = ["bc1t", "bc1f", "bc1tl", "bc1fl"] as const;
const FPU_ACCESS = /^[ls][wdu]x?c1$/;

/** CP0 registers that the guest writes often. */
const CP0_WRITTEN = [
  ...[CP0.Index, CP0.EntryLo0, CP0.EntryLo1, CP0.Context, CP0.PageMask, CP0.Wired, CP0.HWREna, CP0.Count],
  ...[CP0.EntryHi, CP0.Compare, CP0.Status, CP0.Cause, CP0.EPC, CP0.EBase, CP0.ErrorEPC, CP0.UserLocal],
];

/** A word that no CPU model executes, and MFC1, for which most guests have no FPU. */
const RESERVED = 0x7c00_003e;
const MFC1 = 0x4400_0000;

/** Primary CACHE operations that guests use, and a few that no cache has. */
const CACHE_OPERATIONS = [0x00, 0x01, 0x04, 0x05, 0x08, 0x09, 0x10, 0x11, 0x14, 0x15, 0x19] as const;

/** Generates instruction words for one guest. */
export class WordSource {
  private readonly random: Random;
  private readonly targets: Targets;
  private readonly wild: boolean;

  constructor(random: Random, targets: Targets) {
    this.random = random;
    this.targets = targets;
    this.wild = targets.style === "wild";
  }

  /** A register that may be changed. */
  private target(): number {
    return this.wild && this.random.chance(3) ? this.random.below(32) : this.random.pick(SCRATCH);
  }
  /** A register that is read. */
  private source(): number {
    return this.random.chance(80) ? this.random.pick(SCRATCH) : this.random.below(32);
  }
  private base(): number {
    if (this.wild && this.random.chance(6)) return this.random.below(32);
    return this.random.pick(BASES);
  }
  private displacement(): number {
    const { random } = this;
    if (this.wild && random.chance(10)) return random.below(0x1_0000) - 0x8000;
    return random.chance(75) ? 4 * random.between(-8, 8) : random.between(-32, 32);
  }
  private offset(): number {
    return 4 * (this.wild ? this.random.between(-60, 80) : this.random.between(-20, 60));
  }

  /** LUI and ORI that put `value` into `register`. */
  loadImmediate(register: number, value: number): number[] {
    const words = [encode("lui", { rt: register, uimm: (value >>> 16) & 0xffff })];
    if ((value & 0xffff) !== 0)
      words.push(encode("ori", { rt: register, rs: register, uimm: value & 0xffff }));
    return words;
  }

  private arithmetic(): number {
    const { random } = this;
    return random.weighted<number>([
      [6, () => encode(random.pick(ALU), { rd: this.target(), rs: this.source(), rt: this.source() })],
      [
        4,
        () =>
          encode(random.pick(ALU_IMMEDIATE), {
            rt: this.target(),
            rs: this.source(),
            imm: random.below(0x1_0000) - 0x8000,
          }),
      ],
      [2, () => encode("sll", { rd: this.target(), rt: this.source(), sa: random.below(32) })],
      [
        1,
        () =>
          encode(random.pick(["mult", "multu", "divu", "madd"]), { rs: this.source(), rt: this.source() }),
      ],
      [1, () => encode(random.pick(["mflo", "mfhi"]), { rd: this.target() })],
      [1, () => encode("lui", { rt: this.target(), uimm: random.below(0x1_0000) })],
    ]);
  }

  private access(): number {
    const { random } = this;
    const rs = this.base();
    const imm = this.displacement();
    if (random.chance(55)) return encode(random.pick(LOADS), { rt: this.target(), rs, imm });
    return encode(random.pick(STORES), { rt: random.chance(50) ? this.target() : this.source(), rs, imm });
  }

  /** A whole LL … SC sequence, with a chance of something in between that ends the link or must not. */
  private linkedSequence(): number[] {
    const { random } = this;
    const rs = this.base();
    const imm = 4 * random.between(-4, 4);
    const rt = random.pick(SCRATCH);
    const words = [encode("ll", { rt, rs, imm })];
    if (random.chance(40)) words.push(...this.item());
    words.push(encode("sc", { rt, rs, imm }));
    return words;
  }

  /** A value that is interesting in CP0 register `index`. */
  cp0Value(index: number): number {
    const { random, targets } = this;
    switch (index) {
      case CP0.EntryLo0:
      case CP0.EntryLo1:
        return targets.entryLo(random);
      case CP0.EntryHi:
        return targets.entryHi(random);
      case CP0.PageMask:
        return targets.pageMask(random);
      case CP0.Index:
      case CP0.Wired:
        return random.chance(80) ? random.below(64) : random.word();
      case CP0.EPC:
      case CP0.ErrorEPC:
        return targets.code(random);
      case CP0.Status:
        return this.status();
      case CP0.Cause:
        return random.word() & (CAUSE.IV | CAUSE.IP01 | (random.chance(10) ? CAUSE.DC : 0) | 0x7c);
      case CP0.EBase:
        return this.wild && random.chance(20)
          ? random.word()
          : this.targets.direct + 0x1000 * random.below(4);
      case CP0.Compare:
        return random.below(4000);
      case CP0.Count:
        return random.below(4000);
      case CP0.HWREna:
        return random.chance(50) ? random.word() : HWRENA.CC | HWRENA.ULR | HWRENA.SYNCI_Step;
      default:
        return random.word();
    }
  }

  /** Status with the bits that matter tossed: modes, interrupts, vectors. */
  status(): number {
    const { random } = this;
    const toss = (bit: number, percent: number): number => (random.chance(percent) ? bit : 0);
    let value = (random.word() & STATUS.IM) | toss(STATUS.IE, 60) | toss(STATUS.UM, 40);
    value |= toss(STATUS.EXL, 25) | toss(STATUS.ERL, 8) | toss(STATUS.BEV, 8) | toss(STATUS.CU0, 10);
    if (this.targets.fpu) value |= toss(STATUS.CU1, 70) | toss(STATUS.FR, 40);
    if (this.wild && random.chance(10)) value |= random.word();
    return value;
  }

  /** Something with the FPU. */
  private fpu(): number[] {
    const { random } = this;
    return random.weighted<number[]>([
      [8, () => [this.fpuInstruction()]],
      [
        1,
        () => [
          ...this.loadImmediate(AT, random.chance(70) ? random.word() & ~FCSR.ENABLES : random.word()),
          encode("ctc1", { rt: AT, fcr: random.pick([FCR.FCSR, FCR.FCCR, FCR.FEXR, FCR.FENR]) }),
        ],
      ],
      [
        2,
        () => [
          encode(random.pick(FPU_BRANCHES), { cc: random.below(8), offset: this.offset() }),
          this.slot(),
        ],
      ],
    ]);
  }

  private fpuInstruction(): number {
    const { random } = this;
    const row = random.pick(FPU);
    const isAccess = FPU_ACCESS.test(row.mnemonic);
    const operands: Record<string, number> = {};
    for (const { name, width } of encodingOf(row).fields) {
      if (name === "rs") operands[name] = isAccess ? this.base() : this.source();
      else if (name === "rt") operands[name] = isAccess ? 0 : this.target();
      else if (name === "rd") operands[name] = this.target();
      else if (name === "imm")
        operands[name] = random.chance(80) ? 8 * random.between(-4, 4) : this.displacement();
      // Doubles are in even registers, or with FR = 1 in any.
      else if (width === 5) operands[name] = random.chance(85) ? 2 * random.below(16) : random.below(32);
      else operands[name] = random.below(2 ** width);
    }
    return encodeRow(row, operands);
  }

  private writeCp0(index: number): number[] {
    const { random } = this;
    const [rdNumber, sel] = [index >>> 3, index & 7];
    if (this.wild && random.chance(10)) return [encode("mtc0", { rt: random.below(32), rdNumber, sel })];
    return [...this.loadImmediate(AT, this.cp0Value(index)), encode("mtc0", { rt: AT, rdNumber, sel })];
  }

  private cop0(): number[] {
    const { random } = this;
    return random.weighted<number[]>([
      [10, () => this.writeCp0(random.pick(CP0_WRITTEN))],
      [2, () => (this.wild ? this.writeCp0(random.below(256)) : [])],
      [6, () => [encode("mfc0", { rt: this.target(), rdNumber: random.pick(CP0_WRITTEN) >>> 3, sel: 0 })]],
      [3, () => [encode("mfc0", { rt: this.target(), rdNumber: random.below(32), sel: random.below(8) })]],
      [8, () => this.writeTlb()],
      [3, () => [encode(random.pick(TLB_OPERATIONS), {})]],
      [3, () => [encode(random.pick(["di", "ei"]), { rt: random.chance(50) ? 0 : this.target() })]],
      [2, () => [encode("eret", {})]],
      [1, () => [encode("wait", { code: random.below(4) })]],
      [1, () => [encode("rdpgpr", { rd: this.target(), rtShadow: this.source() })]],
      [1, () => [encode("wrpgpr", { rdShadow: this.target(), rt: this.source() })]],
      [1, () => (this.wild ? [encode("c0", { cofun: random.below(1 << 25) })] : [encode("deret", {})])],
    ]);
  }

  /** A guest TLB write with everything that it needs. */
  writeTlb(): number[] {
    const { random } = this;
    const words: number[] = [];
    const registers: number[] = [CP0.EntryHi, CP0.EntryLo0, CP0.EntryLo1, CP0.PageMask];
    for (const index of registers)
      if (random.chance(index === CP0.PageMask ? 40 : 85)) words.push(...this.writeCp0(index));
    if (random.chance(50)) words.push(...this.writeCp0(CP0.Index), encode("tlbwi", {}));
    else words.push(encode("tlbwr", {}));
    return words;
  }

  private cache(): number[] {
    const { random } = this;
    const op = this.wild && random.chance(15) ? random.below(32) : random.pick(CACHE_OPERATIONS);
    const rs = random.chance(50) ? random.pick(CODE_POINTERS) : this.base();
    if (random.chance(30)) return [encode("synci", { rs, imm: 4 * random.between(-8, 8) })];
    return [encode("cache", { op, rs, imm: 4 * random.between(-8, 8) })];
  }

  /** A branch or jump, with its delay slot. */
  branch(): number[] {
    const { random, targets } = this;
    const word = random.weighted<number>([
      [
        5,
        () => encode(random.pick(COMPARES), { rs: this.source(), rt: this.source(), offset: this.offset() }),
      ],
      [4, () => encode(random.pick(SIGN_TESTS), { rs: this.source(), offset: this.offset() })],
      [2, () => encode("beq", { rs: 0, rt: 0, offset: this.offset() })],
      [2, () => encode(random.pick(["j", "jal"]), { index: targets.code(random) & 0x0fff_fffc })],
      [
        3,
        () =>
          encode("jr", {
            rs: this.wild && random.chance(20) ? random.below(32) : random.pick([...CODE_POINTERS, RA]),
          }),
      ],
      [1, () => encode("jalr", { rd: RA, rs: random.pick(CODE_POINTERS) })],
    ]);
    return [word, this.slot()];
  }

  /** One instruction for a delay slot. */
  private slot(): number {
    const { random } = this;
    if (this.targets.branchesInSlots && random.chance(5)) return this.branch()[0]!;
    return random.weighted<number>([
      [5, () => this.arithmetic()],
      [6, () => this.access()],
      [3, () => encode("mfc0", { rt: this.target(), rdNumber: random.pick(CP0_WRITTEN) >>> 3, sel: 0 })],
      [2, () => encode("mtc0", { rt: AT, rdNumber: random.pick([CP0.Index, CP0.UserLocal]) >>> 3, sel: 0 })],
      [2, () => encode(random.pick(TLB_OPERATIONS), {})],
      [2, () => encode(random.pick(["di", "ei"]), { rt: this.target() })],
      [this.targets.fpu ? 5 : 0, () => this.fpuInstruction()],
      [1, () => encode("syscall", {})],
      [1, () => encode("teq", { rs: 0, rt: 0 })],
      [1, () => encode("rdhwr", { rt: this.target(), rdNumber: random.pick([0, 1, 2, 3, 29]) })],
      [1, () => this.cache()[0]!],
      [1, () => (this.wild && random.chance(30) ? encode(random.pick(["eret", "wait"]), {}) : 0)],
    ]);
  }

  private trap(): number {
    const { random } = this;
    return random.weighted<number>([
      [3, () => encode("syscall", { code: random.below(8) })],
      [2, () => encode("break", { code: random.below(8) })],
      [3, () => encode(random.pick(TRAPS), { rs: this.source(), rt: this.source() })],
      [1, () => encode("sdbbp", { code: random.below(3) })],
      [
        2,
        () =>
          encode("rdhwr", {
            rt: this.target(),
            rdNumber: random.chance(70) ? random.pick([0, 1, 2, 3, 29]) : random.below(32),
          }),
      ],
      [1, () => this.anyRow()],
    ]);
  }

  /** A random row of the table with random operands. */
  private anyRow(): number {
    const { random } = this;
    const row = random.pick(INSTRUCTIONS);
    const { mask, match, unchecked } = encodingOf(row);
    if (row.kind === "branch" || row.kind === "jump" || !this.wild) return RESERVED;
    const free = ~mask & (random.chance(90) ? ~unchecked : -1);
    return (match | (random.word() & free)) >>> 0;
  }

  /** A new pointer in one of the registers that hold pointers. */
  private pointer(): number[] {
    const { random, targets } = this;
    if (random.chance(75)) return this.loadImmediate(random.pick(BASES), targets.data(random));
    return this.loadImmediate(random.pick(CODE_POINTERS), targets.code(random));
  }

  /** Stores an instruction word into the code ahead or anywhere, then runs into it or not. */
  private selfModify(): number[] {
    const { random, targets } = this;
    const rs = random.pick(BASES);
    const words = this.loadImmediate(rs, targets.code(random));
    words.push(...this.loadImmediate(AT, this.item()[0] ?? 0));
    words.push(encode("sw", { rt: AT, rs, imm: 0 }));
    if (random.chance(50)) words.push(encode("synci", { rs, imm: 0 }));
    return words;
  }

  /** Stores an instruction word a few words ahead of where it runs, delay slots and the next word included. */
  private modifyAhead(): number[] {
    const { random } = this;
    const at = 4 * random.below(10);
    return [
      encode("bgezal", { rs: 0, offset: 4 }),
      0,
      ...this.loadImmediate(AT, this.item()[0] ?? 0),
      encode("sw", { rt: AT, rs: RA, imm: at }),
      ...(random.chance(40) ? [encode("synci", { rs: RA, imm: at })] : []),
    ];
  }

  /** Instructions that raise an exception of one kind: all kinds that a guest can raise by itself. */
  private raise(): number[] {
    const { random, targets } = this;
    const far = (): number[] => this.loadImmediate(AT, (targets.entryHi(random) & ~0xfff) | 0x800);
    return random.weighted<number[]>([
      [1, () => [encode("syscall", {})]],
      [1, () => [encode("break", {})]],
      [1, () => [encode("teq", { rs: 0, rt: 0 })]],
      [1, () => [RESERVED]],
      [1, () => [MFC1]],
      [1, () => [encode("lui", { rt: AT, uimm: 0x7fff }), encode("add", { rd: AT, rs: AT, rt: AT })]],
      [1, () => [encode("lw", { rt: AT, rs: random.pick(BASES), imm: 1 })]],
      [1, () => [encode("sh", { rt: AT, rs: random.pick(BASES), imm: 1 })]],
      [2, () => [...far(), encode("lw", { rt: AT, rs: AT, imm: 0 })]],
      [2, () => [...far(), encode("sw", { rt: AT, rs: AT, imm: 0 })]],
      [1, () => [...far(), encode("jr", { rs: AT }), 0]],
      [1, () => [encode("ori", { rt: AT, rs: 0, uimm: 2 }), encode("jr", { rs: AT }), 0]],
      // A second entry for the same addresses: a machine check.
      [1, () => [encode("tlbp", {}), encode("tlbwr", {}), encode("tlbwr", {})]],
      [1, () => [...this.writeCp0(CP0.Status)]],
    ]);
  }

  /** An exception now and then, by the time: one that came each time would leave no time for others. */
  private raiseSometimes(): number[] {
    const raising = this.raise();
    return [
      encode("mfc0", { rt: K0, rdNumber: CP0.Count >>> 3, sel: 0 }),
      encode("andi", { rt: K0, rs: K0, uimm: this.random.pick([1, 3, 6, 12]) }),
      encode("bne", { rs: K0, rt: 0, offset: 4 * (raising.length + 1) }),
      0,
      ...raising,
    ];
  }

  /** A group of instructions that does one thing. */
  item(): number[] {
    const { random } = this;
    return random.weighted<number[]>([
      [26, () => [this.arithmetic()]],
      [26, () => [this.access()]],
      [14, () => this.cop0()],
      [12, () => this.branch()],
      [6, () => this.pointer()],
      [3, () => [this.trap()]],
      [this.targets.fpu ? 20 : 0, () => this.fpu()],
      [2, () => this.linkedSequence()],
      [2, () => this.cache()],
      [this.wild ? 2 : 0, () => this.selfModify()],
      [this.wild ? 2 : 0, () => this.modifyAhead()],
      [this.wild ? 1 : 0, () => [random.word() >>> 0]],
      [this.wild ? 1 : 0, () => [this.anyRow()]],
    ]);
  }

  /** `count` words of code. */
  code(count: number): number[] {
    const words: number[] = [];
    while (words.length < count) words.push(...this.item());
    return words.slice(0, count);
  }

  /** A refill handler that maps code addresses to code and data addresses to data. */
  private sensibleRefill(): number[] {
    const { random, targets } = this;
    const { smallestPage } = targets;
    const cp0 = (mnemonic: "mfc0" | "mtc0", rt: number, index: number): number =>
      encode(mnemonic, { rt, rdNumber: index >>> 3, sel: index & 7 });
    const flags = ENTRY_LO.V | (random.chance(85) ? ENTRY_LO.D : 0) | (random.chance(20) ? ENTRY_LO.G : 0);
    return [
      cp0("mfc0", K1, CP0.BadVAddr),
      encode("andi", { rt: K0, rs: K1, uimm: 0x1_0000 - 2 * smallestPage }),
      encode("ext", { rt: K1, rs: K1, lsb: MAPPED_CODE_BIT, extSize: 1 }),
      encode("xori", { rt: K1, rs: K1, uimm: 1 }),
      encode("ins", { rt: K0, rs: K1, lsb: 16, insSize: 1 }),
      encode("srl", { rd: K0, rt: K0, sa: 6 }),
      encode("ori", { rt: K0, rs: K0, uimm: flags | (3 << ENTRY_LO.C_SHIFT) }),
      cp0("mtc0", K0, CP0.EntryLo0),
      encode("addiu", { rt: K0, rs: K0, imm: smallestPage >>> 6 }),
      cp0("mtc0", K0, CP0.EntryLo1),
      encode("ori", { rt: K0, rs: 0, uimm: (2 * smallestPage - 1) & ~0x1fff }),
      cp0("mtc0", K0, CP0.PageMask),
      encode("tlbwr", {}),
      encode("eret", {}),
    ];
  }

  /** An exception handler of one of many kinds, `refill` for that of the refill vector. Most return in odd ways. */
  handler(limit: number, refill: boolean): number[] {
    const { random, targets } = this;
    const mfc0 = (rt: number, index: number): number =>
      encode("mfc0", { rt, rdNumber: index >>> 3, sel: index & 7 });
    const mtc0 = (rt: number, index: number): number =>
      encode("mtc0", { rt, rdNumber: index >>> 3, sel: index & 7 });
    const skip = (by: number): number[] => [
      mfc0(K0, CP0.EPC),
      encode("addiu", { rt: K0, rs: K0, imm: by }),
      mtc0(K0, CP0.EPC),
      encode("eret", {}),
    ];
    const go = (): number[] => [
      ...this.loadImmediate(K0, targets.code(random)),
      mtc0(K0, CP0.EPC),
      encode("eret", {}),
    ];
    // Somewhere in the first 64K, as Count has it.
    const somewhere = (): number[] => [
      mfc0(K0, CP0.Count),
      encode("sll", { rd: K0, rt: K0, sa: random.between(2, 6) }),
      encode("andi", { rt: K0, rs: K0, uimm: 0xfffc }),
      encode("lui", { rt: K1, uimm: targets.direct >>> 16 }),
      encode("or", { rd: K0, rs: K0, rt: K1 }),
      mtc0(K0, CP0.EPC),
      encode("eret", {}),
    ];
    const mapFault = (): number[] => [
      mfc0(K1, CP0.Context),
      encode("sll", { rd: K1, rt: K1, sa: random.below(4) }),
      ...[CP0.EntryLo0, CP0.EntryLo1].flatMap((index) => [
        ...this.loadImmediate(K0, targets.entryLo(random)),
        mtc0(K0, index),
      ]),
      encode("tlbwr", {}),
      encode("eret", {}),
    ];
    const acknowledge = [
      mfc0(K0, CP0.Count),
      encode("addiu", { rt: K0, rs: K0, imm: random.between(20, 900) }),
      mtc0(K0, CP0.Compare),
    ];
    const words = random.weighted<number[]>([
      [refill ? 2 : 12, () => skip(4)],
      [2, () => skip(8)],
      [1, go],
      [4, somewhere],
      [refill ? 40 : 6, () => this.sensibleRefill()],
      [4, mapFault],
      [4, () => [...acknowledge, ...skip(random.pick([0, 0, 4]))]],
      [2, () => [...acknowledge, ...mapFault()]],
      [
        1,
        () => [
          ...this.loadImmediate(K0, this.status() & ~STATUS.EXL),
          mtc0(K0, CP0.Status),
          encode("jr", { rs: this.random.pick(CODE_POINTERS) }),
          0,
        ],
      ],
      [1, () => [encode("jr", { rs: random.pick(CODE_POINTERS) }), 0]],
      [2, () => this.code(12)],
      [1, () => [encode("eret", {})]],
    ]);
    return [...(random.chance(35) ? this.raiseSometimes() : []), ...words].slice(0, limit);
  }
}

/** EntryLo of `gpa` with cache attribute 3 and the given V, D and G. */
export function entryLoOf(gpa: number, flags: number): number {
  return (Math.floor(gpa / 4096) << ENTRY_LO.PFN_SHIFT) | (3 << ENTRY_LO.C_SHIFT) | flags;
}

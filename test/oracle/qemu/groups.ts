import { CAUSE, CP0, cp0Operands, STATUS, type Cp0Name } from "../../../src/isa/cp0.ts";
import { encode } from "../../../src/isa/encode.ts";
import { pickRegion, randomAsid, randomMapping, regionAddress, REGISTER, type Context } from "./context.ts";
import {
  branchWord,
  delaySlot,
  destination,
  pointer,
  randomAlu,
  randomAccess,
  randomTrap,
  source,
} from "./instructions.ts";
import { comparableBits, READABLE_CP0 } from "./known-differences.ts";
import { CODE, CODE_REGION, DATA, GIANT_REGION, NOWHERE_REGION, TLB_ENTRIES } from "./layout.ts";
import type { Group, Item, Place } from "./program.ts";

const { target, badTarget, codeAlias, loopCounter } = REGISTER;
/** Works inside of groups only. */
const SCRATCH = 26;
const SECOND = 27;
const EHB = 0xc0;
const NOP = 0;

type Maker = (context: Context, index: number) => Item[];

const mtc0 = (register: number, name: Cp0Name): number => {
  const [rdNumber, sel] = cp0Operands(CP0[name]);
  return encode("mtc0", { rt: register, rdNumber, sel });
};
const mfc0 = (register: number, name: Cp0Name): number => {
  const [rdNumber, sel] = cp0Operands(CP0[name]);
  return encode("mfc0", { rt: register, rdNumber, sel });
};

/** Loads a constant in two words. */
const constant = (rt: number, value: number): Item[] => [
  encode("lui", { rt, uimm: value >>> 16 }),
  encode("ori", { rt, rs: rt, uimm: value & 0xffff }),
];

const addressOf = (rt: number, at: (place: Place) => number): Item[] => [
  (place) => encode("lui", { rt, uimm: at(place) >>> 16 }),
  (place) => encode("ori", { rt, rs: rt, uimm: at(place) & 0xffff }),
];

/**
 * Which register takes a value to a CP0 register. A nested exception may resume anywhere in a group, so registers
 * that have illegal values get theirs from one that never holds such.
 */
const carrier: Partial<Record<Cp0Name, number>> = {
  EBase: REGISTER.ebase,
  PageMask: REGISTER.pageMask,
  Index: REGISTER.small,
  Wired: REGISTER.small,
};

function setCp0(name: Cp0Name, value: number): Item[] {
  const register = carrier[name] ?? SCRATCH;
  // In one instruction, lest the register holds half of the value.
  if (register === REGISTER.small)
    return [encode("addiu", { rt: register, rs: 0, imm: value }), mtc0(register, name)];
  return [...constant(register, value), mtc0(register, name)];
}

/** A group further on. */
const ahead = (context: Context, index: number): number => index + 1 + context.random.below(3);

/** Goes to the next group through JR.HB with `last` in the delay slot. */
const leaveWith = (index: number, last: number): Item[] => [
  ...addressOf(target, (place) => place.start(index + 1)),
  encode("jr.hb", { rs: target }),
  last,
];

/**
 * An instruction that changes the ASID or what the TLB maps. If that may concern the code itself it is the last
 * thing before an instruction hazard barrier; QEMU executes on to the next branch.
 */
function changeContext(context: Context, index: number, word: number): Item[] {
  return context.codeIsGlobal ? [word, EHB] : leaveWith(index, word);
}

const makers: Record<string, Maker> = {
  alu: (c) => Array.from({ length: 2 + c.random.below(8) }, () => randomAlu(c)),

  access: (c) => Array.from({ length: 1 + c.random.below(4) }, () => randomAccess(c)),

  mixed: (c) =>
    Array.from({ length: 3 + c.random.below(5) }, () =>
      c.random.chance(50) ? randomAlu(c) : c.random.chance(80) ? randomAccess(c) : randomTrap(c),
    ),

  trap: (c) => [randomTrap(c)],

  branch: (c, index) => {
    const to = ahead(c, index);
    const word = branchWord(c);
    const slot = c.random.chance(4) ? branchWord(c) : delaySlot(c);
    return [
      ({ pc, start }) => (word & 0xffff_0000) | (((start(to) - pc - 4) >> 2) & 0xffff),
      slot,
      ...(c.random.chance(50) ? [randomAlu(c)] : []),
    ];
  },

  loop: (c) => {
    const body = Array.from({ length: 1 + c.random.below(5) }, () =>
      c.random.chance(60) ? randomAlu(c) : randomAccess(c),
    );
    const likely = c.random.chance(30);
    const back = encode(likely ? "bgtzl" : "bgtz", { rs: loopCounter, offset: -(body.length + 2) * 4 });
    return [
      encode("addiu", { rt: loopCounter, rs: 0, imm: 1 + c.random.below(12) }),
      ...body,
      encode("addiu", { rt: loopCounter, rs: loopCounter, imm: -1 }),
      back,
      delaySlot(c),
    ];
  },

  jump: (c, index) => {
    const to = ahead(c, index);
    const link = c.random.chance(50);
    const slot = delaySlot(c);
    if (c.random.chance(50))
      return [
        ({ start }) => encode(link ? "jal" : "j", { index: start(to) & 0x0fff_ffff }),
        slot,
        randomAlu(c),
      ];
    const barrier = c.random.chance(30);
    const jump = link
      ? encode(barrier ? "jalr.hb" : "jalr", { rs: target, rd: destination(c) })
      : encode(barrier ? "jr.hb" : "jr", { rs: target });
    return [...addressOf(target, ({ start }) => start(to)), jump, slot];
  },

  // A target that is not aligned, not mapped, not there, or not for this mode.
  badJump: (c) => {
    const { random } = c;
    const unaligned = 0x8000_0000 + CODE + 4 * random.below(64) + 2;
    const nowhere = c.regionBases[NOWHERE_REGION]! + random.below(0x800) * 4;
    const hole = random.pick([0xc300_0000, 0xe300_1000, 0xffff_f000]) + random.below(16) * 4;
    const bad = c.usesErl ? [unaligned] : [unaligned, nowhere, 0x0300_0100, 0x7fff_f000];
    const to = random.chance(25) ? hole : random.pick(bad);
    const jump = encode("jalr", { rs: badTarget, rd: destination(c) });
    return [...constant(badTarget, to), jump, delaySlot(c)];
  },

  readCp0: (c) => {
    const name = c.random.pick(READABLE_CP0);
    const rt = destination(c);
    return [
      ...constant(SCRATCH, comparableBits(name)),
      mfc0(rt, name),
      encode("and", { rd: rt, rs: rt, rt: SCRATCH }),
    ];
  },

  writeCp0: (c) => {
    const { random } = c;
    const any = random.word();
    const region = pickRegion(c);
    const mapping = randomMapping(c, region);
    const [name, value] = random.pick<readonly [Cp0Name, number]>([
      ["EntryLo0", any],
      ["EntryLo1", any],
      ["PageMask", mapping.pageMask],
      ["Context", any],
      ["Compare", any],
      ["Count", any],
      ["Index", any & (TLB_ENTRIES - 1)],
      ["Wired", any & (TLB_ENTRIES - 1)],
      ["HWREna", any & 0xf],
      ["ITagLo", any],
      ["IDataLo", any],
      ["ITagHi", any],
      ["IDataHi", any],
      ["Config", any],
      ["ErrorEPC", any],
      ["IntCtl", (any & ~0x3e0) | (random.pick([0, 1, 2, 4, 8, 16]) << 5)],
      // Read-only registers.
      ["BadVAddr", any],
      ["PRId", any],
      ["Config1", any],
    ]);
    return setCp0(name, value);
  },

  asid: (c, index) => {
    const value = regionAddress(c, pickRegion(c)) & 0xffff_e000;
    return [
      ...constant(SCRATCH, (value & -0x2000) | randomAsid(c.random)),
      ...changeContext(c, index, mtc0(SCRATCH, "EntryHi")),
    ];
  },

  ebase: (c) => [...setCp0("EBase", c.random.pick([0x8000_0000, 0x8000_2000])), EHB],

  status: (c) => {
    const { random } = c;
    let value = (random.below(4) << 8) | (random.chance(50) ? STATUS.IE : 0);
    if (c.mayNest && random.chance(50)) value |= STATUS.EXL;
    if (random.chance(15)) value |= STATUS.BEV;
    if (random.chance(30)) value |= STATUS.UM;
    if (random.chance(30)) value |= STATUS.CU0;
    if (c.usesErl && random.chance(50)) value |= STATUS.ERL;
    return [...setCp0("Status", value), EHB];
  },

  cause: (c) => {
    let value = CAUSE.DC | (c.random.below(4) << 8);
    if (c.random.chance(50)) value |= CAUSE.IV;
    // What is read-only is written too.
    value |= c.random.word() & (CAUSE.BD | CAUSE.TI | CAUSE.CE | CAUSE.ExcCode | 0xfc00);
    return [...setCp0("Cause", value), EHB];
  },

  interruptEnable: (c) => [encode(c.random.chance(50) ? "di" : "ei", { rt: destination(c) }), EHB],

  tlbwi: (c, index) => {
    const { random } = c;
    const region = random.chance(6) ? CODE_REGION : pickRegion(c);
    if (region === CODE_REGION && c.place !== "useg" && c.place !== "kseg2") return [randomAlu(c)];
    const mapping = randomMapping(c, region);
    const va = region === CODE_REGION ? c.regionBases[region]! + (CODE & 0x1_ffff) : regionAddress(c, region);
    let { entryLo0, entryLo1 } = mapping;
    // Code that is no longer valid, or belongs to another ASID.
    if (region === CODE_REGION && random.chance(50)) [entryLo0, entryLo1] = [entryLo0 & ~2, entryLo1 & ~2];
    const random15 = region === GIANT_REGION && random.chance(50);
    return [
      ...(random15 ? setCp0("Wired", TLB_ENTRIES - 1) : setCp0("Index", region)),
      ...setCp0("PageMask", mapping.pageMask),
      ...setCp0("EntryLo0", entryLo0),
      ...setCp0("EntryLo1", entryLo1),
      ...constant(SCRATCH, (va & -0x2000) | randomAsid(random)),
      // Code that depends on the ASID keeps it: a refill would change EntryHi.
      ...(c.codeIsGlobal
        ? []
        : [mfc0(SECOND, "EntryHi"), encode("ins", { rt: SCRATCH, rs: SECOND, lsb: 0, insSize: 8 })]),
      mtc0(SCRATCH, "EntryHi"),
      EHB,
      // TLBR also drops what QEMU keeps of an entry that TLBWR replaced.
      ...(random15
        ? [encode("tlbwr", {}), ...setCp0("Index", GIANT_REGION), encode("tlbr", {}), EHB]
        : region === CODE_REGION
          ? leaveWith(index, encode("tlbwi", {}))
          : [encode("tlbwi", {}), EHB]),
    ];
  },

  tlbr: (c, index) => [
    ...setCp0("Index", c.random.below(TLB_ENTRIES)),
    ...changeContext(c, index, encode("tlbr", {})),
  ],

  tlbp: (c) => [encode("tlbp", {}), EHB, mfc0(destination(c), "Index")],

  eret: (c, index) => {
    if (!c.mayEret) return [randomAlu(c)];
    const to = ahead(c, index);
    return [
      ...addressOf(target, ({ start }) => start(to)),
      mtc0(target, "EPC"),
      mtc0(target, "ErrorEPC"),
      EHB,
      encode("eret", {}),
    ];
  },

  /**
   * LL and SC. QEMU's SC translates its address only if LL has set LLbit: so SC is skipped if LL faulted, and an
   * exception comes between the two only where SC cannot fault.
   */
  linked: (c, index) => {
    const { random } = c;
    const sc = destination(c);
    if (c.mayNest || c.usesErl) return [randomAlu(c)];
    if (c.place !== "useg" && random.chance(30)) {
      const imm = random.below(64) * 4;
      return [
        encode("lui", { rt: SCRATCH, uimm: (0x8000_0000 + DATA) >>> 16 }),
        encode("ll", { rt: SECOND, rs: SCRATCH, imm }),
        random.chance(50) ? encode("syscall", {}) : NOP,
        encode("lui", { rt: SCRATCH, uimm: (0x8000_0000 + DATA) >>> 16 }),
        encode("sc", { rt: sc, rs: SCRATCH, imm }),
      ];
    }
    const [rs, imm] = pointer(c, 4);
    // Not k0, which handlers change.
    const [loaded, none] = [28, 29];
    const marker = encode("lui", { rt: none, uimm: 0xdead });
    return [
      marker,
      encode("or", { rd: loaded, rs: none, rt: 0 }),
      encode("ll", { rt: loaded, rs, imm }),
      ({ pc, start }) => encode("beq", { rs: loaded, rt: none, offset: start(index + 1) - pc - 4 }),
      encode("addiu", { rt: loaded, rs: loaded, imm: random.below(256) - 128 }),
      encode("sc", { rt: random.chance(50) ? loaded : sc, rs, imm }),
    ];
  },

  hardware: (c) => {
    const rt = destination(c);
    return [encode("rdhwr", { rt, rdNumber: c.random.pick([0, 1, 2, 3, 4, 5, 28, 30, 31]) })];
  },

  // Cache operations on addresses that need no translation: see the known differences.
  caches: (c) => {
    const { random } = c;
    // Hit operations only where no mode forbids the address.
    const ops = c.place === "useg" ? [0, 1] : [0, 1, 0x10, 0x11, 0x14, 0x15, 0x19];
    const word = random.pick([
      encode("cache", { op: random.pick(ops), imm: random.below(64) * 4, rs: codeAlias }),
      encode("sync", { stype: random.below(32) }),
      encode("pref", { hint: random.below(32), imm: random.below(256), rs: source(c) }),
      ...(c.place === "kseg0" ? [encode("synci", { imm: random.below(64) * 4, rs: codeAlias })] : []),
    ]);
    return [word];
  },

  // Writes an instruction of this group through kseg0, and executes it.
  selfModify: (c) => {
    const word = randomAlu(c);
    return [
      ...constant(SCRATCH, word),
      ({ pc }) => encode("sw", { rt: SCRATCH, rs: codeAlias, imm: (pc & 0x1fff_ffff) - CODE + 20 }),
      ({ pc }) => encode("lui", { rt: target, uimm: (pc + 16) >>> 16 }),
      ({ pc }) => encode("ori", { rt: target, rs: target, uimm: (pc + 12) & 0xffff }),
      encode("jr.hb", { rs: target }),
      randomAlu(c),
      NOP,
    ];
  },

  // Between branches: QEMU's instructions for shadow registers bypass what it holds in host registers.
  shadow: (c) => {
    const barrier = [encode("beq", { rs: 0, rt: 0, offset: 4 }), NOP];
    const word = c.random.chance(50)
      ? encode("wrpgpr", { rt: source(c), rdShadow: destination(c) })
      : encode("rdpgpr", { rd: destination(c), rtShadow: source(c) });
    return [...barrier, word, ...barrier];
  },
};

const WEIGHTS: readonly (readonly [number, keyof typeof makers])[] = [
  [16, "alu"],
  [18, "access"],
  [16, "mixed"],
  [7, "trap"],
  [16, "branch"],
  [6, "loop"],
  [7, "jump"],
  [3, "badJump"],
  [8, "readCp0"],
  [8, "writeCp0"],
  [4, "asid"],
  [1, "ebase"],
  [7, "status"],
  [6, "cause"],
  [3, "interruptEnable"],
  [7, "tlbwi"],
  [3, "tlbr"],
  [3, "tlbp"],
  [4, "eret"],
  [4, "linked"],
  [3, "hardware"],
  [3, "caches"],
  [3, "selfModify"],
  [1, "shadow"],
];

/** Generates group number `index` of a program. */
export function generateGroup(context: Context, index: number): Group {
  const name = context.random.weighted(WEIGHTS);
  return { name, items: makers[name]!(context, index) };
}

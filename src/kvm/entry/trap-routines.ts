import { CP0, type Cp0Name } from "../../isa/cp0.ts";
import { encode } from "../../isa/encode.ts";
import { GPR } from "../../isa/registers.ts";
import { Assembler } from "../../uasm/assembler.ts";
import { BufferLimitError } from "../../uasm/errors.ts";
import type { HostVa } from "../addresses.ts";
import type { CodeSection } from "./code-block.ts";
import {
  emitCount,
  emitDisable,
  emitEnable,
  emitEret,
  emitMtc0EntryHi,
  emitMtc0Status,
  emitTlbp,
} from "./fast-exit-operations.ts";
import { FIELD } from "./fast-exit-registers.ts";
import {
  emitEffect,
  emitOtherwise,
  emitPlainRead,
  emitPlainWrite,
  emitRoutine,
  TABLE_BYTES,
  tableIndex,
  type Effect,
  type RoutineSetting,
  type TrapKind,
} from "./trap-routine.ts";

/** Bytes of what a vcpu has of this: the table, which is aligned to 64 KiB, and the routines behind it. */
export const ROUTINES = { bytes: 0x1_c000, align: 0x1_0000 } as const;

/** Routines for single instruction words, in memory from `base` on. */
export interface TrapRoutines {
  readonly base: HostVa;
  readonly words: Uint32Array;
  /** The routines of each kind with one register, for a reader. */
  readonly sections: readonly CodeSection[];
}

const { at, zero, v0, v1, a1, a2, a3, t1, t2, t8, t9, k0, k1 } = GPR;
const REGISTERS = Array.from({ length: 32 }, (_, reg) => reg);
/** MFC0 to $zero is of no use. */
const TARGETS = REGISTERS.slice(1);

/** CP0 registers that kernels read and write all the time. */
const READ = [
  ...(["Index", "EntryLo0", "EntryLo1", "Context", "BadVAddr"] as const),
  ...(["EntryHi", "Status", "Cause", "EPC"] as const),
] as const;
const WRITTEN = ["EntryLo0", "EntryLo1", "EPC", "UserLocal"] as const;

const move = (mnemonic: "mfc0" | "mtc0", cp0: number): number =>
  encode(mnemonic, { rt: 0, rdNumber: cp0 >>> 3, sel: cp0 & 7 });

const EFFECTS: readonly Effect[] = [
  {
    ...{ name: "mfc0_Count", word: move("mfc0", CP0.Count), operands: TARGETS },
    ...{ effect: emitCount, borrowed: [at, t1] },
  },
  {
    ...{ name: "mtc0_Status", word: move("mtc0", CP0.Status), operands: REGISTERS },
    ...{ effect: emitMtc0Status, borrowed: [at, v0, v1, a1, t1, t2], needs: "status" },
  },
  {
    ...{ name: "mtc0_EntryHi", word: move("mtc0", CP0.EntryHi), operands: REGISTERS },
    ...{ effect: emitMtc0EntryHi, borrowed: [at, v1, a1, t1], needs: "array" },
  },
  {
    ...{ name: "di", word: encode("di", { rt: 0 }), operands: REGISTERS },
    ...{ effect: emitDisable, borrowed: [v0, v1, t1, t2], needs: "status" },
  },
  {
    ...{ name: "ei", word: encode("ei", { rt: 0 }), operands: REGISTERS },
    ...{ effect: emitEnable, borrowed: [at, v0, v1, a1, t1, t2], needs: "status" },
  },
  {
    ...{ name: "eret", word: encode("eret", {}), operands: null },
    ...{ effect: emitEret, borrowed: [at, v0, v1, a1, a2, a3, t1, t2], needs: "status", jumps: true },
  },
  {
    ...{ name: "tlbp", word: encode("tlbp", {}), operands: null },
    ...{ effect: emitTlbp, borrowed: [at, v1, t1], needs: "array" },
  },
];

/** What has routines for the guest of `setting`. */
function kindsOf({ options }: RoutineSetting): TrapKind[] {
  const plain = (mnemonic: "mfc0" | "mtc0", name: Cp0Name): TrapKind[] => {
    const cp0 = CP0[name];
    const emit = (mnemonic === "mfc0" ? emitPlainRead : emitPlainWrite)(cp0, options.masksOf(cp0));
    const operands = mnemonic === "mfc0" ? TARGETS : REGISTERS;
    const word = move(mnemonic, cp0);
    return emit === null ? [] : [{ name: `${mnemonic}_${name}`, word, operands, borrowed: [], emit }];
  };
  return [
    ...READ.flatMap((name) => plain("mfc0", name)),
    ...WRITTEN.flatMap((name) => plain("mtc0", name)),
    ...EFFECTS.map((effect) => ({ ...effect, emit: emitEffect(effect) })),
  ];
}

/** `kinds` by their entry in the table. */
function byEntry(kinds: readonly TrapKind[]): TrapKind[][] {
  const groups = new Map<string, TrapKind[]>();
  for (const kind of kinds) {
    const entry = kind.operands === null ? `${tableIndex(kind.word)}` : `${tableIndex(kind.word)} by rt`;
    groups.set(entry, [...(groups.get(entry) ?? []), kind]);
  }
  return [...groups.values()];
}

/** Two registers that no routine treats apart; they differ in one bit. */
const ORDINARY = [t8, t9] as const;
/** Where instructions name general registers. */
const REGISTER_FIELDS = Object.values(FIELD);

/** The code for `reg`, given that for the two {@link ORDINARY} registers. */
function forRegister(one: Uint32Array, other: Uint32Array, reg: number): Uint32Array {
  return one.map((word, n) => {
    let made = word;
    for (const field of REGISTER_FIELDS)
      if (((word ^ other[n]!) >>> field) & 1) made = (made & ~(31 << field)) | (reg << field);
    return made;
  });
}

/**
 * Makes the routines of a guest, and the table that leads to them, for memory from `base` on, of {@link ROUTINES}.
 *
 * What an instruction word asks for is worked out once, here, and not at each trap: which register of the guest's, where
 * in memory its CP0 registers are, which of their bits exist. A routine does just that for its word, in a third of the
 * instructions that the code for all words takes.
 */
export function buildTrapRoutines(setting: RoutineSetting, base: HostVa): TrapRoutines {
  const words = new Uint32Array(ROUTINES.bytes / 4);
  const sections: CodeSection[] = [];
  let next = TABLE_BYTES / 4;
  const assemble = (emit: (asm: Assembler) => void): Assembler => {
    const asm = new Assembler({ level: setting.target.level, baseAddress: base + 4 * next });
    emit(asm);
    return asm;
  };
  const place = (code: Uint32Array): HostVa => {
    const address = base + 4 * next;
    if (next + code.length > words.length) throw new BufferLimitError(words.length);
    words.set(code, next);
    next += code.length;
    return address;
  };
  /** Places code that is to be listed. */
  const placeListed = (name: string, asm: Assembler): HostVa => {
    sections.push({ name: `routine_${name}`, address: asm.target.baseAddress, lines: asm.listing() });
    return place(asm.words());
  };
  const none = placeListed(
    "none",
    assemble((asm) => {
      asm.bind("routine_none");
      emitOtherwise(asm, setting);
    }),
  );
  words.fill(none, 0, TABLE_BYTES / 4);
  for (const group of byEntry(kindsOf(setting))) {
    const { name, word, operands } = group[0]!;
    const routine = (rt: number): Assembler => assemble((asm) => emitRoutine(asm, group, setting, rt));
    const enter = (rt: number, address: HostVa): void => {
      words[tableIndex(word | (rt << FIELD.rt))] = address;
    };
    if (operands === null) {
      enter(0, placeListed(name, routine(0)));
      continue;
    }
    const [one, other] = ORDINARY.map(routine) as [Assembler, Assembler];
    const codes = [one.words(), other.words()] as const;
    enter(ORDINARY[0], placeListed(name, one));
    const apart = new Set([zero, k0, k1, ...group.flatMap(({ borrowed }) => borrowed)]);
    for (const rt of operands)
      if (rt !== ORDINARY[0])
        enter(rt, place(apart.has(rt) ? routine(rt).words() : forRegister(...codes, rt)));
  }
  return { base, words: words.subarray(0, next), sections };
}

import { CAUSE, CONFIG, CP0, EBASE } from "../isa/cp0.ts";
import { legalPageMask } from "../machine/tlb.ts";
import { writeEntryHi } from "./emulate/tlb-ops.ts";
import { FCR } from "../isa/fpu.ts";
import type { GuestFpu } from "./guest-fpu.ts";
import { OneRegError } from "./errors.ts";
import type { VcpuState } from "./vcpu-state.ts";

/*
 * A register id (KVM_GET_ONE_REG): architecture MIPS, size, set and number.
 *
 *     63..60  7          architecture
 *     59..52  2, 3, 4    32, 64, 128 bits
 *     31..16  set        0 general, 1 CP0, 2 KVM, 3 FPU
 *     15..0   number     in the set; for CP0 number * 8 + select
 */
const ARCHITECTURE = 0x7000_0000_0000_0000n;
const SIZE = { U32: 0x0020_0000_0000_0000n, U64: 0x0030_0000_0000_0000n } as const;
const SET = { GP: 0n, CP0: 1n, KVM: 2n, FPU: 3n } as const;

type Size = keyof typeof SIZE;
type RegisterSet = keyof typeof SET;

const id = (size: Size, set: RegisterSet, number: number): bigint =>
  ARCHITECTURE | SIZE[size] | (SET[set] << 16n) | BigInt(number);

/** Numbers of the general set behind $0 to $31. */
const GP = { HI: 32, LO: 33, PC: 34 } as const;
const GP_REGISTERS = 35;

/** Numbers of the KVM set. */
const KVM_REG = { COUNT_CTL: 0, COUNT_RESUME: 1, COUNT_HZ: 2 } as const;

interface Accessor {
  readonly id: bigint;
  readonly get: (vcpu: VcpuState) => bigint;
  /** `value` is sign-extended for 32-bit registers. Throws where the register does not take it. */
  readonly set: (vcpu: VcpuState, value: bigint) => void;
}

/** The 64-bit pattern of a 32-bit register value, sign-extended as the ABI documents it. */
const extend = (value: number): bigint => BigInt.asUintN(64, BigInt(value | 0));
const low32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

function generalRegister(number: number): Accessor {
  const get = (vcpu: VcpuState): number => {
    if (number < 32) return vcpu.regs.gpr[number]!;
    return number === GP.HI ? vcpu.regs.hi : number === GP.LO ? vcpu.regs.lo : vcpu.regs.pc;
  };
  const set = (vcpu: VcpuState, value: bigint): void => {
    const word = low32(value);
    if (number === 0) return;
    if (number < 32) vcpu.regs.gpr[number] = word;
    else if (number === GP.HI) vcpu.regs.hi = word;
    else if (number === GP.LO) vcpu.regs.lo = word;
    else vcpu.regs.pc = word;
  };
  return { id: id("U64", "GP", number), get: (vcpu) => extend(get(vcpu)), set };
}

/** The control registers of the FPU lie behind its registers. */
const FPU_CONTROL = 0x100;

/** The guest's FPU, or the error of a guest without one. */
function fpuOf(vcpu: VcpuState, register: bigint): GuestFpu {
  if (vcpu.fpu !== null && vcpu.fpu.announced) return vcpu.fpu;
  throw new OneRegError(register, "the guest has no FPU");
}

function fpuControl(number: number): Accessor {
  const register = id("U32", "FPU", FPU_CONTROL + number);
  return {
    id: register,
    get: (vcpu) => extend(fpuOf(vcpu, register).control(number)),
    set: (vcpu, value) => fpuOf(vcpu, register).setControl(number, low32(value)),
  };
}

/** FPU register `n` as a word. With FR = 0 an odd one is the upper half of the double before it, by itself. */
function fpuWord(n: number): Accessor {
  const register = id("U32", "FPU", n);
  return {
    id: register,
    get: (vcpu) => extend(fpuOf(vcpu, register).word(n)),
    set: (vcpu, value) => fpuOf(vcpu, register).setWord(n, low32(value)),
  };
}

/** FPU register `n` as a double. Throws for an odd one with FR = 0. */
function fpuDouble(n: number): Accessor {
  const register = id("U64", "FPU", n);
  const holder = (vcpu: VcpuState): GuestFpu => {
    const fpu = fpuOf(vcpu, register);
    if (n % 2 === 0 || fpu.wide) return fpu;
    throw new OneRegError(register, "with Status.FR = 0 doubles are in even registers");
  };
  return {
    id: register,
    get: (vcpu) => {
      const fpu = holder(vcpu);
      return (BigInt(fpu.upper(n) >>> 0) << 32n) | BigInt(fpu.word(n) >>> 0);
    },
    set: (vcpu, value) => {
      const fpu = holder(vcpu);
      fpu.setWord(n, low32(value));
      fpu.setUpper(n, low32(value >> 32n));
    },
  };
}

/** What a VMM may change of a CP0 register (bits), where that is not all of it. */
const CONFIG4_KSCREXIST = 0xfc << CONFIG.C4_KSCREXIST_SHIFT;
// prettier-ignore
const VMM_WRITABLE: ReadonlyMap<number, number> = new Map([
  [CP0.IntCtl, 0], [CP0.Config, 0], [CP0.Config2, 0], [CP0.Config5, 0], [CP0.Config7, 0],
  // No guest has MSA, so that Config3.MSAP stays 0. Config1.FP: see `setCp0`.
  [CP0.Config1, 0],
  [CP0.Config3, CONFIG.M | CONFIG.C3_ULRI],
  [CP0.Config4, CONFIG.M | CONFIG4_KSCREXIST],
]);
/** Index.P. */
const PROBE_FAILED = 0x8000_0000;
function setCp0(vcpu: VcpuState, index: number, value: number): void {
  const { cp0, map } = vcpu;
  switch (index) {
    case CP0.Count:
      vcpu.timer.setCount(value);
      return;
    case CP0.Compare:
      vcpu.timer.restoreCompare(value);
      return;
    case CP0.Cause: {
      // Count stops first and goes on last, so that no other bit changes while it runs.
      const stop = (value & CAUSE.DC) !== 0;
      if (stop) vcpu.timer.causeWritten(value);
      cp0[index] = value;
      vcpu.interrupts.restore(value);
      if (!stop) vcpu.timer.causeWritten(value);
      return;
    }
    case CP0.Index:
      cp0[index] = value & (PROBE_FAILED | (vcpu.guestTlb.size - 1));
      return;
    case CP0.Wired:
      cp0[index] = value & (vcpu.guestTlb.size - 1);
      return;
    case CP0.EntryHi:
      writeEntryHi(vcpu, value);
      return;
    case CP0.PageMask:
      cp0[index] = legalPageMask(value);
      return;
    case CP0.EBase: {
      // A VMM may change CPUNum besides what the guest may.
      const mask = map.ebaseWritable | EBASE.CPUNUM;
      cp0[index] = (cp0[index]! & ~mask) | (value & mask);
      return;
    }
    case CP0.Config1: {
      // With KVM_CAP_MIPS_FPU the VMM may take the FPU away, and give it back.
      const mask = vcpu.fpu === null ? 0 : CONFIG.C1_FP;
      cp0[index] = (cp0[index]! & ~mask) | (value & mask);
      return;
    }
    default:
  }
  const mask = VMM_WRITABLE.get(index) ?? -1;
  cp0[index] = (cp0[index]! & ~mask) | (value & mask);
}

function cp0Register(size: Size, index: number): Accessor {
  return {
    id: id(size, "CP0", index),
    get: (vcpu) => extend(index === CP0.Count ? vcpu.timer.count() : vcpu.cp0[index]!),
    set: (vcpu, value) => setCp0(vcpu, index, low32(value)),
  };
}

/**
 * EntryLo ids stand for the MIPS64 layout: RI and XI are bits 63 and 62, the rest is where it is on MIPS32. The
 * guest's CPU has neither; what a translated MTC0 left in bits that do not exist is no one's to see.
 */
function entryLoRegister(index: number): Accessor {
  return {
    id: id("U64", "CP0", index),
    get: (vcpu) => BigInt(vcpu.guestCpu.entryLo(vcpu.cp0, index)),
    set: (vcpu, value) => {
      vcpu.cp0[index] = Number(value & 0x3fff_ffffn);
    },
  };
}

// prettier-ignore
const CP0_U64: readonly number[] = [
  CP0.EntryLo0, CP0.EntryLo1, CP0.Context, CP0.UserLocal, CP0.BadVAddr, CP0.EntryHi, CP0.EPC, CP0.EBase, CP0.ErrorEPC,
  CP0.KScratch1, CP0.KScratch2, CP0.KScratch3, CP0.KScratch4, CP0.KScratch5, CP0.KScratch6,
];
// prettier-ignore
const CP0_U32: readonly number[] = [
  CP0.Index, CP0.PageMask, CP0.Wired, CP0.HWREna, CP0.Count, CP0.Compare, CP0.Status, CP0.IntCtl, CP0.Cause, CP0.PRId,
  CP0.Config, CP0.Config1, CP0.Config2, CP0.Config3, CP0.Config4, CP0.Config5, CP0.Config7,
];

function cp0Accessor(index: number): Accessor {
  if (index === CP0.EntryLo0 || index === CP0.EntryLo1) return entryLoRegister(index);
  return cp0Register(CP0_U64.includes(index) ? "U64" : "U32", index);
}

const kvmRegister = (
  number: number,
  get: (vcpu: VcpuState) => number,
  set: (vcpu: VcpuState, value: number) => void,
): Accessor => ({
  id: id("U64", "KVM", number),
  get: (vcpu) => BigInt(get(vcpu)),
  set: (vcpu, value) => set(vcpu, Number(BigInt.asIntN(64, value))),
});

/** Every register, in the order of KVM_GET_REG_LIST: general, CP0 by number and select, then KVM's own. */
const ACCESSORS: readonly Accessor[] = [
  ...Array.from({ length: GP_REGISTERS }, (_, number) => generalRegister(number)),
  ...[...CP0_U32, ...CP0_U64].sort((a, b) => a - b).map(cp0Accessor),
  kvmRegister(
    KVM_REG.COUNT_CTL,
    (vcpu) => vcpu.timer.countControl,
    (vcpu, value) => (vcpu.timer.countControl = value),
  ),
  kvmRegister(
    KVM_REG.COUNT_RESUME,
    (vcpu) => vcpu.timer.countResume,
    (vcpu, value) => (vcpu.timer.countResume = value),
  ),
  kvmRegister(
    KVM_REG.COUNT_HZ,
    (vcpu) => vcpu.timer.countHz,
    (vcpu, value) => (vcpu.timer.countHz = value),
  ),
];
/** The FPU's, in KVM's order: control registers, then each register as a word and as a double. */
const FPU_ACCESSORS: readonly Accessor[] = [
  fpuControl(FCR.FIR),
  fpuControl(FCR.FCSR),
  ...Array.from({ length: 32 }, (_, n) => [fpuWord(n), fpuDouble(n)]).flat(),
];
const BY_ID = new Map([...ACCESSORS, ...FPU_ACCESSORS].map((accessor) => [accessor.id, accessor]));

/** KVM_GET_REG_LIST: the ids of all registers; those of the FPU, if the guest may have one, behind the general ones. */
export function regList({ fpu }: VcpuState): readonly bigint[] {
  const ids = ACCESSORS.map((accessor) => accessor.id);
  if (fpu !== null) ids.splice(GP_REGISTERS, 0, ...FPU_ACCESSORS.map((accessor) => accessor.id));
  return ids;
}

function find(register: bigint): Accessor {
  const accessor = BY_ID.get(register);
  if (accessor === undefined) throw new OneRegError(register, "there is no such register");
  return accessor;
}

/** KVM_GET_ONE_REG: the value as a 64-bit pattern, 32-bit values sign-extended. Throws {@link OneRegError}. */
export function getOneReg(vcpu: VcpuState, register: bigint): bigint {
  return find(register).get(vcpu);
}

/** KVM_SET_ONE_REG. Bits that the VMM may not change are ignored. Throws {@link OneRegError}, TimerValueError. */
export function setOneReg(vcpu: VcpuState, register: bigint, value: bigint): void {
  find(register).set(vcpu, value);
}

/** kvm_regs: 64-bit patterns of the general registers. */
export interface KvmRegs {
  readonly gpr: readonly bigint[];
  readonly hi: bigint;
  readonly lo: bigint;
  readonly pc: bigint;
}

/** KVM_GET_REGS: 32-bit values are sign-extended. */
export function getRegs(vcpu: VcpuState): KvmRegs {
  const { gpr, hi, lo, pc } = vcpu.regs;
  return { gpr: Array.from(gpr, extend), hi: extend(hi), lo: extend(lo), pc: extend(pc) };
}

/** KVM_SET_REGS: $0 stays 0. */
export function setRegs(vcpu: VcpuState, regs: KvmRegs): void {
  regs.gpr.forEach((value, number) => {
    if (number !== 0 && number < 32) vcpu.regs.gpr[number] = low32(value);
  });
  vcpu.regs.hi = low32(regs.hi);
  vcpu.regs.lo = low32(regs.lo);
  vcpu.regs.pc = low32(regs.pc);
  vcpu.inDelaySlot = false;
}

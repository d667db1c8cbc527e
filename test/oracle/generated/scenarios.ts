import { EXC_CODE, type ExcCode } from "../../../src/isa/exceptions.ts";
import { CAUSE, CP0, STATUS } from "../../../src/isa/cp0.ts";
import { GPR } from "../../../src/isa/registers.ts";
import type { Gva } from "../../../src/kvm/addresses.ts";
import { cp0Slot } from "../../../src/kvm/layout.ts";
import type { Assembler } from "../../../src/uasm/assembler.ts";
import { AT, type World } from "./world.ts";

const { zero, v0, v1, a0, a1, a2, a3, t0, t1, t2, t3, s0, k0, k1, ra } = GPR;

/** The exception with which the guest is to leave. */
export interface Exit {
  readonly code: ExcCode;
  /** Expected EPC: the instruction, or the branch before it. */
  readonly epc: Gva;
  readonly delaySlot: boolean;
  /** Expected BadVAddr, for exceptions that have one. */
  readonly badVAddr: Gva | null;
}

/** A guest program: some accesses, then an exception. */
interface Scenario {
  readonly name: string;
  readonly user: boolean;
  /** Pairs of pages that are to be in the host TLB at the end, by an address in each; the last one is last. */
  readonly touched: readonly Gva[];
  /** The program goes back to an earlier pair, so that the last one may be replaced again. */
  readonly goesBack?: boolean;
  /** False if not even the code is touched. */
  readonly runs?: boolean;
  /** A RI/XI CPU is needed. */
  readonly rixi?: boolean;
  /** A software interrupt is pending. */
  readonly interrupt?: boolean;
  /** Emits the program and returns its exits: SYSCALLs which are resumed behind, and the last one. */
  readonly emit: (asm: Assembler, world: World) => readonly Exit[];
  /** Registers that the last exit is to show, all others being as they were; null is any value. */
  readonly changed: (world: World) => Readonly<Record<number, number | null>>;
}

/** A scenario with its code in the guest's memory. */
export interface Program {
  readonly scenario: Scenario;
  readonly pc: Gva;
  readonly exits: readonly Exit[];
  readonly hostStatus: number;
  readonly hostCause: number;
  /** What the guest's registers hold at the start. */
  readonly gpr: readonly number[];
  readonly hi: number;
  readonly lo: number;
}

function leave(asm: Assembler, code: ExcCode, emit: () => void): Exit {
  const exit: Exit = { code, epc: asm.address, delaySlot: false, badVAddr: null };
  emit();
  return exit;
}
const syscall = (asm: Assembler): Exit => leave(asm, EXC_CODE.Sys, () => asm.syscall());

/** An access that faults at `badVAddr`. */
function fault(asm: Assembler, code: ExcCode, badVAddr: Gva, emit: () => void): Exit {
  return { ...leave(asm, code, emit), badVAddr };
}

/** A jump to a page that cannot be executed. */
function jumpTo(asm: Assembler, code: ExcCode, gva: Gva): Exit {
  asm.loadConstant(t0, gva);
  asm.jr(t0);
  asm.nop();
  return { code, epc: gva, delaySlot: false, badVAddr: gva };
}

/** One access that faults, as a scenario: load or store at `at(world)`. */
function faulting(
  name: string,
  code: ExcCode,
  user: boolean,
  kind: "lw" | "sw",
  at: (world: World) => Gva,
  more: Partial<Scenario> = {},
): (world: World) => Scenario {
  return (world) => ({
    name,
    user,
    touched: code === EXC_CODE.AdEL || code === EXC_CODE.AdES ? [] : [at(world)],
    emit: (asm) => {
      asm.loadConstant(t0, at(world));
      return [fault(asm, code, at(world), () => asm[kind](v0, 0, t0))];
    },
    changed: () => ({ [t0]: at(world) }),
    ...more,
  });
}

/** An instruction that faults without an address, as a scenario. */
function raising(name: string, code: ExcCode, emit: (asm: Assembler) => void): (world: World) => Scenario {
  return () => ({
    name,
    user: true,
    touched: [],
    emit: (asm) => [leave(asm, code, () => emit(asm))],
    changed: () => ({}),
  });
}

const { TLBL, TLBS, Mod, AdEL, AdES, Sys, Bp, RI, CpU, Ov, Tr, TLBRI, TLBXI, Int } = EXC_CODE;
const odd =
  (gva: Gva) =>
  (world: World): Gva =>
    world.odd(gva);
const even = (gva: Gva) => (): Gva => gva;

const SCENARIOS: readonly ((world: World) => Scenario)[] = [
  () => ({
    name: "load from guest KSeg0",
    user: false,
    touched: [AT.direct],
    emit: (asm) => {
      asm.loadConstant(t0, AT.direct + 0x124);
      asm.lw(v0, 0, t0);
      return [syscall(asm)];
    },
    changed: (world) => ({ [t0]: AT.direct + 0x124, [v0]: world.word(AT.direct + 0x124, false) }),
  }),
  (world) => ({
    name: "both halves of a pair, by one refill",
    user: true,
    touched: [AT.both],
    emit: (asm) => {
      asm.loadConstant(t0, AT.both + 0xffc);
      asm.loadConstant(t1, world.odd(AT.both));
      asm.lw(v0, 0, t0);
      asm.lw(v1, 0, t1);
      return [syscall(asm)];
    },
    changed: () => ({
      [t0]: AT.both + 0xffc,
      [t1]: world.odd(AT.both),
      [v0]: world.word(AT.both + 0xffc, true),
      [v1]: world.word(world.odd(AT.both), true),
    }),
  }),
  (world) => ({
    name: "the odd half first, by a store",
    user: true,
    touched: [AT.neighbour],
    emit: (asm) => {
      asm.loadConstant(t0, world.odd(AT.neighbour) + 0x20);
      asm.sw(a3, 0, t0);
      asm.sb(a0, 5, t0);
      asm.sh(a1, 10, t0);
      asm.lw(v0, 0, t0);
      return [syscall(asm)];
    },
    changed: () => ({ [t0]: world.odd(AT.neighbour) + 0x20, [v0]: initial(a3) }),
  }),
  (world) => ({
    name: "two tables, k0 and k1 in use as base and result",
    user: true,
    touched: [AT.both, AT.lastUser],
    emit: (asm) => {
      asm.loadConstant(k0, AT.both);
      asm.loadConstant(k1, world.odd(AT.lastUser));
      asm.lw(k0, 8, k0);
      asm.lw(k1, 12, k1);
      return [syscall(asm)];
    },
    changed: () => ({
      [k0]: world.word(AT.both + 8, true),
      [k1]: world.word(world.odd(AT.lastUser) + 12, true),
    }),
  }),
  () => ({
    name: "an unaligned load whose halves lie in two pairs",
    user: true,
    touched: [AT.both, AT.neighbour],
    emit: (asm) => {
      asm.loadConstant(t0, AT.both);
      asm.loadConstant(t1, AT.neighbour);
      asm.lwl(v0, 2, t0);
      asm.lwr(v1, 1, t1);
      asm.lbu(a0, 3, t1);
      asm.lh(a1, 6, t0);
      return [syscall(asm)];
    },
    // Which bytes they are depends on the byte order: here the two machines check each other.
    changed: () => ({ [t0]: AT.both, [t1]: AT.neighbour, [v0]: null, [v1]: null, [a0]: null, [a1]: null }),
  }),
  () => ({
    name: "a refill between LL and SC ends the link",
    user: true,
    goesBack: true,
    touched: [AT.both, AT.neighbour],
    emit: (asm) => {
      asm.loadConstant(t0, AT.both);
      asm.loadConstant(t1, AT.neighbour);
      asm.ll(v0, 0x40, t0);
      asm.lw(v1, 0, t1);
      asm.sc(a3, 0x40, t0);
      return [syscall(asm)];
    },
    changed: (world) => ({
      [t0]: AT.both,
      [t1]: AT.neighbour,
      [v0]: world.word(AT.both + 0x40, true),
      [v1]: world.word(AT.neighbour, true),
      [a3]: 0,
    }),
  }),
  () => ({
    name: "a refill in a delay slot",
    user: true,
    touched: [AT.both],
    emit: (asm) => {
      const target = asm.label();
      asm.loadConstant(t0, AT.both);
      asm.b(target);
      asm.lw(v0, 0, t0);
      asm.break();
      asm.bind(target);
      return [syscall(asm)];
    },
    changed: (world) => ({ [t0]: AT.both, [v0]: world.word(AT.both, true) }),
  }),
  (world) => ({
    name: "refills by instruction fetches",
    user: true,
    goesBack: true,
    touched: [AT.routines],
    emit: (asm) => {
      asm.loadConstant(t0, world.odd(AT.routines));
      asm.jalr(ra, t0);
      asm.nop();
      const exit = syscall(asm);
      world.assemble(world.odd(AT.routines), true, (routine) => {
        routine.jr(ra);
        routine.addiu(s0, zero, 77);
      });
      return [exit];
    },
    changed: () => ({ [t0]: world.odd(AT.routines), [ra]: null, [s0]: 77 }),
  }),
  (world) => ({
    name: "the kernel's pages of both mapped segments and the commpage",
    user: false,
    touched: [AT.both, AT.firstKernel, AT.lastKernel, world.commpage],
    emit: (asm) => {
      asm.loadConstant(t0, AT.both);
      asm.lw(v0, 0, t0);
      asm.loadConstant(t0, AT.firstKernel);
      asm.lw(v1, 0, t0);
      asm.loadConstant(t0, AT.lastKernel);
      asm.sw(a3, 0, t0);
      asm.lw(a0, world.commpage + cp0Slot(CP0.PRId), zero);
      return [syscall(asm)];
    },
    changed: () => ({
      [t0]: AT.lastKernel,
      [v0]: world.word(AT.both, false),
      [v1]: world.word(AT.firstKernel, false),
      [a0]: world.vcpu.cp0[CP0.PRId]!,
    }),
  }),
  (world) => ({
    name: "resumed twice",
    user: true,
    touched: [AT.both, AT.neighbour],
    emit: (asm) => {
      asm.loadConstant(t0, AT.both);
      const first = syscall(asm);
      asm.lw(v0, 0, t0);
      const second = syscall(asm);
      asm.loadConstant(t1, AT.neighbour);
      asm.lw(v1, 0, t1);
      return [first, second, syscall(asm)];
    },
    changed: () => ({
      [t0]: AT.both,
      [t1]: AT.neighbour,
      [v0]: world.word(AT.both, true),
      [v1]: world.word(AT.neighbour, true),
    }),
  }),
  () => ({
    name: "a sweep over many pairs",
    user: false,
    touched: AT.sweep,
    emit: (asm) => {
      asm.move(v0, zero);
      asm.loadConstant(t0, AT.sweep[0]!);
      asm.loadConstant(t1, AT.sweep.at(-1)!);
      asm.loadConstant(t3, AT.sweep[1]! - AT.sweep[0]!);
      const next = asm.bind();
      asm.lw(t2, 0x1c, t0);
      asm.addu(v0, v0, t2);
      asm.bne(t0, t1, next);
      asm.addu(t0, t0, t3);
      return [syscall(asm)];
    },
    changed: (world) => ({
      [t0]: AT.sweep.at(-1)! + AT.sweep[1]! - AT.sweep[0]!,
      [t1]: AT.sweep.at(-1)!,
      [t2]: world.word(AT.sweep.at(-1)! + 0x1c, false),
      [t3]: AT.sweep[1]! - AT.sweep[0]!,
      [v0]: AT.sweep.reduce((sum, gva) => (sum + world.word(gva + 0x1c, false)) | 0, 0),
    }),
  }),
  () => ({
    name: "a global pair, and an uncached page",
    user: true,
    touched: [AT.globalPair, AT.uncached],
    emit: (asm) => {
      asm.loadConstant(t0, AT.globalPair);
      asm.loadConstant(t1, AT.uncached);
      asm.lw(v0, 0, t0);
      asm.sw(a2, 0, t1);
      asm.lw(v1, 0, t1);
      return [syscall(asm)];
    },
    changed: (world) => ({
      [t0]: AT.globalPair,
      [t1]: AT.uncached,
      [v0]: world.word(AT.globalPair, true),
      [v1]: initial(a2),
    }),
  }),
  faulting("load from an odd half without PTE", TLBL, true, "lw", odd(AT.evenOnly)),
  faulting("store to an even half without PTE", TLBS, true, "sw", even(AT.oddOnly)),
  (world) => ({
    name: "the mapped half first, then the one without PTE",
    user: true,
    touched: [AT.oddOnly],
    emit: (asm) => {
      asm.loadConstant(t0, AT.oddOnly);
      asm.loadConstant(t1, world.odd(AT.oddOnly));
      asm.lw(v0, 0, t1);
      return [fault(asm, TLBL, AT.oddOnly + 1, () => asm.lbu(v1, 1, t0))];
    },
    changed: () => ({
      [t0]: AT.oddOnly,
      [t1]: world.odd(AT.oddOnly),
      [v0]: world.word(world.odd(AT.oddOnly), true),
    }),
  }),
  faulting("load where the table has no PTE", TLBL, true, "lw", even(AT.noPte)),
  faulting("store where the table has no PTE", TLBS, false, "sw", odd(AT.noPte)),
  faulting("load where there is no table", TLBL, true, "lw", even(AT.noTable)),
  faulting("store where there is no table", TLBS, true, "sw", odd(AT.noTable)),
  () => ({
    name: "fetch where there is no table",
    user: true,
    touched: [AT.noTable],
    emit: (asm) => [jumpTo(asm, TLBL, AT.noTable + 0x48)],
    changed: () => ({ [t0]: AT.noTable + 0x48 }),
  }),
  () => ({
    name: "an invalid page in a delay slot",
    user: true,
    touched: [AT.noPte],
    emit: (asm) => {
      asm.loadConstant(t0, AT.noPte);
      const branch = asm.address;
      asm.beqz(zero, branch);
      const exit = fault(asm, TLBS, AT.noPte + 2, () => asm.sh(v0, 2, t0));
      return [{ ...exit, epc: branch, delaySlot: true }];
    },
    changed: () => ({ [t0]: AT.noPte }),
  }),
  faulting("store to a read-only even half", Mod, true, "sw", even(AT.readOnlyEven)),
  (world) => ({
    name: "load from a read-only odd half, then a store",
    user: true,
    touched: [AT.readOnlyOdd],
    emit: (asm) => {
      asm.loadConstant(t0, world.odd(AT.readOnlyOdd));
      asm.sw(v0, AT.readOnlyOdd - world.odd(AT.readOnlyOdd), t0);
      asm.lw(v0, 0, t0);
      return [fault(asm, Mod, world.odd(AT.readOnlyOdd), () => asm.sh(v1, 0, t0))];
    },
    changed: () => ({
      [t0]: world.odd(AT.readOnlyOdd),
      [v0]: world.word(world.odd(AT.readOnlyOdd), true),
    }),
  }),
  faulting("store of the kernel to its read-only page", Mod, false, "sw", odd(AT.lastKernel)),
  faulting("load from a page that is not young", TLBL, true, "lw", even(AT.old)),
  faulting("store to a clean page", Mod, true, "sw", even(AT.clean)),
  faulting("store to a page that may not be written", Mod, true, "sw", odd(AT.clean)),
  faulting("load from a page that may not be read", TLBL, true, "lw", even(AT.noRead)),
  faulting("load from a read-inhibited page", TLBRI, true, "lw", even(AT.readInhibit), { rixi: true }),
  (world) => ({
    name: "store to a read-inhibited page",
    user: true,
    rixi: true,
    touched: [AT.readInhibit],
    emit: (asm) => {
      asm.loadConstant(t0, AT.readInhibit);
      asm.sw(a0, 16, t0);
      asm.loadConstant(t1, world.odd(AT.readInhibit));
      asm.lw(v0, 0, t1);
      return [syscall(asm)];
    },
    changed: () => ({
      [t0]: AT.readInhibit,
      [t1]: world.odd(AT.readInhibit),
      [v0]: world.word(world.odd(AT.readInhibit), true),
    }),
  }),
  (world) => ({
    name: "fetch from an execute-inhibited page",
    user: true,
    rixi: true,
    touched: [AT.executeInhibit],
    emit: (asm) => [jumpTo(asm, TLBXI, world.odd(AT.executeInhibit))],
    changed: () => ({ [t0]: world.odd(AT.executeInhibit) }),
  }),
  faulting("load from a host kernel address", AdEL, true, "lw", even(0x8000_0000)),
  faulting("store to a device of the guest", AdES, false, "sw", even(0xb800_03f8)),
  (world) => ({
    name: "an unaligned store behind a refill",
    user: true,
    touched: [AT.both],
    emit: (asm) => {
      asm.loadConstant(t0, world.odd(AT.both));
      asm.lw(v0, 0, t0);
      return [fault(asm, AdES, world.odd(AT.both) + 2, () => asm.sw(v0, 2, t0))];
    },
    changed: () => ({ [t0]: world.odd(AT.both), [v0]: world.word(world.odd(AT.both), true) }),
  }),
  raising("SYSCALL", Sys, (asm) => asm.syscall()),
  raising("BREAK", Bp, (asm) => asm.break()),
  raising("a reserved instruction", RI, (asm) => asm.rdhwr(v0, GPR.sp)),
  raising("a privileged instruction", CpU, (asm) => asm.mfc0(v0, 12, 0)),
  raising("an overflow", Ov, (asm) => asm.add(v0, a3, a3)),
  raising("a trap", Tr, (asm) => asm.teq(v0, v0)),
  () => ({
    name: "an interrupt before the first instruction",
    user: true,
    runs: false,
    interrupt: true,
    touched: [],
    emit: (asm) => [leave(asm, Int, () => asm.nop())],
    changed: () => ({}),
  }),
];

/** What the guest's register `n` holds at the start of each scenario. */
function initial(n: number): number {
  return n === 0 ? 0 : Math.imul(n, 0x0841_0821) ^ 0x7100_0000;
}

/** Bytes of code that a scenario may have. */
const SLOT = 0x40;

/** Assembles all scenarios for the world's host into its guest's memory. */
export function assemblePrograms(world: World): Program[] {
  const { rixi } = world.host.target.format;
  const scenarios = SCENARIOS.map((make) => make(world)).filter((scenario) => rixi || !scenario.rixi);
  return scenarios.map((scenario, index) => {
    const pc = (scenario.user ? AT.userCode : AT.kernelCode) + index * SLOT;
    const exits = world.assemble(pc, scenario.user, (asm) => {
      const made = scenario.emit(asm, world);
      if (asm.length * 4 > SLOT) throw new RangeError(`${scenario.name}: ${asm.length} words`);
      return made;
    });
    const interrupt = scenario.interrupt === true;
    return {
      scenario,
      pc,
      exits,
      hostStatus: STATUS.CU0 | (interrupt ? 0x100 : 0),
      hostCause: interrupt ? 0x100 | (index % 2 === 0 ? CAUSE.IV : 0) : 0,
      gpr: Array.from({ length: 32 }, (_, n) => initial(n)),
      hi: 0x1234_5678,
      lo: 0x0fed_cba9,
    };
  });
}

import { CAUSE, CP0 } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import { cp0Slot, FAST_EXIT_CODES, VCPU } from "../layout.ts";
import type { HostVa } from "../addresses.ts";
import type { CodeAddresses } from "./enter-exit.ts";
import { emitBranchTarget } from "./fast-exit-branch.ts";
import {
  emitCheckCommpage,
  emitPrivileged,
  emitReserved,
  emitSystemCall,
  type FastExitContext,
  type FastExitOptions,
} from "./fast-exit-operations.ts";
import { emitLoadUser } from "./user-access.ts";
import {
  BORROWED,
  emitBorrow,
  emitGiveBack,
  emitReadRegister,
  emitRegisterTables,
  emitWriteRegister,
  FIELD,
  slot,
} from "./fast-exit-registers.ts";
import { fieldOf, mfc0, mtc0, type CodeTarget } from "./target.ts";
import { emitFindRoutine } from "./trap-routine.ts";

const EXC_CODE_FIELD = fieldOf(CAUSE.ExcCode);

/**
 * Emits the general exception vector with fast exits: frees k0 and k1 as an exception stub does, and goes to
 * `fastExit` for the exceptions that may be settled there, to the common exit for all others. Instructions that have
 * routines by the table at `routines` go there at once.
 */
export function emitGeneralVector(
  asm: Assembler,
  target: CodeTarget,
  commonExit: number,
  fastExit: number,
  routines: HostVa | null,
): void {
  const { k0, k1 } = GPR;
  const [first, last] = [FAST_EXIT_CODES[0]!, FAST_EXIT_CODES.at(-1)!];
  mtc0(asm.comment("keep the guest's k1"), k1, target.scratch.temp);
  mfc0(asm, k1, target.scratch.vcpu);
  asm.comment("and k0").sw(k0, slot(k0), k1);
  if (routines !== null) emitFindRoutine(asm, target, routines);
  mfc0(asm, k0, CP0.Cause);
  asm.comment("ExcCode").ext(k0, k0, ...EXC_CODE_FIELD);
  asm.addiu(k0, k0, -first);
  asm.sltiu(k0, k0, last - first + 1);
  asm.bnez(k0, fastExit);
  asm.nop();
  asm.b(commonExit);
  asm.nop();
}

/** Loads the instruction that raised into a0, and goes on in a2: where the guest goes on once it is done. */
function emitFetch(asm: Assembler, target: CodeTarget, context: FastExitContext): void {
  const { at, a0, a1, a2, t0 } = GPR;
  const { tables, bail } = context;
  const plain = asm.label("not_in_a_slot");
  const fetched = asm.label("fetched");
  mfc0(asm, a2, CP0.EPC);
  if (target.badInstr) {
    mfc0(asm.comment("the instruction"), a0, CP0.BadInstr);
    asm.comment("in a delay slot?").bgez(t0, fetched);
    asm.comment("its successor").addiu(a1, a2, 4);
    mfc0(asm.comment("the branch"), a1, CP0.BadInstrP);
  } else {
    // The CPU has just fetched these words, so their page is in the TLB: nothing has been written there since.
    asm.comment("in a delay slot?").bgez(t0, plain);
    asm.comment("the slot's address, or the successor's").addiu(a1, a2, 4);
    asm.andi(at, a1, 0xfff);
    asm.comment("the branch's page may be gone").beqz(at, bail);
    asm.nop();
    emitLoadUser(asm, target, a0, a1);
    emitLoadUser(asm, target, a1, a2);
  }
  emitBranchTarget(asm, tables, bail);
  asm.b(fetched);
  asm.move(a1, a2);
  if (!target.badInstr) {
    asm.bind(plain);
    emitLoadUser(asm, target, a0, a2);
  }
  asm.bind(fetched);
  asm.move(a2, a1);
}

/**
 * Emits the fast exits: privileged instructions, RDHWR and system calls of the guest that need nothing but its
 * registers are settled without leaving the machine. Whatever is not as simple as that goes to the common exit, with
 * nothing changed; the hypervisor does the same things there, in all their variants.
 *
 * Entered from {@link emitGeneralVector}. While it runs: k1 = VCPU pointer, t0 = Cause, v1 = guest CP0 array, v0 =
 * its Status, a0 = the instruction, a2 = where the guest goes on.
 */
export function emitFastExit(
  asm: Assembler,
  target: CodeTarget,
  at: CodeAddresses,
  commonExit: number,
  options: FastExitOptions,
): void {
  const { at: tmp, k0, k1, v0, v1, a0, a2, t0, t2 } = GPR;
  const tables = { read: asm.label("read_register"), write: asm.label("write_register") };
  const finish = asm.label("settled");
  const context: FastExitContext = {
    target,
    addresses: at,
    options,
    tables,
    operand: {
      read: () => emitReadRegister(asm, tables, a0, FIELD.rt),
      write: () => emitWriteRegister(asm, tables),
    },
    bail: asm.label("not_settled"),
    undo: asm.label("undo_status"),
    finish,
    done: (slotOf = () => asm.nop()) => {
      asm.b(finish);
      slotOf();
    },
  };
  const reserved = asm.label("fast_reserved");
  const systemCall = asm.label("fast_syscall");
  const fetch = asm.label("fetch_instruction");

  emitBorrow(asm, BORROWED);
  mfc0(asm, t0, CP0.Cause);
  asm.comment("guest CP0 array").lw(v1, VCPU.cop0, k1);
  asm.comment("virtual Status").lw(v0, cp0Slot(CP0.Status), v1);
  asm.comment("the address space that is live").lw(t2, VCPU.liveMode, k1);
  if (options.commpage) emitCheckCommpage(asm, context);
  asm.comment("ExcCode").ext(tmp, t0, ...EXC_CODE_FIELD);
  asm.addiu(tmp, tmp, -EXC_CODE.Sys);
  asm.beqz(tmp, systemCall);
  asm.addiu(tmp, tmp, EXC_CODE.Sys - EXC_CODE.RI);
  asm.beqz(tmp, fetch);
  asm.addiu(tmp, tmp, EXC_CODE.RI - EXC_CODE.CpU);
  asm.bnez(tmp, context.bail);
  asm.comment("which coprocessor?").ext(tmp, t0, ...fieldOf(CAUSE.CE));
  asm.or(tmp, tmp, t2);
  asm.comment("CP0, in kernel mode").bnez(tmp, context.bail);
  asm.bind(fetch);
  emitFetch(asm, target, context);
  asm.ext(tmp, t0, ...EXC_CODE_FIELD);
  asm.addiu(tmp, tmp, -EXC_CODE.RI);
  asm.beqz(tmp, reserved);
  asm.nop();
  emitPrivileged(asm, context);

  asm.bind(reserved);
  emitReserved(asm, context);

  asm.bind(systemCall);
  emitSystemCall(asm, context);

  asm.bind(finish);
  mtc0(asm, a2, CP0.EPC);
  asm.comment("count it by its ExcCode").ext(tmp, t0, ...EXC_CODE_FIELD);
  asm.sll(tmp, tmp, 2);
  asm.addu(tmp, tmp, k1);
  const counter = VCPU.fastExits - 4 * FAST_EXIT_CODES[0]!;
  asm.lw(k0, counter, tmp);
  asm.addiu(k0, k0, 1);
  asm.sw(k0, counter, tmp);
  emitGiveBack(asm, BORROWED);
  asm.lw(k0, slot(k0), k1);
  asm.clearHazard();
  mfc0(asm.comment("the guest's k1"), k1, target.scratch.temp);
  asm.eret();

  asm.bind(context.undo);
  asm.sw(v0, cp0Slot(CP0.Status), v1);
  asm.bind(context.bail);
  emitGiveBack(asm, BORROWED);
  asm.b(commonExit);
  asm.nop();

  emitRegisterTables(asm, target, tables, finish);
}

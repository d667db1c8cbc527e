import { CP0, STATUS } from "../../isa/cp0.ts";
import { FCR } from "../../isa/fpu.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { Label } from "../../uasm/label.ts";
import type { HostVa } from "../addresses.ts";
import { ASID_MASK } from "../asid.ts";
import { GUEST_MODE_MASK, GUEST_USER_MODE } from "../guest-mode.ts";
import { MM } from "../host-mm.ts";
import { cp0Slot, FPU_AREA, fpuArea, userMm, VCPU } from "../layout.ts";
import { emitCpuOffset } from "./cpu-number.ts";
import { ARGUMENT_AREA, CALLEE_SAVED, FRAME } from "./frame.ts";
import { mfc0, mtc0, type CodeTarget } from "./target.ts";

/** Addresses that the generated code refers to. All lie in kseg0. */
export interface CodeAddresses {
  /** The guest's exception vectors: the block itself. */
  readonly guestEbase: HostVa;
  /** The host kernel's exception vectors. */
  readonly hostEbase: HostVa;
  /** Routine made by `emitSetPgd`. */
  readonly setPgd: HostVa;
  /** The hypervisor's exit handler: a0 = VCPU pointer, result in v0 ({@link exitResult}). */
  readonly handleExit: HostVa;
  /** Word that holds the current pgd; with several CPUs a word for each. */
  readonly pgdCurrent: HostVa;
}

/** Result bits of the exit handler. */
const TO_VMM = 2;

/** What the exit handler returns to go on in the guest. */
export const RESUME_GUEST = 0;

/** What the exit handler returns to go back to the VMM with `errno`, 0 or negative: the result of vcpu_run. */
export function exitResult(errno: number): number {
  return (errno << 2) | TO_VMM;
}

/** Status bits of a guest while EXL is still set; the host's interrupt mask comes on top. */
const GUEST_STATUS = STATUS.EXL | STATUS.UM | STATUS.IE;

/** Calls a routine: JAL where it reaches, that is in the same 256 MiB, else through t9. `slot` emits the delay slot. */
function call(asm: Assembler, routine: HostVa, slot: () => void): void {
  if ((asm.address + 4) >>> 28 === routine >>> 28) asm.jal(routine);
  else {
    asm.loadAddress(GPR.t9, routine);
    asm.jalr(GPR.ra, GPR.t9);
  }
  slot();
}

/** Switches EBase, which may change only while Status.BEV is 1; BEV is set by the caller. Clobbers `tmp`. */
function emitEbase(asm: Assembler, tmp: number, ebase: HostVa): void {
  asm.loadAddress(tmp, ebase);
  mtc0(asm.comment("exceptions go there from now on"), tmp, CP0.EBase);
}

/**
 * Emits `vcpu_run(a0 = VCPU pointer)`, an ordinary function for its caller: keeps the host's state and falls
 * into the code of {@link emitEnterGuest}, which must follow.
 */
export function emitVcpuRun(asm: Assembler, target: CodeTarget, at: CodeAddresses): void {
  const { k0, k1, v0, v1, a0, sp, gp } = GPR;
  const { scratch } = target;
  asm.comment("frame below the caller's stack").addiu(k1, sp, -FRAME.bytes);
  CALLEE_SAVED.forEach((reg, index) => asm.sw(reg, FRAME.saved + 4 * index, k1));
  mfc0(asm, v1, CP0.Status);
  asm.sw(v1, FRAME.status, k1);
  mfc0(asm.comment("host's value of the VCPU pointer register"), v0, scratch.vcpu);
  asm.sw(v0, FRAME.vcpuScratch, k1);
  if (scratch.saveTemp) {
    mfc0(asm.comment("and of the temporary"), v0, scratch.temp);
    asm.sw(v0, FRAME.tempScratch, k1);
  }
  mtc0(asm, a0, scratch.vcpu);
  asm.move(k1, a0);
  asm.sw(sp, VCPU.hostSp, k1);
  asm.sw(gp, VCPU.hostGp, k1);
  asm.comment("BEV while EBase changes").loadConstant(k0, STATUS.BEV | STATUS.EXL | STATUS.UM);
  mtc0(asm, k0, CP0.Status);
  asm.clearHazard();
  emitEbase(asm, k0, at.guestEbase);
  asm.comment("host's interrupt mask, CU0 clear").andi(v1, v1, STATUS.IM);
  asm.ori(v1, v1, GUEST_STATUS);
  mtc0(asm, v1, CP0.Status);
  asm.clearHazard();
}

/**
 * Emits what entry and resume share, from k1 = VCPU pointer with guest EBase and Status in place: selects the
 * address space of the guest's mode, loads the guest's registers and leaves with ERET.
 */
export function emitEnterGuest(asm: Assembler, target: CodeTarget, at: CodeAddresses): void {
  const { k0, k1, a0, t0, t1, t2 } = GPR;
  const modeKnown = asm.label("mode_known");
  asm.lw(t0, VCPU.pc, k1);
  mtc0(asm, t0, CP0.EPC);
  asm.comment("guest CP0 array").lw(t0, VCPU.cop0, k1);
  asm.comment("virtual Status").lw(t0, cp0Slot(CP0.Status), t0);
  asm.andi(t0, t0, GUEST_MODE_MASK);
  asm.comment("zero in user mode").xori(t0, t0, GUEST_USER_MODE);
  asm.bnez(t0, modeKnown);
  asm.comment("kernel's address space").addiu(t1, k1, VCPU.kernelMm);
  asm.comment("no, the user's").addiu(t1, k1, userMm(target.cpus));
  asm.bind(modeKnown);
  let words = t1;
  if (target.cpus > 1) {
    emitCpuOffset(asm, t2);
    asm.addu(t2, t2, t1);
    words = t2;
  }
  asm.comment("version | ASID").lw(k0, MM.context, words);
  asm.comment("its root").lw(a0, MM.pgd, t1);
  asm.andi(k0, k0, ASID_MASK);
  call(asm.comment("make it the current pgd"), at.setPgd, () =>
    mtc0(asm.comment("root and ASID change together"), k0, CP0.EntryHi),
  );
  asm.clearHazard();
  mtc0(asm.comment("every RDHWR of the guest traps"), GPR.zero, CP0.HWREna);
  for (let reg = 1; reg < 32; reg++) if (reg !== k0 && reg !== k1) asm.lw(reg, VCPU.gprs + 4 * reg, k1);
  asm.lw(k0, VCPU.hi, k1);
  asm.mthi(k0);
  asm.lw(k0, VCPU.lo, k1);
  asm.mtlo(k0);
  asm.lw(k0, VCPU.gprs + 4 * k0, k1);
  asm.lw(k1, VCPU.gprs + 4 * k1, k1);
  asm.eret();
}

/**
 * Emits the common exit, from k1 = VCPU pointer, guest k0 in its slot, guest k1 in the temporary: saves the
 * guest, restores the host except for ASID and pgd, and calls the exit handler. The guest's address space
 * stays live, so that the handler can reach guest memory as user memory. Goes on with {@link emitDispatch}.
 * `withFpu`: the guest may have the FPU.
 */
export function emitCommonExit(
  asm: Assembler,
  target: CodeTarget,
  at: CodeAddresses,
  withFpu: boolean,
): void {
  const { k0, k1, v0, a0, s0, t0, t1, sp, gp, at: assemblerTemp } = GPR;
  const { scratch } = target;
  for (let reg = 0; reg < 32; reg++) if (reg !== k0 && reg !== k1) asm.sw(reg, VCPU.gprs + 4 * reg, k1);
  asm.mfhi(t0);
  asm.mflo(t1);
  asm.sw(t0, VCPU.hi, k1);
  asm.sw(t1, VCPU.lo, k1);
  asm.clearHazard();
  mfc0(asm.comment("the guest's k1"), t0, scratch.temp);
  asm.sw(t0, VCPU.gprs + 4 * k1, k1);
  asm.comment("survives the exit handler").move(s0, k1);
  const kept: [cp0: number, slot: number][] = [
    [CP0.EPC, VCPU.pc],
    [CP0.BadVAddr, VCPU.badVAddr],
    [CP0.Cause, VCPU.cause],
  ];
  if (target.badInstr) kept.push([CP0.BadInstr, VCPU.badInstr], [CP0.BadInstrP, VCPU.badInstrP]);
  for (const [cp0, slot] of kept) {
    mfc0(asm, t0, cp0);
    asm.sw(t0, slot, k1);
  }
  mfc0(asm, v0, CP0.Status);
  asm.comment("BEV while EBase changes").lui(assemblerTemp, STATUS.BEV >>> 16);
  asm.or(k0, v0, assemblerTemp);
  mtc0(asm, k0, CP0.Status);
  asm.clearHazard();
  emitEbase(asm, k0, at.hostEbase);
  if (withFpu) emitSaveFcsr(asm, target);
  asm.comment("IE, EXL, ERL and mode off").ins(v0, GPR.zero, 0, 5);
  asm.lui(assemblerTemp, STATUS.CU0 >>> 16);
  asm.or(v0, v0, assemblerTemp);
  mtc0(asm.comment("as it was before BEV"), v0, CP0.Status);
  asm.clearHazard();
  asm.lw(gp, VCPU.hostGp, k1);
  asm.lw(sp, VCPU.hostSp, k1);
  asm.addiu(sp, sp, -FRAME.bytes);
  asm.lw(k0, FRAME.vcpuScratch, sp);
  mtc0(asm.comment("host's scratch registers"), k0, scratch.vcpu);
  if (scratch.saveTemp) {
    asm.lw(k0, FRAME.tempScratch, sp);
    mtc0(asm, k0, scratch.temp);
  }
  asm.loadConstant(k0, target.hwrena);
  mtc0(asm.comment("host's HWREna"), k0, CP0.HWREna);
  asm.move(a0, s0);
  call(asm.comment("handle_exit(vcpu)"), at.handleExit, () => asm.addiu(sp, sp, -ARGUMENT_AREA));
}

/**
 * Emits: saves FCSR and clears it, if Status in v0 says that the guest had the FPU. Otherwise an exception that it has
 * enabled could be raised in the host.
 */
function emitSaveFcsr(asm: Assembler, target: CodeTarget): void {
  const { k1, v0, t0, zero, at: assemblerTemp } = GPR;
  const notLive = asm.label("fpu_not_live");
  asm.comment("the guest had the FPU").lui(assemblerTemp, STATUS.CU1 >>> 16);
  asm.and(assemblerTemp, assemblerTemp, v0);
  asm.beqz(assemblerTemp, notLive);
  asm.nop();
  asm.cfc1(t0, FCR.FCSR);
  asm.sw(t0, fpuArea(target.cpus) + FPU_AREA.fcsr, k1);
  asm.ctc1(zero, FCR.FCSR);
  asm.bind(notLive);
}

/** Emits what follows the exit handler: goes on to `enterGuest` or returns from vcpu_run, as v0 says. */
export function emitDispatch(asm: Assembler, target: CodeTarget, at: CodeAddresses, enterGuest: Label): void {
  const { k0, k1, v0, v1, s0, t0, ra, at: assemblerTemp } = GPR;
  const returnToVmm = asm.label("return_to_vmm");
  asm.comment("the handler ran with interrupts on").di(GPR.zero);
  asm.clearHazard();
  asm.andi(t0, v0, TO_VMM);
  asm.bnez(t0, returnToVmm);
  asm.move(k1, s0);

  asm.bind("resume_guest");
  mtc0(asm, s0, target.scratch.vcpu);
  mfc0(asm, v1, CP0.Status);
  asm.comment("BEV while EBase changes").lui(assemblerTemp, STATUS.BEV >>> 16);
  asm.or(k0, v1, assemblerTemp);
  mtc0(asm, k0, CP0.Status);
  asm.clearHazard();
  emitEbase(asm, k0, at.guestEbase);
  asm.ori(v1, v1, GUEST_STATUS);
  asm.comment("CU0 off").ins(v1, GPR.zero, 28, 1);
  mtc0(asm, v1, CP0.Status);
  asm.b(enterGuest);
  asm.clearHazard();

  asm.bind(returnToVmm);
  // EBase, HWREna and both scratch registers are the host's since the exit; interrupts stay off.
  asm.lw(k1, VCPU.hostSp, k1);
  asm.addiu(k1, k1, -FRAME.bytes);
  asm.comment("errno").sra(v0, v0, 2);
  CALLEE_SAVED.forEach((reg, index) => asm.lw(reg, FRAME.saved + 4 * index, k1));
  asm.jr(ra);
  asm.nop();
}

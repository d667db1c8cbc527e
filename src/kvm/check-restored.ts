import { CONTEXT, CP0, EBASE, ENTRY_HI, ENTRY_LO, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import type { CpuSnapshot, RegistersSnapshot } from "../machine/cpu-snapshot.ts";
import type { MachineSnapshot } from "../machine/machine-snapshot.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { fromKseg0, toKseg0 } from "./addresses.ts";
import { RESUME_GUEST } from "./entry/enter-exit.ts";
import { CALLEE_SAVED, FRAME } from "./entry/frame.ts";
import { InvariantError } from "./errors.ts";
import { FPU_STATUS } from "./guest-fpu.ts";
import { checkMappings } from "./invariants.ts";
import type { LoopSnapshot } from "./run-loop.ts";
import type { Vcpu } from "./vcpu.ts";

/** CP0 registers of the host that are not the same all the time. Those that generated code keeps values in come on top. */
const VARIABLE: ReadonlySet<number> = new Set([
  ...[CP0.Index, CP0.Random, CP0.EntryLo0, CP0.EntryLo1, CP0.BadVAddr, CP0.Count, CP0.EntryHi, CP0.Compare],
  ...[CP0.Status, CP0.Cause, CP0.EPC, CP0.LLAddr, CP0.EBase, CP0.HWREna, CP0.BadInstr, CP0.BadInstrP],
  ...[CP0.ITagLo, CP0.DTagLo],
]);
/** Those with an upper half that is not always 0. */
const VARIABLE_HIGH: ReadonlySet<number> = new Set([CP0.EntryLo0, CP0.EntryLo1, CP0.LLAddr]);
/** Status of guest code, without the host's interrupt mask. */
const GUEST_CODE = STATUS.UM | STATUS.IE;
/** The only hardware interrupt line that is ever raised: it takes the CPU out of the guest. */
const KICK_LINES = 1 << 2;

function refuse(what: string): never {
  throw new SnapshotError(`the snapshot is inconsistent: ${what}`);
}

/** What a snapshot has to be held against. */
export interface Restored {
  readonly vcpu: Vcpu;
  readonly loop: LoopSnapshot;
  readonly machine: MachineSnapshot;
  /** CP0 of each host CPU as the host's kernel has set it up. */
  readonly hostCp0: readonly Int32Array[];
}

/**
 * Checks what was restored from a file, as far as the host depends on it. Whatever a file says of a guest, only the
 * guest may suffer: nobody but the host's own code is executed in kernel mode, from where it begins, with its own
 * registers and stack; and nothing that the guest can reach leads to the hypervisor's memory. Throws SnapshotError.
 */
export function checkRestored(restored: Restored): void {
  const { vcpu, loop, machine } = restored;
  const { regs, host } = vcpu;
  for (const [n, { cpu }] of machine.cpus.entries()) checkCpu(restored, n, cpu);
  if (regs.cop0 !== regs.cp0Page) refuse("the guest's registers are elsewhere");
  if (loop.phase !== "outside") checkStack(restored);
  host.machine.cpus.forEach((_, n) => {
    const isGuests = loop.phase !== "outside" && n === loop.hostCpu;
    if (host.vmmRunsOn.has(n) === isGuests) refuse(`host CPU ${n} is in two places`);
  });
  checkTlbs(vcpu);
  try {
    checkMappings(vcpu);
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    throw new SnapshotError(`the snapshot is inconsistent: ${error.message}`, { cause: error });
  }
}

function checkCpu(restored: Restored, n: number, { registers, lines, waiting }: CpuSnapshot): void {
  const { vcpu, loop } = restored;
  const { scratch } = vcpu.host.target;
  const { cp0, cp0High } = registers;
  const before = restored.hostCp0[n]!;
  const kept = new Set([scratch.hostHandler, scratch.pgd, scratch.vcpu, scratch.temp]);
  for (let index = 0; index < cp0.length; index++) {
    if (!VARIABLE_HIGH.has(index) && cp0High[index] !== 0) refuse(`CP0 of host CPU ${n} is not the host's`);
    if (VARIABLE.has(index) || kept.has(index)) continue;
    const fixed = index === CP0.Context ? ~CONTEXT.BADVPN2 : -1;
    if (((cp0[index]! ^ before[index]!) & fixed) !== 0) refuse(`CP0 of host CPU ${n} is not the host's`);
  }
  if ((cp0[CP0.EntryHi]! & ~(ENTRY_HI.VPN2 | ENTRY_HI.ASID)) !== 0)
    refuse(`EntryHi of host CPU ${n} is wrong`);
  if (waiting || (lines & ~KICK_LINES) !== 0) refuse(`host CPU ${n} waits, or is interrupted`);
  const isLoaded = n === loop.hostCpu;
  const inGuest = isLoaded && loop.phase === "guest" && (cp0[CP0.Status]! & STATUS.UM) !== 0;
  const fpuBits = isLoaded && vcpu.fpu?.isLive === true ? FPU_STATUS : 0;
  const mask = before[CP0.Status]! & STATUS.IM;
  const status = inGuest ? mask | GUEST_CODE : before[CP0.Status]!;
  if (((cp0[CP0.Status]! ^ status) & ~fpuBits) !== 0) refuse(`Status of host CPU ${n} is wrong`);
  const ebase = inGuest ? vcpu.code.block : before[CP0.EBase]!;
  if (((cp0[CP0.EBase]! ^ ebase) & EBASE.BASE) !== 0) refuse(`EBase of host CPU ${n} is wrong`);
  if (cp0[CP0.HWREna] !== (inGuest ? 0 : before[CP0.HWREna])) refuse(`HWREna of host CPU ${n} is wrong`);
  if (inGuest && cp0[scratch.vcpu] !== (vcpu.regs.pointer | 0)) refuse("the guest's vcpu is elsewhere");
  if (!isLoaded || loop.phase === "outside") return;
  // In front of vcpu_run it is the VMM's.
  if (registers.pc !== vcpu.code.vcpuRun) checkAddressSpace(restored, n, cp0);
  if (!inGuest) checkHostCode(restored, registers);
}

/** The address space of the guest's mode is live on host CPU `n`. */
function checkAddressSpace({ vcpu }: Restored, n: number, cp0: Int32Array): void {
  const { regs, host, machine } = vcpu;
  const { pgd } = host.target.scratch;
  const pgdWord = machine.memory.read32(fromKseg0(host.pgdCurrent) + 4 * n);
  const live = pgd === null ? pgdWord : cp0[pgd]! >>> 0;
  const isLive = [regs.kernelMm, regs.userMm].some(
    (mm) => live === toKseg0(mm.pgd) && (cp0[CP0.EntryHi]! & ENTRY_HI.ASID) === host.asids.asid(mm, n),
  );
  const roots = [...vcpu.mmu.roots(false), ...vcpu.mmu.roots(true)];
  if (!isLive && !roots.some((root) => live === toKseg0(root.pgd)))
    refuse("the guest's page table is elsewhere");
}

/**
 * The CPU stands in front of host code, behind the call of the exit handler or at vcpu_run, with what that needs, and
 * goes on from there: not to where a branch before it would lead.
 */
function checkHostCode({ vcpu, loop }: Restored, { gpr, pc, branchTarget }: RegistersSnapshot): void {
  const { regs, host, code } = vcpu;
  const { pointer } = regs;
  const holds = (register: number, value: number): boolean => gpr[register]! >>> 0 === value >>> 0;
  const afterExit =
    holds(GPR.s0, pointer) &&
    holds(GPR.ra, code.entries["after_exit_handler"]!) &&
    loop.hostPc === host.afterExit;
  const isResuming = pc === host.afterExit && afterExit && holds(GPR.v0, RESUME_GUEST);
  const isEntering =
    pc === code.vcpuRun &&
    holds(GPR.a0, pointer) &&
    holds(GPR.sp, host.stackTopOf(loop.hostCpu)) &&
    holds(GPR.ra, host.code.vcpuReturned);
  // Parked, the CPU goes on where the loop says, wherever it is.
  const isThere = loop.phase === "parked" ? afterExit : isResuming || isEntering;
  if (!isThere || branchTarget !== null) refuse("a host CPU stands in the middle of the hypervisor");
}

/** The stack leads back to whoever called vcpu_run. */
function checkStack({ vcpu, loop }: Restored): void {
  const { regs, host, machine } = vcpu;
  // Before its first instruction vcpu_run has saved nothing.
  if (machine.cpus[loop.hostCpu]!.pc === vcpu.code.vcpuRun) return;
  const top = host.stackTopOf(loop.hostCpu);
  const frame = fromKseg0(top) - FRAME.bytes + FRAME.saved;
  const returnTo = machine.memory.read32(frame + 4 * CALLEE_SAVED.indexOf(GPR.ra));
  if (regs.hostSp !== top || returnTo !== host.code.vcpuReturned) refuse("the host's stack is damaged");
}

/**
 * What the host TLBs have is what the host has written: an entry that matches where another does, or matches more than
 * a pair of its pages, would have the host's own writes end in a machine check, or the guest exit for ever. No valid
 * one leads to the hypervisor's memory, but to the guest's commpage.
 */
function checkTlbs({ machine, host, map, regs, pageSize }: Vcpu): void {
  const { geometry } = host.target;
  const isReachable = (lo: number): boolean => {
    const hpa = ((lo & ENTRY_LO.PFN) >>> ENTRY_LO.PFN_SHIFT) * 4096;
    return hpa === regs.cp0Page || (hpa >= host.pages.end && hpa + pageSize <= machine.memory.size);
  };
  for (const { tlb } of machine.cpus)
    for (let index = 0; index < tlb.entries; index++) {
      if (!tlb.isUsed(index)) continue;
      const entry = tlb.read(index);
      const { entryHi, pageMask, entryLo0, entryLo1 } = entry;
      const valid = [entryLo0, entryLo1].filter((lo) => (lo & ENTRY_LO.V) !== 0);
      const isGuests = (entryHi & ENTRY_HI.VPN2) >>> 0 <= map.lastGva;
      const isDropped = valid.length === 0 && entryHi === host.tlb.uniqueEntryHi(index) >>> 0;
      const isFine =
        (isGuests || isDropped) &&
        pageMask === geometry.pageMask &&
        tlb.takes(index, entryHi, pageMask) &&
        !tlb.isGlobal(index) &&
        !tlb.conflicts(index, entry) &&
        tlb.readHigh(index).every((high) => high === 0) &&
        valid.every(isReachable);
      if (!isFine) refuse("a host TLB has what no guest can have");
    }
}

/** The hypervisor: what a VMM uses. */
export {
  DEFAULT_GUEST_TLB,
  DEFAULT_GVA_ROOTS,
  Kvm,
  Vm,
  MAX_VCPUS,
  type VmOptions,
  type VmSnapshot,
} from "./vm.ts";
export { Vcpu, type VcpuOptions } from "./vcpu.ts";
export { EVA_MAP, needsEva, TE_MAP, type GuestMap } from "./guest-map.ts";
export { guestAsid } from "./vcpu-state.ts";
export { GuestState } from "./guest-state.ts";
export { GUEST_TLB_SIZES } from "./guest-tlb.ts";
export { HostKernel, type HostKernelOptions } from "./host-kernel.ts";
export { fastExitOptions } from "./fast-exits.ts";
export { GuestCpu } from "./guest-cp0.ts";
export type { HostPageSize } from "./page-format.ts";
export { MAX_MEMSLOTS, type Memslot } from "./memslots.ts";
export type { RefillMode } from "./shadow-mmu.ts";
export { COUNTER_NAMES, VcpuStats, type CounterName, type ExitCause } from "./stats.ts";
export { HWR_OP, HWR_REGISTER, TRACE_EXIT, type Tracer } from "./trace.ts";
export { KVM_EXIT, type InternalErrorReport, type MmioExit, type VcpuExit } from "./vcpu-exit.ts";
export * from "./errors.ts";
export type { KvmRegs } from "./one-reg.ts";

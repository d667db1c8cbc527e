import type { VcpuState } from "./vcpu-state.ts";
export function checkInvariants(_vcpu: VcpuState): void {}

import { CPU_MODELS, type CpuModel } from "../../src/machine/cpu-models.ts";
import { Machine } from "../../src/machine/machine.ts";
import { formatCode, type RefillKind } from "../../src/kvm/entry/code-block.ts";
import { NETLOGIC_SCRATCH } from "../../src/kvm/entry/scratch.ts";
import { GUEST_STATUS_WRITABLE } from "../../src/kvm/guest-cp0.ts";
import { HostKernel, type HostKernelOptions } from "../../src/kvm/host-kernel.ts";
import type { HostPageSize } from "../../src/kvm/page-format.ts";

function newHost(model: CpuModel, options: HostKernelOptions): HostKernel {
  const config = { model, endian: "little", ramBytes: 2 ** 20, guestTime: "user", hostCalls: true } as const;
  return new HostKernel(new Machine(config, () => ({ run: () => 0 })), options);
}

/** The generated code of one host, as text: the host kernel's first, then that of a vcpu without fast exits. */
function listing(model: CpuModel, options: HostKernelOptions, refill: RefillKind): string {
  const host = newHost(model, options);
  return `${formatCode(host.code)}\n${formatCode(host.buildVcpuCode(refill))}`;
}

/** The code that fast exits add. */
function fastExitListing(model: CpuModel): string {
  const host = newHost(model, { pageSize: 4096 });
  const code = host.buildVcpuCode("fast", { statusWritable: GUEST_STATUS_WRITABLE });
  const sections = code.sections.filter(({ name }) => name === "general" || name === "fast_exit");
  return formatCode({ ...code, sections });
}

/** Every golden file of the generated code: name below test/golden, and what it must hold. */
export function goldenFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const model of Object.values(CPU_MODELS))
    for (const pageSize of [4096, 16384] as HostPageSize[])
      files.set(`entry/${model.name}-${pageSize / 1024}k.txt`, listing(model, { pageSize }, "fast"));
  const plain = CPU_MODELS["24Kc"]!;
  files.set("entry/24Kc-4k-slow-refill.txt", listing(plain, { pageSize: 4096 }, "slow"));
  const p5600 = CPU_MODELS["P5600"]!;
  files.set("entry/P5600-4k-xpa.txt", listing(p5600, { pageSize: 4096, xpa: true }, "fast"));
  files.set("entry/P5600-4k-eva.txt", listing(p5600, { pageSize: 4096, eva: true }, "fast"));
  for (const model of [plain, p5600]) files.set(`entry/${model.name}-fast-exits.txt`, fastExitListing(model));
  const netlogic = { pageSize: 4096, scratch: NETLOGIC_SCRATCH } as const;
  files.set("entry/netlogic-scratch-4k.txt", listing(plain, netlogic, "fast"));
  return files;
}

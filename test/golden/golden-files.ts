import { CPU_MODELS, type CpuModel } from "../../src/machine/cpu-models.ts";
import { Machine } from "../../src/machine/machine.ts";
import { formatCode, type RefillKind } from "../../src/kvm/entry/code-block.ts";
import { emitGuestRefill, emitHostRefill } from "../../src/kvm/entry/refill.ts";
import { NETLOGIC_SCRATCH, selectScratch, type ScratchBank } from "../../src/kvm/entry/scratch.ts";
import { emitSetPgd } from "../../src/kvm/entry/set-pgd.ts";
import type { CodeTarget } from "../../src/kvm/entry/target.ts";
import { fastExitOptions } from "../../src/kvm/fast-exits.ts";
import { GuestCpu } from "../../src/kvm/guest-cp0.ts";
import { DEFAULT_GUEST_TLB } from "../../src/kvm/vm.ts";
import { HostKernel, type HostKernelOptions } from "../../src/kvm/host-kernel.ts";
import { PteFormat, tableGeometry64, type HostPageSize } from "../../src/kvm/page-format.ts";
import { Assembler } from "../../src/uasm/assembler.ts";
import { formatListing } from "../../src/uasm/listing.ts";

/** Where the CP0 registers of the guests are. */
const GUEST_CP0 = 0x6000;

function newHost(model: CpuModel, options: HostKernelOptions, cpus: number): HostKernel {
  const config = {
    model,
    cpus,
    endian: "little",
    ramBytes: 2 ** 20,
    guestTime: "user",
    hostCalls: true,
  } as const;
  return new HostKernel(new Machine(config, () => ({ run: () => 0 })), options);
}

/** The generated code of one host, as text: the host kernel's first, then that of a vcpu without fast exits. */
function listing(model: CpuModel, options: HostKernelOptions, refill: RefillKind, cpus = 1): string {
  const host = newHost(model, options, cpus);
  return `${formatCode(host.code)}\n${formatCode(host.buildVcpuCode(refill))}`;
}

/** The code that fast exits add. */
function fastExitListing(model: CpuModel, cpus = 1, commpage = false): string {
  const host = newHost(model, { pageSize: 4096 }, cpus);
  const code = host.buildVcpuCode(
    "fast",
    fastExitOptions(new GuestCpu(DEFAULT_GUEST_TLB, null), GUEST_CP0, commpage),
  );
  const sections = code.sections.filter(({ name }) => name === "general" || name === "fast_exit");
  return formatCode({ ...code, sections: [...sections, ...(code.routines?.sections ?? [])] });
}

/** The code of a vcpu whose guest may have the FPU, as far as it is another one. */
function guestFpuListing(model: CpuModel): string {
  const host = newHost(model, { pageSize: 4096 }, 1);
  const code = host.buildVcpuCode(
    "fast",
    fastExitOptions(new GuestCpu(DEFAULT_GUEST_TLB, model.fpu), GUEST_CP0, false),
    true,
  );
  const sections = code.sections.filter(({ name }) => name === "fast_exit" || name === "exit_and_entry");
  return formatCode({ ...code, sections });
}

/** Kinds of 64-bit hosts: their CPUs are not executed yet, so there is no model to find out from. */
const HOSTS_64: readonly { readonly name: string; readonly scratch: ScratchBank; readonly rixi: boolean }[] =
  [
    { name: "64-bit", scratch: { register: 31, selects: 0xfc }, rixi: false },
    { name: "64-bit-no-kscratch", scratch: { register: 31, selects: 0 }, rixi: false },
    { name: "64-bit-rixi", scratch: { register: 31, selects: 0xfc }, rixi: true },
    { name: "XLP", scratch: NETLOGIC_SCRATCH, rixi: false },
  ];
/** Bits of their EntryLo that the hardware ignores: physical addresses have 40. */
const FILL_BITS_64 = 24;

/** The refill handlers of a 64-bit host, its own and a guest's, and the routine that publishes a root. */
function listing64({ scratch, rixi }: (typeof HOSTS_64)[number], pageSize: HostPageSize): string {
  const geometry = tableGeometry64(pageSize);
  const target: CodeTarget = {
    ...{ level: "mips64r2", geometry, format: new PteFormat(geometry, rixi, FILL_BITS_64) },
    ...{ scratch: selectScratch(scratch), badInstr: false, eva: false, hwrena: 0xf, fpu: false, cpus: 1 },
  };
  const pgdCurrent = 0x8000_1000;
  const section = (name: string, baseAddress: number, emit: (asm: Assembler) => void): string => {
    const asm = new Assembler({ level: target.level, baseAddress });
    emit(asm);
    return `## ${name}: ${asm.length} words\n${formatListing(asm.listing())}`;
  };
  return [
    section("host_refill", 0x8000_0080, (asm) => emitHostRefill(asm, target, pgdCurrent)),
    section("set_pgd", 0x8000_0a00, (asm) => emitSetPgd(asm, target, pgdCurrent)),
    section("refill", 0x8001_0080, (asm) => emitGuestRefill(asm, target, pgdCurrent)),
  ].join("\n");
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
  for (const model of [plain, CPU_MODELS["24Kc-kscratch"]!])
    files.set(`entry/${model.name}-4k-two-cpus.txt`, listing(model, { pageSize: 4096 }, "fast", 2));
  files.set("entry/24Kc-fast-exits-two-cpus.txt", fastExitListing(plain, 2));
  files.set("entry/24Kf-guest-fpu.txt", guestFpuListing(CPU_MODELS["24Kf"]!));
  files.set("entry/24Kc-fast-exits-commpage.txt", fastExitListing(plain, 1, true));
  const netlogic = { pageSize: 4096, scratch: NETLOGIC_SCRATCH } as const;
  files.set("entry/netlogic-scratch-4k.txt", listing(plain, netlogic, "fast"));
  for (const host of HOSTS_64)
    for (const pageSize of [4096, 16384] as HostPageSize[])
      files.set(`entry/${host.name}-${pageSize / 1024}k.txt`, listing64(host, pageSize));
  return files;
}

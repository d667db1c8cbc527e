import { createInterpreter } from "../../src/engine/index.ts";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import { toKseg0, type Gva, type Hpa } from "../../src/kvm/addresses.ts";
import type { RefillKind, VcpuCode } from "../../src/kvm/entry/code-block.ts";
import { RESUME_GUEST, exitResult } from "../../src/kvm/entry/enter-exit.ts";
import { HOST_CALL } from "../../src/kvm/entry/host-code.ts";
import { TE_MAP } from "../../src/kvm/guest-map.ts";
import type { GvaTables, PageCache } from "../../src/kvm/gva-table.ts";
import { HostKernel, type HostKernelOptions } from "../../src/kvm/host-kernel.ts";
import type { HostPageSize } from "../../src/kvm/page-format.ts";
import { CP0_MASKS, GUEST_CP0_BYTES, VcpuMemory } from "../../src/kvm/layout.ts";
import { CPU_MODELS, type CpuModel } from "../../src/machine/cpu-models.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { Endian } from "../../src/machine/memory.ts";
import { Assembler } from "../../src/uasm/assembler.ts";

/** No test needs more exits: beyond it a guest loops on one fault. */
const EXIT_LIMIT = 20_000;

/** The host models, and one with so few physical address bits that a PTE becomes an EntryLo by one rotate. */
const TEST_MODELS: Readonly<Record<string, CpuModel>> = {
  ...CPU_MODELS,
  "24Kc-rixi-26bit": { ...CPU_MODELS["24Kc-rixi"]!, physicalBits: 26 },
  "P5600-xpa": CPU_MODELS["P5600"]!,
};

/** What hosts are given beyond their page size, by model. */
const TEST_OPTIONS: Readonly<Record<string, Partial<HostKernelOptions>>> = { "P5600-xpa": { xpa: true } };

/** Every model with every host page size. */
export const TEST_HOSTS: readonly (readonly [model: string, pageSize: HostPageSize])[] = Object.keys(
  TEST_MODELS,
).flatMap((model) => [[model, 4096] as const, [model, 16384] as const]);

/** A host with one vcpu, driven without the hypervisor: the tests decide what each exit does. */
export class TestHost {
  readonly machine: Machine;
  readonly host: HostKernel;
  readonly tables: GvaTables;
  readonly cache: PageCache;
  readonly vcpu: VcpuMemory;
  readonly code: VcpuCode;
  exits = 0;

  constructor(
    model: string,
    options: HostKernelOptions,
    refill: RefillKind = "fast",
    endian: Endian = "little",
  ) {
    this.machine = new Machine(
      { model: TEST_MODELS[model]!, endian, ramBytes: 16 * 2 ** 20, guestTime: "user", hostCalls: true },
      createInterpreter,
    );
    this.host = new HostKernel(this.machine, { ...options, ...TEST_OPTIONS[model] });
    this.tables = this.host.gvaTables(TE_MAP);
    this.cache = this.tables.newCache();
    const { pages, asids } = this.host;
    this.vcpu = new VcpuMemory(
      this.machine.memory,
      pages.allocZeroed(CP0_MASKS.end),
      pages.allocZeroed(GUEST_CP0_BYTES),
    );
    for (const mm of [this.vcpu.kernelMm, this.vcpu.userMm]) {
      mm.pgd = this.tables.allocPgd();
      asids.getNew(mm);
    }
    this.code = this.host.buildVcpuCode(refill);
  }

  /** Maps host page `hpa` at `gva` for guest user mode. */
  map(gva: Gva, hpa: Hpa, write = true, pgd = this.vcpu.userMm.pgd): void {
    this.cache.topUp();
    const pte = this.tables.walk(pgd, this.cache, gva);
    this.tables.writePte(pte, this.tables.format.make(hpa, { write, young: true, dirty: write }));
  }

  /** Puts a program into a host page mapped at `gva` and points the guest there, in user mode. */
  program(gva: Gva, emit: (asm: Assembler) => void): void {
    const hpa = this.host.pages.allocZeroed(this.host.pages.pageSize);
    const asm = new Assembler({ level: "mips32r2", baseAddress: gva });
    emit(asm);
    asm.words().forEach((word, index) => this.machine.write32(hpa + 4 * index, word));
    this.map(gva, hpa, false);
    this.vcpu.pc = gva;
    this.vcpu.cp0[CP0.Status] = STATUS.UM;
  }

  /**
   * Runs the guest. `onExit` gets Cause.ExcCode of each exit and returns true to go on. Returns the result of
   * vcpu_run.
   */
  run(onExit: (excCode: number) => boolean): number {
    this.host.prepareRun(this.code, this.vcpu);
    for (;;) {
      const stop = this.machine.run(10_000_000);
      if (stop.kind !== "host-call") throw new Error(`machine stopped: ${stop.kind}`);
      if (stop.code === HOST_CALL.vcpuReturned) return this.machine.cpu.gpr[GPR.v0]!;
      if (stop.code !== HOST_CALL.exit) throw new Error(`host call ${stop.code}`);
      if (++this.exits > EXIT_LIMIT)
        throw new Error(`more than ${EXIT_LIMIT} exits: the guest makes no progress`);
      const go = onExit((this.vcpu.cause >>> 2) & 31);
      this.host.answerExit(go ? RESUME_GUEST : exitResult(-4));
    }
  }

  /** The VCPU pointer as the exit handler got it. */
  get exitPointer(): number {
    return this.machine.cpu.gpr[GPR.a0]! >>> 0;
  }
  get expectedPointer(): number {
    return toKseg0(this.vcpu.hpa);
  }
}

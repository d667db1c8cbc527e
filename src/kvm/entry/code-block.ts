import type { Machine } from "../../machine/machine.ts";
import { Assembler } from "../../uasm/assembler.ts";
import { formatListing, type ListingLine } from "../../uasm/listing.ts";
import { fromKseg0, type Hpa, type HostVa } from "../addresses.ts";
import {
  emitCommonExit,
  emitDispatch,
  emitEnterGuest,
  emitVcpuRun,
  type CodeAddresses,
} from "./enter-exit.ts";
import { emitExceptionStub, VECTOR } from "./exception-vectors.ts";
import { emitFastExit, emitGeneralVector } from "./fast-exit.ts";
import type { FastExitOptions } from "./fast-exit-operations.ts";
import { emitGuestRefill } from "./refill.ts";
import type { CodeTarget } from "./target.ts";
import { buildTrapRoutines, type TrapRoutines } from "./trap-routines.ts";

/**
 * The block of generated code that each vcpu has, and that EBase points at while its guest runs:
 *
 *     +0000  TLB refill
 *     +0100  cache error: zeros, which run as NOPs into the next vector
 *     +0180  general exceptions
 *     +0200  interrupts with Cause.IV, and vectored ones, at each 100h
 *     +1000  fast exits
 *     +2000  common exit, return to guest, return to the VMM, vcpu_run, enter guest
 */
export const BLOCK = { bytes: 0x4000, fastExit: 0x1000, code: 0x2000 } as const;

/** Words between the refill vector and the cache error vector. */
const REFILL_LIMIT = 0x100 / 4;

/** How guest TLB refill exceptions are served. */
export type RefillKind =
  /** By the generated handler, from the GVA table. */
  | "fast"
  /** By an exit to the hypervisor for each. */
  | "slow";

/** A run of generated words. */
export interface CodeSection {
  readonly name: string;
  readonly address: HostVa;
  readonly lines: readonly ListingLine[];
}

/** Generated code, not yet in memory. */
export interface GeneratedCode {
  readonly sections: readonly CodeSection[];
  /** Addresses of labels, by name. */
  readonly entries: Readonly<Record<string, HostVa>>;
}

/** The code of a vcpu. */
export interface VcpuCode extends GeneratedCode {
  /** What single instruction words have of their own; null if there is nothing. */
  readonly routines: TrapRoutines | null;
  /** Address of the block: the guest's EBase. */
  readonly block: HostVa;
  /** Address of `vcpu_run(a0 = VCPU pointer)`, to be called like any host function. */
  readonly vcpuRun: HostVa;
  readonly refill: RefillKind;
}

/** Makes a section of what `emit` emits at `address`. */
export function section(
  name: string,
  address: HostVa,
  level: CodeTarget["level"],
  limitWords: number,
  emit: (asm: Assembler) => void,
): CodeSection {
  const asm = new Assembler({ level, baseAddress: address, limitWords });
  emit(asm);
  return { name, address, lines: asm.listing() };
}

/**
 * Generates the code of a vcpu for its block at `at.guestEbase` (4000h bytes, 4 KiB aligned, in kseg0). Without
 * `fastExit` every exception but a refill is an exit. `withFpu`: the guest may have the host's FPU. `routines`: where
 * the routines for single instructions are to be, if there are to be any.
 */
export function buildVcpuCode(
  target: CodeTarget,
  at: CodeAddresses,
  refill: RefillKind,
  fastExit: FastExitOptions | null = null,
  withFpu = false,
  routines: HostVa | null = null,
): VcpuCode {
  const { level } = target;
  const block = at.guestEbase;
  const commonExit = block + BLOCK.code;
  const stub = (name: string, offset: number, limit: number): CodeSection =>
    section(name, block + offset, level, limit, (asm) => {
      asm.bind(name);
      emitExceptionStub(asm, target, commonExit);
    });
  const sections: CodeSection[] = [];
  if (refill === "slow") sections.push(stub("tlb_refill", VECTOR.refill, REFILL_LIMIT));
  else
    sections.push(
      section("tlb_refill", block + VECTOR.refill, level, REFILL_LIMIT, (asm) => {
        asm.bind("tlb_refill");
        emitGuestRefill(asm, target, at.pgdCurrent);
      }),
    );
  const generalLimit = (VECTOR.interrupt - VECTOR.general) / 4;
  if (fastExit === null) sections.push(stub("general", VECTOR.general, generalLimit));
  else sections.push(...fastExitSections(target, at, fastExit, generalLimit, routines));
  for (let n = 0; n < VECTOR.interrupts; n++)
    sections.push(stub(`interrupt_${n}`, VECTOR.interrupt + n * VECTOR.spacing, VECTOR.spacing / 4));
  sections.push(
    section("exit_and_entry", commonExit, level, (BLOCK.bytes - BLOCK.code) / 4, (asm) => {
      const enterGuest = asm.label("enter_guest");
      asm.bind("common_exit");
      emitCommonExit(asm, target, at, withFpu);
      asm.bind("after_exit_handler");
      emitDispatch(asm, target, at, enterGuest);
      asm.bind("vcpu_run");
      emitVcpuRun(asm, target, at);
      asm.bind(enterGuest);
      emitEnterGuest(asm, target, at);
    }),
  );
  const entries = labelsOf(sections);
  const made =
    fastExit === null || routines === null
      ? null
      : buildTrapRoutines(
          { target, addresses: at, options: fastExit, fastExit: block + BLOCK.fastExit },
          routines,
        );
  return { sections, entries, block, vcpuRun: entries["vcpu_run"]!, refill, routines: made };
}

/** The general vector and the code that it may go to. */
function fastExitSections(
  target: CodeTarget,
  at: CodeAddresses,
  options: FastExitOptions,
  vectorLimit: number,
  routines: HostVa | null,
): CodeSection[] {
  const { level } = target;
  const block = at.guestEbase;
  const [fastExit, commonExit] = [block + BLOCK.fastExit, block + BLOCK.code];
  return [
    section("general", block + VECTOR.general, level, vectorLimit, (asm) => {
      asm.bind("general");
      emitGeneralVector(asm, target, commonExit, fastExit, routines);
    }),
    section("fast_exit", fastExit, level, (BLOCK.code - BLOCK.fastExit) / 4, (asm) => {
      asm.bind("fast_exit");
      emitFastExit(asm, target, at, commonExit, options);
    }),
  ];
}

/** Addresses of all labels of `sections`. */
export function labelsOf(sections: readonly CodeSection[]): Record<string, HostVa> {
  const labels: Record<string, HostVa> = {};
  for (const { lines } of sections)
    for (const line of lines) for (const label of line.labels) labels[label] = line.address;
  return labels;
}

/** Writes code into host memory, where instruction fetches see it at once. */
export function installCode(machine: Machine, code: GeneratedCode): void {
  for (const { lines } of code.sections)
    for (const { address, word } of lines) machine.write32(fromKseg0(address), word);
}

/** The same of words. */
export function installWords(machine: Machine, { base, words }: TrapRoutines): void {
  words.forEach((word, n) => machine.write32(fromKseg0(base) + 4 * n, word));
}

/** The blocks of memory that have the code of a vcpu. */
export function blocksOf({ block, routines }: VcpuCode): Hpa[] {
  return [fromKseg0(block), ...(routines === null ? [] : [fromKseg0(routines.base)])];
}

/** The code as text, section by section. */
export function formatCode(code: GeneratedCode): string {
  return code.sections.map(({ lines }) => formatListing(lines)).join("\n");
}

import { describe, expect, test } from "vitest";
import { decode } from "../../isa/decode.ts";
import { CP0 } from "../../isa/cp0.ts";
import { GPR } from "../../isa/registers.ts";
import type { IsaLevel } from "../../isa/row.ts";
import { Assembler } from "../../uasm/assembler.ts";
import { PteFormat, tableGeometry, tableGeometry64, type HostPageSize } from "../page-format.ts";
import { BLOCK, buildVcpuCode, type CodeSection } from "./code-block.ts";
import type { CodeAddresses } from "./enter-exit.ts";
import { VECTOR } from "./exception-vectors.ts";
import {
  emitGetPgde,
  emitGetPtep,
  emitGuestRefill,
  emitHostRefill,
  emitTlbWrite,
  emitUpdateEntries,
} from "./refill.ts";
import { NETLOGIC_SCRATCH, selectScratch, type ScratchBank } from "./scratch.ts";
import { emitSetPgd } from "./set-pgd.ts";
import type { CodeTarget } from "./target.ts";

const PGD_CURRENT = 0x8000_1000;
const ADDRESSES: CodeAddresses = {
  guestEbase: 0x8001_0000,
  hostEbase: 0x8000_0000,
  setPgd: 0x8000_0a00,
  handleExit: 0x8000_0a20,
  pgdCurrent: PGD_CURRENT,
};

interface Host {
  readonly bank?: ScratchBank;
  readonly rixi?: boolean;
  readonly fillBits?: number;
  readonly pageSize?: HostPageSize;
  readonly xpa?: boolean;
  /** Registers and addresses of 64 bits, tables of three levels. */
  readonly wide?: boolean;
  readonly cpus?: number;
}
const ALL_SCRATCH: ScratchBank = { register: 31, selects: 0xfc };
const NO_SCRATCH: ScratchBank = { register: 31, selects: 0 };

function hostTarget({
  bank = ALL_SCRATCH,
  rixi = false,
  fillBits = 0,
  pageSize = 4096,
  xpa = false,
  wide = false,
  cpus = 1,
}: Host): CodeTarget {
  const geometry = wide ? tableGeometry64(pageSize) : tableGeometry(pageSize, xpa ? 3 : 2);
  const format = new PteFormat(geometry, rixi, fillBits);
  const scratch = selectScratch(bank);
  const level = wide ? "mips64r2" : xpa ? "mips32r5" : "mips32r2";
  return { level, geometry, format, scratch, badInstr: false, eva: false, hwrena: 0xf, fpu: false, cpus };
}

function wordsOf(emit: (asm: Assembler) => void, level: IsaLevel = "mips32r5"): number[] {
  const asm = new Assembler({ level, baseAddress: 0x8001_0000 });
  emit(asm);
  return [...asm.words()];
}
const guestRefill = (target: CodeTarget) =>
  wordsOf((asm) => emitGuestRefill(asm, target, PGD_CURRENT), target.level);

describe("choice of scratch registers", () => {
  const at = (select: number, register = 31): number => register * 8 + select;

  test("selects 2 and 3: the host has both, KVM shares 2 and takes ErrorEPC", () => {
    expect(selectScratch({ register: 31, selects: 0x0c })).toEqual({
      hostHandler: at(2),
      pgd: at(3),
      vcpu: at(2),
      temp: CP0.ErrorEPC,
      saveTemp: false,
    });
  });

  test("six selects: pgd is 3, the VCPU pointer 2, the temporary 4", () => {
    const { pgd, vcpu, temp, saveTemp } = selectScratch(ALL_SCRATCH);
    expect([pgd, vcpu, temp, saveTemp]).toEqual([at(3), at(2), at(4), true]);
  });

  test("one select: no pgd register, KVM shares it", () => {
    const { pgd, vcpu, temp } = selectScratch({ register: 31, selects: 0x10 });
    expect([pgd, vcpu, temp]).toEqual([null, at(4), CP0.ErrorEPC]);
  });

  test("none: DDataLo and ErrorEPC", () => {
    const { hostHandler, pgd, vcpu, temp } = selectScratch(NO_SCRATCH);
    expect([hostHandler, pgd, vcpu, temp]).toEqual([null, null, CP0.DDataLo, CP0.ErrorEPC]);
  });

  test("NetLogic: register 22, selects 0 to 3", () => {
    const { pgd, vcpu, temp } = selectScratch(NETLOGIC_SCRATCH);
    expect([pgd, vcpu, temp]).toEqual([at(1, 22), at(0, 22), at(2, 22)]);
  });
});

describe("length of the refill handler", () => {
  test.each<[string, number, Host]>([
    ["pgd in a register, no RI/XI", 26, {}],
    ["the same with 16K pages", 26, { pageSize: 16384 }],
    ["pgd in memory", 27, { bank: NO_SCRATCH }],
    ["pgd in memory, on one of several CPUs", 30, { bank: NO_SCRATCH, cpus: 2 }],
    ["pgd in a register, on one of several CPUs", 26, { cpus: 2 }],
    ["RI/XI in two steps", 28, { rixi: true }],
    ["RI/XI in one step, where EntryLo has the room", 26, { rixi: true, fillBits: 4 }],
    ["XPA", 31, { rixi: true, xpa: true }],
    ["XPA with 16K pages", 32, { rixi: true, xpa: true, pageSize: 16384 }],
    ["pgd in memory and RI/XI", 29, { rixi: true, bank: NO_SCRATCH }],
    // The original has 31 words here: one more, a branch for kernel addresses that no guest can use.
    ["64 bits, three levels", 30, { wide: true }],
    ["64 bits with 16K pages", 31, { wide: true, pageSize: 16384 }],
    ["64 bits, pgd in memory", 31, { wide: true, bank: NO_SCRATCH }],
    ["64 bits with RI/XI, where EntryLo has the room", 30, { wide: true, rixi: true, fillBits: 24 }],
    ["XLP: 64 bits and NetLogic's scratch registers", 30, { wide: true, bank: NETLOGIC_SCRATCH }],
  ])("%s: %d words", (_name, words, host) => {
    expect(guestRefill(hostTarget(host))).toHaveLength(words);
  });

  test("the host's own handler is the walk and nothing else", () => {
    expect(wordsOf((asm) => emitHostRefill(asm, hostTarget({}), PGD_CURRENT))).toHaveLength(19);
  });
});

describe("the shared emitters", () => {
  const k = [GPR.k0, GPR.k1] as const;
  test.each<[string, Host]>([
    ["plain", {}],
    ["pgd in memory", { bank: NO_SCRATCH }],
    ["pgd in memory, several CPUs", { bank: NO_SCRATCH, cpus: 2 }],
    ["RI/XI", { rixi: true }],
    ["16K pages", { pageSize: 16384 }],
    ["XPA", { rixi: true, xpa: true }],
  ])("give alone, word for word, what the host's and the guest's handler hold (%s)", (_name, host) => {
    const target = hostTarget(host);
    const walk = [
      ...wordsOf((asm) => emitGetPgde(asm, target, ...k, PGD_CURRENT)),
      ...wordsOf((asm) => emitGetPtep(asm, target, ...k)),
      ...wordsOf((asm) => emitUpdateEntries(asm, target, ...k)),
      ...wordsOf((asm) => emitTlbWrite(asm)),
    ];
    const eret = wordsOf((asm) => asm.eret());
    expect(wordsOf((asm) => emitHostRefill(asm, target, PGD_CURRENT))).toEqual([...walk, ...eret]);
    expect(guestRefill(target).slice(3, 3 + walk.length)).toEqual(walk);
  });
});

/** CP0 register numbers that the code moves to and from. */
function cp0Numbers(words: readonly number[]): Set<number> {
  const moves = words.filter((word) => ["mfc0", "mtc0"].includes(decode(word)?.mnemonic ?? ""));
  return new Set(moves.map((word) => (word >>> 11) & 31));
}
const wordsIn = (sections: readonly CodeSection[]): number[] =>
  sections.flatMap(({ lines }) => lines.map(({ word }) => word));

describe("the block of a vcpu", () => {
  test("on NetLogic every scratch access names register 22, saving and restoring included", () => {
    const target = hostTarget({ bank: NETLOGIC_SCRATCH });
    const words = [
      ...wordsIn(buildVcpuCode(target, ADDRESSES, "fast").sections),
      ...wordsOf((asm) => emitSetPgd(asm, target, PGD_CURRENT)),
    ];
    const numbers = cp0Numbers(words);
    for (const absent of [31, 30, 28]) expect(numbers).not.toContain(absent);
    const scratch = words.filter(
      (word) => ["mfc0", "mtc0"].includes(decode(word)?.mnemonic ?? "") && ((word >>> 11) & 31) === 22,
    );
    expect(new Set(scratch.map((word) => word & 7))).toEqual(new Set([0, 1, 2]));
    const plain = wordsIn(buildVcpuCode(hostTarget({}), ADDRESSES, "fast").sections);
    expect(cp0Numbers(plain)).toContain(31);
    expect(cp0Numbers(plain)).not.toContain(22);
  });

  test("has its vectors where the CPU looks for them, and its code from 2000h on", () => {
    const { sections, entries } = buildVcpuCode(hostTarget({}), ADDRESSES, "fast");
    const offsets = sections.map(({ address }) => address - ADDRESSES.guestEbase);
    expect(offsets).toEqual([0, 0x180, 0x200, 0x300, 0x400, 0x500, 0x600, 0x700, 0x800, 0x900, 0x2000]);
    expect(entries["common_exit"]).toBe(ADDRESSES.guestEbase + BLOCK.code);
    for (const { address, lines } of sections)
      expect(address + 4 * lines.length).toBeLessThanOrEqual(ADDRESSES.guestEbase + BLOCK.bytes);
  });

  test("with slow refill has the exception stub at offset 0", () => {
    const fast = buildVcpuCode(hostTarget({}), ADDRESSES, "fast").sections;
    const slow = buildVcpuCode(hostTarget({}), ADDRESSES, "slow").sections;
    const general = slow.find(({ address }) => address === ADDRESSES.guestEbase + VECTOR.general)!;
    const withoutBranch = ({ lines }: CodeSection) => [0, 1, 3].map((i) => lines[i]!.word);
    expect(slow[0]!.lines).toHaveLength(general.lines.length);
    expect(withoutBranch(slow[0]!)).toEqual(withoutBranch(general));
    expect(slow.slice(1)).toEqual(fast.slice(1));
  });

  test("calls through a register where JAL does not reach", () => {
    const near = buildVcpuCode(hostTarget({}), ADDRESSES, "fast");
    const far = buildVcpuCode(hostTarget({}), { ...ADDRESSES, guestEbase: 0x9001_0000 }, "fast");
    const calls = (mnemonic: string, { sections }: typeof far): number =>
      wordsIn(sections).filter((word) => decode(word)?.mnemonic === mnemonic).length;
    expect([calls("jal", near), calls("jalr", near)]).toEqual([2, 0]);
    expect([calls("jal", far), calls("jalr", far)]).toEqual([0, 2]);
  });

  test("the refill handler uses k0 and k1 only", () => {
    for (const word of guestRefill(hostTarget({ rixi: true, bank: NO_SCRATCH, cpus: 2 }))) {
      const fields = [(word >>> 21) & 31, (word >>> 16) & 31];
      const row = decode(word)!;
      if (["mfc0", "mtc0", "lui"].includes(row.mnemonic)) expect([GPR.k0, GPR.k1]).toContain(fields[1]);
      else if (["lw", "sw", "addu", "andi"].includes(row.mnemonic))
        for (const field of fields) expect([GPR.k0, GPR.k1]).toContain(field);
    }
  });
});

/**
 * Assembles a TLB refill handler and a kernel that needs it, and runs them on the bare machine and under the
 * hypervisor. The handler maps each page to itself in a linear way; the kernel adds up words of many pages.
 *
 * Run it with `npx node examples/run-a-handler.ts`.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node run-a-handler.ts`.
 */
import { Assembler, CP0, createGuest, GPR, makeExecutable, TICKS_PER_SECOND, VECTOR_OFFSET } from "kseg";

const { t0, t1, t2, v0, k0 } = GPR;
const PAGES = 100;
const MAPPED = 0x0010_0000; // in kuseg, where addresses go through the TLB

/** CP0 moves by the register's number and select. */
const mfc0 = (asm: Assembler, to: number, register: number): void =>
  asm.mfc0(to, register >> 3, register & 7);
const mtc0 = (asm: Assembler, from: number, register: number): void =>
  asm.mtc0(from, register >> 3, register & 7);

/** The guest's refill handler: a pair of pages, each at the physical address that is its virtual one. */
function refill(asm: Assembler): void {
  mfc0(asm, k0, CP0.BadVAddr);
  asm.comment("number of the pair of pages").srl(k0, k0, 13);
  asm.comment("valid, dirty, cacheable").sll(k0, k0, 7);
  asm.ori(k0, k0, 0x1e);
  mtc0(asm, k0, CP0.EntryLo0);
  asm.comment("the odd page is the next one").addiu(k0, k0, 0x40);
  mtc0(asm, k0, CP0.EntryLo1);
  asm.ehb();
  asm.tlbwr();
  asm.eret();
}

/** Stores a number in each page, and adds them up. */
function main(asm: Assembler): void {
  mtc0(asm, 0, CP0.Status); // kernel mode, with the vectors in RAM
  asm.addiu(v0, 0, 0);
  asm.loadConstant(t0, MAPPED);
  asm.addiu(t1, 0, PAGES);
  const loop = asm.bind();
  asm.sw(t1, 0, t0);
  asm.lw(t2, 0, t0);
  asm.addu(v0, v0, t2);
  asm.addiu(t1, t1, -1);
  asm.bnez(t1, loop);
  asm.addiu(t0, t0, 4096);
  const end = asm.bind();
  asm.b(end);
  asm.nop();
}

for (const [mode, kseg0] of [
  ["bare", 0x8000_0000],
  ["te", 0x4000_0000],
] as const) {
  const pieces = (
    [
      [VECTOR_OFFSET.refill, refill],
      [0x1000, main],
    ] as const
  ).map(([offset, emit]) => {
    const asm = new Assembler({ level: "mips32r2", baseAddress: kseg0 + offset });
    emit(asm);
    if (mode === "bare" && emit === refill)
      for (const { text, comment } of asm.listing()) console.log(`${text.padEnd(20)}${comment}`.trimEnd());
    return { address: kseg0 + offset, words: asm.words() };
  });
  const kernel = makeExecutable({ entry: kseg0 + 0x1000, pieces });
  const guest = createGuest({ kernel, mode, memory: 16 << 20, onConsole() {} });
  guest.run(TICKS_PER_SECOND / 1000);
  console.log(`${mode}: the sum is ${guest.debug.readRegister("v0")}`);
}

/**
 * `node changing-code.ts`, a process of its own: a program that changes its code for ever, in far more places than the
 * translator keeps. Prints as JSON what memory the process has at some numbers of translations.
 */
import { InterpreterEngine } from "../../src/engine/index.ts";
import { CODE, TestMachine } from "../../src/engine/testing.ts";
import { DEFAULT_POLICY } from "../../src/engine/translator/translations.ts";
import { encode } from "../../src/isa/encode.ts";
import { GPR } from "../../src/isa/registers.ts";

const { zero, v0, v1, t0, t1, t2, ra, s0 } = GPR;
/** A page each. */
const FUNCTIONS = 2048;
const FIRST = 0x8010_0000;
const PAGE = 0x1000;
/** Instructions of the loop in a function, and how often it goes round. */
const LOOP = 100;
const ROUNDS = 20;
/** Numbers of translations after which memory is looked at. The limit of bytes is reached several times before. */
const LOOKS = [12_000, 24_000];

let engine!: InterpreterEngine;
const m = new TestMachine({
  ramBytes: 16 << 20,
  engine: (machine) => {
    engine = new InterpreterEngine(machine, { ...DEFAULT_POLICY, sampleEvery: 3, hot: 1, mostDoublings: 0 });
    return engine;
  },
});
for (let n = 0; n < FUNCTIONS; n++)
  m.load(FIRST + n * PAGE, (a) => {
    // Is replaced by each call.
    a.nop();
    const again = a.bind();
    a.addiu(t2, t2, -1);
    for (let i = 0; i < LOOP; i++) a.xori(v1, v0, i);
    a.bnez(t2, again);
    a.addiu(v0, v0, 1);
    a.jr(ra);
    a.nop();
  });
m.code((a) => {
  const start = a.bind();
  a.lui(t0, FIRST >>> 16);
  a.addiu(s0, zero, FUNCTIONS - 1);
  const again = a.bind();
  a.sw(t1, 0, t0);
  a.addiu(t2, zero, ROUNDS);
  a.jalr(ra, t0);
  a.addiu(t1, t1, 1);
  a.addiu(t0, t0, PAGE);
  a.bnez(s0, again);
  a.addiu(s0, s0, -1);
  a.b(start);
  a.nop();
});
m.machine.cpu.gpr[t1] = encode("addiu", { rs: v0, rt: v0, imm: 0 });
m.machine.cpu.setPc(CODE);

const bytes: number[] = [];
for (const look of LOOKS) {
  while (engine.translations < look) m.run(200_000);
  bytes.push(process.memoryUsage.rss());
}
console.log(JSON.stringify(bytes));

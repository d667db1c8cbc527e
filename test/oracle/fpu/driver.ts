import { CP0, cp0Operands, STATUS } from "../../../src/isa/cp0.ts";
import { FCR } from "../../../src/isa/fpu.ts";
import { GPR } from "../../../src/isa/registers.ts";
import { Assembler } from "../../../src/uasm/assembler.ts";
import { SOFT_RESET, type Piece } from "../malta.ts";
import {
  DATA,
  DRIVER,
  KSEG0,
  RECORD,
  RECORDS,
  RESULT,
  RESULTS,
  TRACE_BYTES,
  VARIABLE,
  VARIABLES,
} from "./layout.ts";

const { zero, at, t0, s0, s1, s2, s3, s4, s5, s7, k0, k1, ra } = GPR;
const CONTROL_REGISTERS = [FCR.FIR, FCR.FCCR, FCR.FEXR, FCR.FENR, FCR.FCSR];

/** Notes Cause, EPC, FCSR and BadVAddr in the trace and goes on behind the instruction, or its branch. */
function emitHandler(asm: Assembler): void {
  asm.mfc0(k0, ...cp0Operands(CP0.Cause));
  asm.sw(k0, 0, s7);
  asm.mfc0(k1, ...cp0Operands(CP0.EPC));
  asm.sw(k1, 4, s7);
  asm.srl(k0, k0, 31);
  asm.sll(k0, k0, 2);
  asm.addiu(k1, k1, 4);
  asm.addu(k1, k1, k0);
  asm.mtc0(k1, ...cp0Operands(CP0.EPC));
  asm.mfc0(k1, ...cp0Operands(CP0.BadVAddr));
  asm.sw(k1, 12, s7);
  asm.mfc0(k1, ...cp0Operands(CP0.Status));
  asm.lui(k0, STATUS.CU1 >>> 16);
  asm.or(k0, k0, k1);
  asm.mtc0(k0, ...cp0Operands(CP0.Status));
  asm.ehb();
  asm.cfc1(k0, FCR.FCSR);
  asm.sw(k0, 8, s7);
  asm.mtc0(k1, ...cp0Operands(CP0.Status));
  asm.ehb();
  asm.addiu(s7, s7, TRACE_BYTES);
  asm.eret();
}

/** Runs each record's program and leaves its result. s2 index, s3 record, s4 result, s5 count. */
export function buildDriver(): { entry: number; pieces: readonly Piece[] } {
  const asm = new Assembler({ level: "mips32r2", baseAddress: KSEG0 + DRIVER });
  const setStatus = (value: number): void => {
    asm.loadConstant(at, value);
    asm.mtc0(at, ...cp0Operands(CP0.Status));
    asm.ehb();
  };
  const loop = asm.label("loop");
  const end = asm.label("end");
  setStatus(0);
  asm.mtc0(zero, ...cp0Operands(CP0.Cause));
  asm.loadConstant(t0, KSEG0 + VARIABLES);
  asm.lw(s5, VARIABLE.count, t0);
  asm.move(s2, zero);
  asm.loadConstant(s3, KSEG0 + RECORDS);
  asm.loadConstant(s4, KSEG0 + RESULTS);
  asm.bind(loop);
  asm.loadConstant(t0, KSEG0 + VARIABLES);
  asm.sw(s2, VARIABLE.index, t0);
  asm.beq(s2, s5, end);
  asm.nop();
  setStatus(STATUS.CU1 | STATUS.FR);
  asm.ctc1(zero, FCR.FCSR);
  for (let n = 0; n < 32; n++) asm.ldc1(n, RECORD.fpr + n * 8, s3);
  asm.lw(t0, RECORD.fcsr, s3);
  asm.ctc1(t0, FCR.FCSR);
  for (let n = 0; n < 8; n++) asm.lw(t0 + n, RECORD.gpr + n * 4, s3);
  asm.addiu(s0, s3, RECORD.data);
  asm.move(s1, zero);
  asm.addiu(s7, s4, RESULT.trace);
  asm.lw(at, RECORD.status, s3);
  asm.mtc0(at, ...cp0Operands(CP0.Status));
  asm.ehb();
  asm.addiu(at, s3, RECORD.code);
  asm.jalr(ra, at);
  asm.nop();
  // What the program leaves; Status first.
  asm.mfc0(at, ...cp0Operands(CP0.Status));
  asm.sw(at, RESULT.control + 5 * 4, s4);
  for (let n = 0; n < 8; n++) asm.sw(t0 + n, RESULT.gpr + n * 4, s4);
  setStatus(STATUS.CU1 | STATUS.FR);
  CONTROL_REGISTERS.forEach((fcr, n) => {
    asm.cfc1(at, fcr);
    asm.sw(at, RESULT.control + n * 4, s4);
  });
  asm.mfc0(at, ...cp0Operands(CP0.Config1));
  asm.sw(at, RESULT.control + 6 * 4, s4);
  asm.sw(s7, RESULT.control + 7 * 4, s4);
  for (let n = 0; n < 32; n++) asm.sdc1(n, RESULT.fpr + n * 8, s4);
  for (let at4 = 0; at4 < DATA.bytes; at4 += 4) {
    asm.lw(t0, RECORD.data + at4, s3);
    asm.sw(t0, RESULT.data + at4, s4);
  }
  asm.addiu(s2, s2, 1);
  asm.addiu(s3, s3, RECORD.bytes);
  asm.b(loop);
  asm.addiu(s4, s4, RESULT.bytes);
  asm.bind(end);
  asm.loadConstant(t0, 0xa000_0000 + SOFT_RESET.pa);
  asm.loadConstant(at, SOFT_RESET.value);
  asm.sw(at, 0, t0);
  const forever = asm.bind("forever");
  asm.b(forever);
  asm.nop();
  const handler = new Assembler({ level: "mips32r2", baseAddress: KSEG0 + 0x180 });
  emitHandler(handler);
  return {
    entry: KSEG0 + DRIVER,
    pieces: [
      { pa: DRIVER, words: asm.words() },
      { pa: 0x180, words: handler.words() },
    ],
  };
}

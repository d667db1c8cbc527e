import { expect, test } from "vitest";
import { CP0, STATUS } from "../isa/cp0.ts";
import { encode } from "../isa/encode.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { Machine } from "../machine/machine.ts";
import { Assembler } from "../uasm/assembler.ts";
import { createInterpreter, createTranslator } from "./index.ts";

test.each([
  ["interpreter", createInterpreter],
  ["translator", createTranslator],
] as const)(
  "an exception inside another leaves BadInstr and BadInstrP alone, as it does EPC (%s)",
  (_name, engine) => {
    const machine = new Machine(
      { model: CPU_MODELS["P5600"]!, endian: "little", ramBytes: 1 << 20, guestTime: "all", hostCalls: true },
      engine,
    );
    const at = (offset: number, emit: (asm: Assembler) => void): void => {
      const asm = new Assembler({ level: "mips32r2", baseAddress: 0x8000_0000 + offset });
      emit(asm);
      asm.words().forEach((word, index) => machine.write32(offset + 4 * index, word));
    };
    at(0x1000, (asm) => asm.break(7));
    // The general vector: the second time round it ends.
    at(0x180, (asm) => {
      const again = asm.label();
      asm.bnez(16, again);
      asm.addiu(16, 16, 1);
      asm.b(asm.address + 8);
      asm.syscall(3);
      asm.bind(again);
      asm.sdbbp(0);
    });
    machine.ops.writeCp0(CP0.Status, 0);
    machine.cpu.setPc(0x8000_1000);
    expect(machine.run(100).kind).toBe("host-call");
    const { cp0 } = machine.cpu;
    expect(cp0[CP0.Status]! & STATUS.EXL).not.toBe(0);
    expect(cp0[CP0.EPC]! >>> 0).toBe(0x8000_1000);
    expect([cp0[CP0.BadInstr]! >>> 0, cp0[CP0.BadInstrP]]).toEqual([encode("break", { code: 7 }), 0]);
  },
);

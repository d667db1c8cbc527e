/**
 * The refill handler of 64-bit hosts, which no engine executes yet: executed here by a model of the few instructions
 * that it is made of, over real tables of three levels.
 */
import { expect, test } from "vitest";
import { CP0 } from "../../isa/cp0.ts";
import { decoderFor, operandValue } from "../../isa/decode.ts";
import { GPR } from "../../isa/registers.ts";
import { Memory } from "../../machine/memory.ts";
import { Assembler } from "../../uasm/assembler.ts";
import { fromKseg0, toKseg0 } from "../addresses.ts";
import { TE_MAP } from "../guest-map.ts";
import { GvaTables } from "../gva-table.ts";
import { HostPages } from "../host-pages.ts";
import { VCPU } from "../layout.ts";
import { PteFormat, tableGeometry64 } from "../page-format.ts";
import { TableLevels } from "../table-levels.ts";
import { emitGuestRefill } from "./refill.ts";
import { NETLOGIC_SCRATCH, selectScratch } from "./scratch.ts";
import type { CodeTarget } from "./target.ts";

const decode = decoderFor("mips64r2");
const extended = (word: number): bigint => BigInt.asUintN(64, BigInt(word | 0));
const low = (value: bigint): number => Number(value & 0xffff_ffffn);

/** Registers of 64 bits and what the handler does with them, over doublewords in host memory. */
class Model {
  readonly gpr: bigint[] = Array.from({ length: 32 }, () => 0n);
  readonly cp0 = new Map<number, bigint>();
  readonly written: string[] = [];
  private readonly memory: Memory;

  constructor(memory: Memory) {
    this.memory = memory;
  }

  private at(address: bigint): [lowWord: number, highWord: number] {
    if (address >> 31n !== 0x1_ffff_ffffn) throw new Error(`${address.toString(16)} is not in kseg0`);
    const hpa = fromKseg0(low(address));
    return this.memory.endian === "little" ? [hpa, hpa + 4] : [hpa + 4, hpa];
  }

  private rotate(value: bigint, by: number): bigint {
    return BigInt.asUintN(64, (value >> BigInt(by)) | (value << BigInt(64 - by)));
  }

  /** Executes one word. False at ERET. */
  step(word: number): boolean {
    const row = decode(word)!;
    const { gpr, cp0, memory } = this;
    const value = (name: Parameters<typeof operandValue>[2]): number => operandValue(row, word, name);
    const set = (name: "rd" | "rt", result: bigint): void => {
      gpr[value(name)] = BigInt.asUintN(64, result);
    };
    const of = (name: "rs" | "rt"): bigint => gpr[value(name)]!;
    const register = (): number => 8 * value("rdNumber") + value("sel");
    switch (row.mnemonic) {
      case "dmfc0":
        set("rt", cp0.get(register())!);
        break;
      case "dmtc0":
        cp0.set(register(), of("rt"));
        break;
      case "lui":
        set("rt", extended(value("imm") << 16));
        break;
      case "ld": {
        const [lowWord, highWord] = this.at(of("rs") + BigInt(value("imm")));
        set("rt", (BigInt(memory.read32(highWord)) << 32n) | BigInt(memory.read32(lowWord)));
        break;
      }
      case "sd": {
        const [lowWord, highWord] = this.at(of("rs") + BigInt(value("imm")));
        memory.write32(lowWord, low(of("rt")));
        memory.write32(highWord, low(of("rt") >> 32n));
        break;
      }
      case "dsrl":
        set("rd", of("rt") >> BigInt(value("sa")));
        break;
      case "dsrl32":
        set("rd", of("rt") >> BigInt(32 + value("sa")));
        break;
      case "drotr":
        set("rd", this.rotate(of("rt"), value("sa")));
        break;
      case "andi":
        set("rt", of("rs") & BigInt(value("imm")));
        break;
      case "daddu":
        set("rd", of("rs") + of("rt"));
        break;
      case "sll": // EHB
        if (word !== 0xc0) throw new Error("the model has no SLL but EHB");
        break;
      case "tlbwr":
        this.written.push(`${cp0.get(CP0.EntryLo0)!.toString(16)} ${cp0.get(CP0.EntryLo1)!.toString(16)}`);
        break;
      case "eret":
        return false;
      default:
        throw new Error(`the model has no ${row.mnemonic}`);
    }
    return true;
  }
}

const PAGE = { write: true, young: true, dirty: true };

test.each([
  { pageSize: 4096, endian: "little", bank: { register: 31, selects: 0xfc }, rixi: false },
  { pageSize: 4096, endian: "big", bank: { register: 31, selects: 0 }, rixi: false },
  { pageSize: 4096, endian: "little", bank: NETLOGIC_SCRATCH, rixi: false },
  { pageSize: 16384, endian: "big", bank: { register: 31, selects: 0xfc }, rixi: true },
  { pageSize: 16384, endian: "little", bank: { register: 31, selects: 0 }, rixi: true },
] as const)(
  "walks three levels ($pageSize, $endian, $bank, RI/XI $rixi)",
  ({ pageSize, endian, bank, rixi }) => {
    const memory = new Memory(8 * 2 ** 20, endian);
    const pages = new HostPages(memory, pageSize, { first: 0, end: Infinity });
    const geometry = tableGeometry64(pageSize);
    const invalidPte = pages.allocZeroed(pageSize);
    const invalidPmd = TableLevels.allocPmd(pages, geometry, invalidPte);
    const format = new PteFormat(geometry, rixi, 24);
    const tables = new GvaTables(pages, geometry, format, TE_MAP, 0, invalidPte, invalidPmd);
    const [block, pgd] = [pages.alloc(pageSize), tables.allocPgd()];
    const cache = tables.newCache();
    const mapped = (gva: number, page: number): bigint => {
      const pte = format.make(page * pageSize, PAGE);
      cache.topUp(2);
      tables.writePte(tables.walk(pgd, cache, gva), pte);
      const hardware = BigInt(pte) >> BigInt(format.gShift);
      // RI and XI, which a page like this does not have, are below G: the rotation brings the rest of it up there.
      return rixi
        ? hardware | (BigInt(pte & ((1 << format.gShift) - 1)) << BigInt(64 - format.gShift))
        : hardware;
    };

    const scratch = selectScratch(bank);
    const target: CodeTarget = {
      level: "mips64r2",
      geometry,
      format,
      scratch,
      badInstr: false,
      fpu: false,
      eva: false,
      hwrena: 0,
      cpus: 1,
    };
    const pgdCurrent = toKseg0(block + 8);
    const asm = new Assembler({ level: target.level, baseAddress: 0x8000_1000 });
    emitGuestRefill(asm, target, pgdCurrent);

    const model = new Model(memory);
    const structure = block + 256;
    model.cp0.set(scratch.vcpu, extended(toKseg0(structure)));
    if (scratch.pgd === null) {
      const high = endian === "little" ? 4 : 0;
      memory.write32(block + 8 + (4 - high), toKseg0(pgd));
      memory.write32(block + 8 + high, 0xffff_ffff);
    } else model.cp0.set(scratch.pgd, extended(toKseg0(pgd)));

    const miss = (gva: number): void => {
      model.cp0.set(CP0.BadVAddr, BigInt(gva));
      model.cp0.set(CP0.XContext, (BigInt(gva) >> 13n) << 4n);
      model.gpr[GPR.k0] = 0x1234_5678_9abc_def0n;
      model.gpr[GPR.k1] = 0xfedc_ba98_7654_3210n;
      const words = [...asm.words()];
      expect(words.findIndex((word) => !model.step(word))).toBe(words.length - 1);
      expect([model.gpr[GPR.k0], model.gpr[GPR.k1]]).toEqual([
        0x1234_5678_9abc_def0n,
        0xfedc_ba98_7654_3210n,
      ]);
    };

    // In tables and pmds of their own, at the ends of a table, and where nothing is mapped.
    const last = 2 ** geometry.tableShift - 2 * pageSize;
    for (const [at, gva] of [0, 0x0040_0000, 0x7fff_0000, 0x4000_0000, last].entries()) {
      const even = gva - (gva % (2 * pageSize));
      const pair = [mapped(even, 16 + 2 * at), mapped(even + pageSize, 33 + 2 * at)];
      miss(gva + 4);
      expect(model.written.pop(), gva.toString(16)).toBe(pair.map((half) => half.toString(16)).join(" "));
    }
    miss(0x2000_0000);
    expect(model.written.pop()).toBe("0 0");
    expect(memory.read32(structure + VCPU.gprs + 8 * GPR.k0 + (endian === "little" ? 0 : 4))).toBe(
      0x9abc_def0,
    );
  },
);

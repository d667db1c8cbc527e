import type { FieldName } from "./operands.ts";

/** Another spelling of an instruction whose fields have certain values. */
export interface Alias {
  readonly name: string;
  /** Mnemonic of the row. */
  readonly of: string;
  /** Field values that make the alias. */
  readonly when: { readonly [field in FieldName]?: number };
  readonly asm: string;
  /** binutils does not count it as an alias and always prints it. */
  readonly always?: true;
}

/** The spellings that `objdump` knows for CPUs of release 2. Of several that fit the first is printed. */
// prettier-ignore
export const ALIASES: readonly Alias[] = [
  { name: "nop",   of: "sll",    when: { rd: 0, rt: 0, sa: 0 }, asm: "" },
  { name: "ssnop", of: "sll",    when: { rd: 0, rt: 0, sa: 1 }, asm: "" },
  { name: "ehb",   of: "sll",    when: { rd: 0, rt: 0, sa: 3 }, asm: "" },
  { name: "pause", of: "sll",    when: { rd: 0, rt: 0, sa: 5 }, asm: "", always: true },
  { name: "li",    of: "addiu",  when: { rs: 0 }, asm: "rt, imm" },
  { name: "li",    of: "ori",    when: { rs: 0 }, asm: "rt, uimm" },
  { name: "move",  of: "addu",   when: { rt: 0 }, asm: "rd, rs" },
  { name: "move",  of: "or",     when: { rt: 0 }, asm: "rd, rs" },
  { name: "neg",   of: "sub",    when: { rs: 0 }, asm: "rd, rt", always: true },
  { name: "negu",  of: "subu",   when: { rs: 0 }, asm: "rd, rt", always: true },
  { name: "ror",   of: "rotr",   when: {}, asm: "rd, rt, sa", always: true },
  { name: "rorv",  of: "rotrv",  when: {}, asm: "rd, rt, rs", always: true },
  { name: "dror",   of: "drotr",   when: {}, asm: "rd, rt, sa", always: true },
  { name: "drorv",  of: "drotrv",  when: {}, asm: "rd, rt, rs", always: true },
  { name: "dror32", of: "drotr32", when: {}, asm: "rd, rt, sa", always: true },
  { name: "dneg",   of: "dsub",    when: { rs: 0 }, asm: "rd, rt", always: true },
  { name: "dnegu",  of: "dsubu",   when: { rs: 0 }, asm: "rd, rt", always: true },
  { name: "move",   of: "daddu",   when: { rt: 0 }, asm: "rd, rs" },
  { name: "dext",   of: "dextm",   when: {}, asm: "rt, rs, lsb, dextmSize", always: true },
  { name: "dext",   of: "dextu",   when: {}, asm: "rt, rs, lsbUpper, dextuSize", always: true },
  { name: "dins",   of: "dinsm",   when: {}, asm: "rt, rs, lsb, dinsmSize", always: true },
  { name: "dins",   of: "dinsu",   when: {}, asm: "rt, rs, lsbUpper, dinsuSize", always: true },
  { name: "jalr",    of: "jalr",    when: { rd: 31 }, asm: "rs", always: true },
  { name: "jalr.hb", of: "jalr.hb", when: { rd: 31 }, asm: "rs", always: true },
  { name: "b",     of: "beq",    when: { rs: 0, rt: 0 }, asm: "offset" },
  { name: "b",     of: "bgez",   when: { rs: 0 }, asm: "offset" },
  { name: "bal",   of: "bgezal", when: { rs: 0 }, asm: "offset" },
  { name: "beqz",  of: "beq",    when: { rt: 0 }, asm: "rs, offset" },
  { name: "bnez",  of: "bne",    when: { rt: 0 }, asm: "rs, offset" },
  { name: "beqzl", of: "beql",   when: { rt: 0 }, asm: "rs, offset" },
  { name: "bnezl", of: "bnel",   when: { rt: 0 }, asm: "rs, offset" },
  { name: "sync_wmb",     of: "sync", when: { stype: 0x04 }, asm: "" },
  { name: "sync_mb",      of: "sync", when: { stype: 0x10 }, asm: "" },
  { name: "sync_acquire", of: "sync", when: { stype: 0x11 }, asm: "" },
  { name: "sync_release", of: "sync", when: { stype: 0x12 }, asm: "" },
  { name: "sync_rmb",     of: "sync", when: { stype: 0x13 }, asm: "" },
];

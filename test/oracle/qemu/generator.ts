import { CAUSE, STATUS } from "../../../src/isa/cp0.ts";
import {
  DATA_REGIONS,
  randomAsid,
  randomMapping,
  regionAddress,
  regionBasesFor,
  REGISTER,
  type CodePlace,
  type Context,
} from "./context.ts";
import { generateGroup } from "./groups.ts";
import {
  CODE,
  CODE_REGION,
  DATA,
  DATA_PAGES,
  FLAG_RESUME_BY_ERROR_EPC,
  GIANT_REGION,
  MAX_CODE_WORDS,
  NOWHERE_REGION,
  TLB_ENTRIES,
} from "./layout.ts";
import type { Group, Program } from "./program.ts";
import { Random } from "./random.ts";

const HOLES = [0x7fff_ff80, 0xffff_ff80, 0xdfff_ff80, 0x6000_0100, 0x0300_0100] as const;

function randomPointer(context: Context, user: boolean): number {
  const { random } = context;
  const near = random.pick([0x80, 0x80, 0xff8 - 4]);
  const direct = 0x8000_0000 + DATA + random.below(DATA_PAGES) * 0x1000 + near;
  const kind = random.below(100);
  if (context.usesErl) {
    if (kind < 60) return regionAddress(context, 0) + near;
    return direct + (kind < 90 ? 0 : 0x2000_0000);
  }
  if (kind < (user ? 5 : 35)) return direct + (random.chance(70) ? 0 : 0x2000_0000);
  if (kind < 95) {
    const list = user && random.chance(90) ? [0, 2, 3, 4, 5, 6, 7, 8, GIANT_REGION] : DATA_REGIONS;
    return regionAddress(context, random.pick(list)) + near;
  }
  // The giant region is served by refills; holes are not.
  return random.pick(HOLES.filter((hole) => hole >>> 29 !== 2));
}

/** Generates the program of a seed. */
export function generateProgram(seed: number): Program {
  const random = new Random(seed);
  const place = random.weighted<CodePlace>([
    [40, "kseg0"],
    [8, "kseg1"],
    [40, "useg"],
    [12, "kseg2"],
  ]);
  const user = place === "useg" && random.chance(65);
  const usesErl = !user && random.chance(12);
  const mapped = place === "useg" || place === "kseg2";
  // After an exception at ERL the program goes on with EXL set.
  const codeIsGlobal = !mapped || usesErl || random.chance(50);
  const mayEret = random.chance(50);
  const regionBases = regionBasesFor(place);
  const groupCount = 6 + random.below(22);
  const context: Context = {
    random,
    place,
    codeIsGlobal,
    usesErl,
    mayEret,
    mayNest: codeIsGlobal && random.chance(40),
    regionBases,
    groupCount,
  };

  const codeBase = { kseg0: 0x8000_0000, kseg1: 0xa000_0000, useg: 0, kseg2: 0xc000_0000 }[place];
  const codeVa = codeBase + CODE;
  // A third of the programs run across the end of their first page.
  const codeOffset = random.chance(33) ? 0x1000 - 4 * (1 + random.below(60)) : 4 * random.below(64);

  const groups: Group[] = [];
  let words = 0;
  for (let n = 0; n < groupCount; n++) {
    const group = generateGroup(context, n);
    words += group.items.length;
    if (words > MAX_CODE_WORDS - 8 || codeOffset + words * 4 > 0x1f00) break;
    groups.push(group);
  }

  const asid = randomAsid(random);
  const regions = regionBases.map((base, n) => ({ base, ...randomMapping(context, n) }));
  const tlb = regions.map(({ base }, n) => {
    if (n === CODE_REGION ? !mapped || random.chance(20) : random.chance(45)) return null;
    const va = n === CODE_REGION ? codeVa : n === NOWHERE_REGION ? base : regionAddress(context, n);
    const entryAsid = random.chance(70) ? asid : randomAsid(random);
    return { entryHi: (((va & 0xffff_e000) >>> 0) | entryAsid) >>> 0, ...randomMapping(context, n) };
  });

  const gpr = Array.from({ length: 32 }, () => random.operand());
  gpr[0] = 0;
  for (const register of REGISTER.pointers) gpr[register] = randomPointer(context, user);
  gpr[REGISTER.codeAlias] = 0x8000_0000 + CODE;
  gpr[REGISTER.badTarget] = 2;
  gpr[REGISTER.target] = 2;
  gpr[REGISTER.loopCounter] = 0;
  gpr[REGISTER.ebase] = 0x8000_0000;
  gpr[REGISTER.pageMask] = 0;
  gpr[REGISTER.small] = 0;

  const interrupts = random.chance(50);
  let status = STATUS.EXL | (user ? STATUS.UM : 0) | (random.chance(user ? 50 : 15) ? STATUS.CU0 : 0);
  if (interrupts) status |= (random.below(4) << 8) | (random.chance(60) ? STATUS.IE : 0);
  if (random.chance(8)) status |= STATUS.BEV;
  let cause = CAUSE.DC | (random.chance(40) ? CAUSE.IV : 0);
  if (interrupts && random.chance(40)) cause |= random.below(4) << 8;

  return {
    seed,
    flags: mayEret ? FLAG_RESUME_BY_ERROR_EPC : 0,
    codeVa,
    codeOffset,
    groups,
    status,
    cause,
    entryHi: asid,
    // Code is always served; what is nowhere too.
    refillRegions: (random.word() | random.word() | (1 << CODE_REGION) | (1 << NOWHERE_REGION)) & 0xffff,
    fixRegions: random.word() & 0xffff & ~(1 << NOWHERE_REGION),
    gpr,
    hi: random.operand(),
    lo: random.operand(),
    dataSeed: random.word(),
    cp0: [
      random.chance(80) ? 0x8000_0000 : 0x8000_2000,
      random.pick([0, 0, 1, 2, 4, 8, 16]) << 5,
      random.below(16),
      random.below(TLB_ENTRIES),
      random.word(),
      random.word(),
      3,
      random.below(TLB_ENTRIES),
      0,
      random.word(),
    ],
    tlb,
    regions,
  };
}

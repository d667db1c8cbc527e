/** Whether a CPU model of the embedder's can be a host's. */
import { GuestConfigError } from "../guest.ts";
import { STATUS } from "../isa/cp0.ts";
import { CPU_MODELS, tlbSizeOf, type CpuModel } from "../machine/cpu-models.ts";
import { TLB_MAX_ENTRIES } from "../machine/state-layout.ts";

/** Features, each of which a model has or has not. */
const FLAGS = [
  "rixi",
  "badInstr",
  "userLocal",
  "vectoredInterrupts",
  "tlbMachineCheck",
  "segmentControl",
  "xpa",
  "tlbInvalidate",
  "pageWalker",
  "llb",
  "ebaseWriteGate",
] as const satisfies readonly (keyof CpuModel)[];

/** Those that came with release 5. */
const RELEASE_5 = ["segmentControl", "xpa", "pageWalker", "llb", "ebaseWriteGate"] as const;

const LEVELS: readonly string[] = ["mips32r2", "mips32r5"];
const LONGEST_NAME = 64;
/** KScratch1 to KScratch6 are selects 2 to 7. */
const KSCRATCH_SELECTS = 0xfc;
/** Fewer entries than these some code of kernels, which wires a few, cannot live with. */
const LEAST_TLB = 8;
/** Config4.FTLBWays says more than two in four bits. */
const MOST_WAYS = 16;
/** Fields of Status that every model has, and all that one can have besides the FPU's. */
const STATUS_LEAST = STATUS.CU0 | STATUS.BEV | STATUS.IM | STATUS.UM | STATUS.ERL | STATUS.EXL | STATUS.IE;
const STATUS_MOST = Object.values(CPU_MODELS).reduce((bits, { statusWritable }) => bits | statusWritable, 0);

/** The FPUs that there are. */
const FPUS: readonly string[] = Object.values(CPU_MODELS).map(({ fpu }) => JSON.stringify(fpu));

/** Fields that are whole numbers, with the least and the most that each can be. */
const NUMBERS = [
  ["prid", 0, 0xffff_ffff],
  ["tlbEntries", LEAST_TLB, TLB_MAX_ENTRIES],
  ["kscratch", 0, KSCRATCH_SELECTS],
  ["dcacheWays", 1, 8],
  ["icacheWays", 1, 8],
  ["ccres", 1, 8],
] as const satisfies readonly (readonly [field: keyof CpuModel, least: number, most: number])[];

/**
 * Checks a model, which callers without types may have made as well. Throws {@link GuestConfigError}, whose message
 * says what of it cannot be.
 */
export function checkModel(model: CpuModel): void {
  if (Object.values(CPU_MODELS).includes(model)) return;
  for (const [name, why] of problemsOf(model))
    throw new GuestConfigError("hostCpu", `the model of the host CPU cannot be: ${name} ${why}`);
}

/** What of an FTLB cannot be. */
function* problemsOfFtlb(
  model: CpuModel,
  ftlb: NonNullable<CpuModel["ftlb"]>,
): Generator<readonly [name: string, why: string]> {
  const parts = typeof ftlb === "object" ? [ftlb.ways, ftlb.sets] : [];
  const isPowerOfTwo = (value: unknown): boolean =>
    typeof value === "number" && value >= 2 && Number.isInteger(Math.log2(value));
  if (parts.length === 0 || !parts.every(isPowerOfTwo) || ftlb.ways > MOST_WAYS)
    yield ["ftlb", `has to be null, or ways (up to ${MOST_WAYS}) and sets, which are powers of two from 2`];
  else if (tlbSizeOf(model) > TLB_MAX_ENTRIES)
    yield ["ftlb", `has to have at most ${TLB_MAX_ENTRIES} entries with tlbEntries`];
  if (!model.tlbInvalidate) yield ["ftlb", "needs tlbInvalidate, with which kernels clear it"];
}

/** The fields that cannot be as they are, each with the reason. */
function* problemsOf(model: CpuModel): Generator<readonly [name: string, why: string]> {
  const { name, isa, cacheLine, kscratch, statusWritable, tlbEntries, fpu } = model;
  if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME)
    yield ["name", `has to have 1 to ${LONGEST_NAME} characters`];
  else if (Object.hasOwn(CPU_MODELS, name)) yield ["name", `is that of another model, ${name}`];
  if (!LEVELS.includes(isa)) yield ["isa", `has to be one of ${LEVELS.join(", ")}`];
  for (const flag of FLAGS) if (typeof model[flag] !== "boolean") yield [flag, "has to be true or false"];
  for (const flag of RELEASE_5) if (model[flag] && isa !== "mips32r5") yield [flag, "needs isa mips32r5"];
  if (model.segmentControl && !model.ebaseWriteGate) yield ["segmentControl", "needs ebaseWriteGate"];
  if (model.xpa && !model.rixi) yield ["xpa", "needs rixi, whose register PageGrain it uses"];
  const [leastBits, mostBits] = model.xpa ? [37, 40] : [32, 36];
  for (const [field, least, most] of [...NUMBERS, ["physicalBits", leastBits, mostBits] as const])
    if (!Number.isInteger(model[field]) || model[field] < least || model[field] > most)
      yield [field, `has to be a whole number from ${least} to ${most}`];
  if (!Number.isInteger(Math.log2(tlbEntries))) yield ["tlbEntries", "has to be a power of two"];
  if (model.ftlb !== null) yield* problemsOfFtlb(model, model.ftlb);
  if ((kscratch & ~KSCRATCH_SELECTS) !== 0) yield ["kscratch", "may have bits 2 to 7 only"];
  if ((statusWritable & STATUS_LEAST) !== STATUS_LEAST || (statusWritable & ~STATUS_MOST) !== 0)
    yield ["statusWritable", "has too few or too many bits: begin with that of another model"];
  if (cacheLine !== 16 && cacheLine !== 32) yield ["cacheLine", "has to be 16 or 32"];
  if (fpu !== null && !FPUS.includes(JSON.stringify(fpu)))
    yield ["fpu", "has to be null, or that of another model"];
}

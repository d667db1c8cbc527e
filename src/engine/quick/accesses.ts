import { CONTEXT, CP0, ENTRY_HI, ENTRY_LO, LL_ADDR_SHIFT, PW, STATUS } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import type { CpuModel } from "../../machine/cpu-models.ts";
import { ACCESS, type Access } from "../../machine/mmu.ts";
import { MODE } from "../../machine/modes.ts";
import {
  PAGE_SIZE,
  SEGMENT_MAPPED,
  SEGMENT_OTHER,
  SEGMENT_ROUTES,
  SOFT_TLB,
  STATE,
  TLB_LISTS,
  TLB_USE,
} from "../../machine/state-layout.ts";
import { LOAD_AROUND } from "../imports.ts";
import { MEMORY, type Code } from "../wasm/code.ts";
import { codeEntry, VECTOR } from "./exceptions.ts";
import { Routine, type Value, type Variable } from "./routine.ts";
import type { QuickTarget } from "./target.ts";
import { compared, pairBytes, TLB_ENTRY_AT, type WrittenEntry } from "./tlb.ts";

/** Functions of the same module that accesses need. */
export interface AccessHelpers {
  readonly probe: number;
  readonly enterException: number;
}

/** Entry for `va` of the data bank at `bank`, of the current one if nothing else is said. */
function dataEntry(r: Routine, va: Value, bank: Value = r.state(STATE.dataBank)): Value {
  const number = r.and(r.shr(va, 12), SOFT_TLB.dataEntries - 1);
  return r.add(bank, r.shl(number, SOFT_TLB.dataEntryShift));
}

/** Raises the refill exception for `va`, and answers 0. If it cannot, it calls `rare`, which answers. */
function emitRefill(
  r: Routine,
  { machine }: QuickTarget,
  { enterException }: AccessHelpers,
  va: Variable,
  access: Access,
  rare: () => void,
): void {
  if (machine.config.reportRefills === true) return rare();
  if (machine.cpu.model.pageWalker) r.when(r.and(r.cp0(CP0.PWCtl), PW.CTL_EN), rare);
  r.setCp0(CP0.BadVAddr, va);
  r.setCp0(CP0.Context, r.merge(r.cp0(CP0.Context), r.shr(va, 9), CONTEXT.BADVPN2));
  r.setCp0(CP0.EntryHi, r.merge(r.cp0(CP0.EntryHi), va, ENTRY_HI.VPN2));
  const vector = access === ACCESS.fetch ? VECTOR.refillOfFetch : VECTOR.refill;
  r.answerWhen(r.call(enterException, access === ACCESS.store ? EXC_CODE.TLBS : EXC_CODE.TLBL, vector), 0);
  rare();
}

/** Where an address leads. */
interface Physical {
  readonly pa: Variable;
  /** Not 0: the page may be stored to. */
  readonly writable: Variable;
}

/** Where `mode` finds the segment of `va`: of `SEGMENT_ROUTES`. */
function routeOf(r: Routine, mode: Value, va: Value): Value {
  return r.load(r.shl(r.or(r.shl(mode, 3), r.shr(va, 29)), 2), SEGMENT_ROUTES.base);
}

/** Translates `va`; see `Mmu.translate`. `missed` deals with an address that no TLB entry maps, `rare` with all else. */
function emitTranslate(
  r: Routine,
  { machine }: QuickTarget,
  { probe }: AccessHelpers,
  va: Variable,
  access: Access,
  missed: () => void,
  rare: () => void,
): Physical {
  const [pa, writable] = [r.variable(), r.variable(1)];
  const route = r.variable(routeOf(r, r.state(STATE.mode), va));
  r.when(r.eq(route, SEGMENT_OTHER), rare);
  r.when(
    r.eq(route, SEGMENT_MAPPED),
    () => {
      const entry = r.variable(r.call(probe, va));
      r.when(r.eq(entry, -1), rare);
      r.when(r.not(entry), missed);
      emitTranslateMapped(r, machine.cpu.model, entry, va, access, { pa, writable }, rare);
    },
    () => r.set(pa, r.or(r.shl(route, 29), r.and(va, 0x1fff_ffff))),
  );
  return { pa, writable };
}

/** What a TLB entry says of both its pages, as EntryLo registers do. */
interface Halves {
  readonly lo0: Value;
  readonly lo1: Value;
  /** Upper halves, where the CPU has them. */
  readonly high0: Value;
  readonly high1: Value;
}

/** Translates `va` by the entry of the host TLB at `entry`. */
function emitTranslateMapped(
  r: Routine,
  model: CpuModel,
  entry: Variable,
  va: Variable,
  access: Access,
  to: Physical,
  rare: () => void,
): void {
  const half = r.variable(halfOf(r, r.load(TLB_LISTS.onlyMask)));
  const halves = {
    lo0: r.load(entry, TLB_ENTRY_AT.entryLo0),
    lo1: r.load(entry, TLB_ENTRY_AT.entryLo1),
    high0: r.load(entry, TLB_ENTRY_AT.high0),
    high1: r.load(entry, TLB_ENTRY_AT.high1),
  };
  emitTranslateBy(r, model, halves, half, va, access, to, rare);
  const use = access === ACCESS.fetch ? TLB_USE.fetched : r.shl(TLB_USE.data, r.state(STATE.mode));
  r.store(entry, TLB_ENTRY_AT.used, r.or(r.load(entry, TLB_ENTRY_AT.used), use));
}

/** Bytes of a page of a pair with page mask `mask`. */
const halfOf = (r: Routine, mask: Value): Value => r.shr(pairBytes(r, mask), 1);

/** Translates `va` by an entry that says `halves` of two pages of `half` bytes. */
function emitTranslateBy(
  r: Routine,
  model: CpuModel,
  { lo0, lo1, high0, high1 }: Halves,
  half: Variable,
  va: Variable,
  access: Access,
  { pa, writable }: Physical,
  rare: () => void,
): void {
  const odd = r.variable(r.and(va, half));
  const lo = r.variable(r.select(odd, lo1, lo0));
  const needed = ENTRY_LO.V | (access === ACCESS.store ? ENTRY_LO.D : 0);
  r.when(r.ne(r.and(lo, needed), needed), rare);
  // Pages that may be forbidden to read or execute, and those beyond 4 GiB.
  const unusual = r.variable(r.shr(r.and(lo, ENTRY_LO.PFN), 26));
  const inhibit = access === ACCESS.fetch ? ENTRY_LO.XI : ENTRY_LO.RI;
  if (model.rixi) r.set(unusual, r.or(unusual, r.and(lo, inhibit)));
  if (model.xpa) r.set(unusual, r.or(unusual, r.select(odd, high1, high0)));
  r.when(unusual, rare);
  r.set(pa, r.or(r.shl(r.and(lo, ENTRY_LO.PFN), 6), r.and(va, r.sub(half, 1))));
  r.set(writable, r.and(lo, ENTRY_LO.D));
}

/** Where an address in RAM is. */
interface Found extends Pick<Physical, "writable"> {
  /** Memory offset of the byte. */
  readonly place: Variable;
  /** The page's decoded code, or 0. */
  readonly records: Variable;
}

/** Finds `va` in RAM, or raises the refill exception and answers 0. All else is left to `rare`, which answers. */
function emitFind(
  r: Routine,
  target: QuickTarget,
  helpers: AccessHelpers,
  va: Variable,
  access: Access,
  rare: () => void,
): Found {
  r.when(r.and(r.state(STATE.slowAccesses), 1 << access), rare);
  const refill = (): void => emitRefill(r, target, helpers, va, access, rare);
  const { pa, writable } = emitTranslate(r, target, helpers, va, access, refill, rare);
  return { writable, ...emitInRam(r, target, pa, rare) };
}

/** Where physical address `pa` is in RAM; what is elsewhere is left to `rare`, which answers. */
function emitInRam(
  r: Routine,
  { machine: { memory, mmu } }: QuickTarget,
  pa: Variable,
  rare: () => void,
): Omit<Found, "writable"> {
  const place = r.variable();
  for (const { base, size, offset } of mmu.ram)
    r.when(r.ltU(r.sub(pa, base), size), () =>
      r.set(place, r.add(r.sub(pa, base), memory.plan.ram + offset)),
    );
  r.when(r.not(place), rare);
  const page = r.shr(r.sub(place, memory.plan.ram), 12);
  return { place, records: r.variable(r.load(r.shl(page, 2), memory.plan.codeMap)) };
}

/** Enters the page of `va`, which is at `place`, into the soft TLB's data bank at `bank`. */
function emitEnterData(r: Routine, bank: Value, va: Variable, place: Variable, writable: Variable): void {
  const entry = r.variable(dataEntry(r, va, bank));
  const tag = r.variable(r.and(va, -PAGE_SIZE));
  r.store(entry, SOFT_TLB.readTag, tag);
  r.store(entry, SOFT_TLB.writeTag, r.select(writable, tag, SOFT_TLB.emptyTag));
  r.store(entry, SOFT_TLB.addend, r.sub(place, va));
}

/**
 * If the TLB entry that was just written maps the address of the last TLB miss, has the soft TLB know both pages for the
 * mode that the handler of that miss comes back to, so that the access finds them when it is made again.
 */
export function emitEnterRefilled(
  r: Routine,
  target: QuickTarget,
  { entry, mask, entryHi, lo0, lo1 }: WrittenEntry,
): void {
  const { model } = target.machine.cpu;
  const none = r.code.block();
  const unless = (condition: Value): void => {
    r.push(condition);
    r.code.brIf(none);
  };
  const [va, status] = [r.variable(r.cp0(CP0.BadVAddr)), r.variable(r.cp0(CP0.Status))];
  const isOther = r.and(r.xor(entryHi, va), compared(r, mask));
  const wasFetch = r.eq(va, r.cp0(CP0.EPC));
  const isUnexpected = r.xor(r.and(status, STATUS.EXL | STATUS.ERL | STATUS.SM), STATUS.EXL);
  unless(r.or(r.or(isOther, wasFetch), r.or(isUnexpected, r.state(STATE.slowAccesses))));
  const [user, asid] = [r.variable(r.and(status, STATUS.UM)), r.variable(r.and(entryHi, ENTRY_HI.ASID))];
  const mode = r.variable(r.select(user, MODE.user, MODE.kernel));
  const bank = r.variable(r.select(user, r.bankOf(MODE.user, asid), r.bankOf(MODE.kernel, asid)));
  unless(r.or(r.not(bank), r.ne(routeOf(r, mode, va), SEGMENT_MAPPED)));
  r.store(entry, TLB_ENTRY_AT.used, r.or(TLB_USE.written, r.shl(TLB_USE.data, mode)));
  const half = r.variable(halfOf(r, mask));
  const high0 = r.state(STATE.cp0High + CP0.EntryLo0 * 4);
  const high1 = r.state(STATE.cp0High + CP0.EntryLo1 * 4);
  for (const page of [va, r.variable(r.xor(va, half))]) {
    const isRare = r.code.block();
    const rare = (): void => r.code.br(isRare);
    const [pa, writable] = [r.variable(), r.variable()];
    emitTranslateBy(r, model, { lo0, lo1, high0, high1 }, half, page, ACCESS.load, { pa, writable }, rare);
    const { place, records } = emitInRam(r, target, pa, rare);
    r.when(records, () => r.set(writable, 0));
    emitEnterData(r, bank, page, place, writable);
    r.code.end();
  }
  r.code.end();
}

/**
 * Looks `va` up, for an aligned access, and enters the page into the soft TLB. Returns the place of the byte at `va`.
 * What is neither RAM nor a refill exception is left to `rare`, which answers.
 */
function emitLookUp(
  r: Routine,
  target: QuickTarget,
  helpers: AccessHelpers,
  va: Variable,
  access: Access,
  rare: () => void,
): Variable {
  const { place, writable, records } = emitFind(r, target, helpers, va, access, rare);
  r.when(records, () => (access === ACCESS.store ? rare() : r.set(writable, 0)));
  emitEnterData(r, r.state(STATE.dataBank), va, place, writable);
  return place;
}

/**
 * The place of the byte at `va`: as the soft TLB knows it, which is asked again because translated code may have
 * asked for another page only; or as `lookUp` finds it.
 */
function emitKnownOr(r: Routine, va: Variable, tag: number, lookUp: () => Variable): Variable {
  const entry = r.variable(dataEntry(r, va));
  const place = r.variable(r.add(va, r.load(entry, SOFT_TLB.addend)));
  r.when(r.ne(r.load(entry, tag), r.and(va, -PAGE_SIZE)), () => r.set(place, lookUp()));
  return place;
}

/** `load`. */
export function buildLoad(target: QuickTarget, helpers: AccessHelpers): Code {
  const r = new Routine(2);
  const [va, size] = [r.parameter(0), r.parameter(1)];
  const rare = (): void => r.answer(r.call(target.complete("load"), va, size));
  // The bits of an address that must be 0: none of an access to the word around it.
  r.when(r.and(va, r.sub(size, r.ne(size, LOAD_AROUND))), rare);
  const place = emitKnownOr(r, va, SOFT_TLB.readTag, () =>
    emitLookUp(r, target, helpers, va, ACCESS.load, rare),
  );
  r.when(r.eq(size, LOAD_AROUND), () => r.answer(r.and(place, -4)));
  if (target.machine.memory.endian === "little") return r.finish(place);
  return r.finish(r.xor(place, r.and(r.sub(4, size), 3)));
}

/** `store`. */
export function buildStore(target: QuickTarget, helpers: AccessHelpers): Code {
  const { endian } = target.machine.memory;
  const r = new Routine(3);
  const [va, size, value] = [r.parameter(0), r.parameter(1), r.parameter(2)];
  const rare = (): void => r.answer(r.call(target.complete("store"), va, size, value));
  // Parts of words, and what is not aligned.
  r.when(r.or(r.ltU(4, size), r.and(va, r.sub(size, 1))), rare);
  const place = emitKnownOr(r, va, SOFT_TLB.writeTag, () =>
    emitLookUp(r, target, helpers, va, ACCESS.store, rare),
  );
  if (endian === "big") r.set(place, r.xor(place, r.and(r.sub(4, size), 3)));
  const { i32Store, i32Store16, i32Store8 } = MEMORY;
  r.when(
    r.eq(size, 4),
    () => r.storeAs(i32Store, place, 0, value),
    () =>
      r.when(
        r.eq(size, 2),
        () => r.storeAs(i32Store16, place, 0, value),
        () => r.storeAs(i32Store8, place, 0, value),
      ),
  );
  return r.finish(1);
}

/** `fetch`, of a page with decoded code. */
export function buildFetch(target: QuickTarget, helpers: AccessHelpers): Code {
  const r = new Routine(1);
  const va = r.parameter(0);
  const rare = (): void => r.answer(r.call(target.complete("fetch"), va));
  r.when(r.and(va, 3), rare);
  const { records } = emitFind(r, target, helpers, va, ACCESS.fetch, rare);
  r.when(r.not(records), rare);
  const entry = r.variable(codeEntry(r, va));
  r.store(entry, SOFT_TLB.codeTag, r.and(va, -PAGE_SIZE));
  r.store(entry, SOFT_TLB.codeRecords, records);
  return r.finish(records);
}

/** Whether the soft TLB has the page of `va`, for an access to a word that `tag` stands for. */
function isKnown(r: Routine, entry: Value, va: Value, tag: number): Value {
  return r.eq(r.load(entry, tag), r.and(va, -PAGE_SIZE | 3));
}

/** `linkToRam`. */
export function buildLinkToRam(target: QuickTarget, helpers: AccessHelpers): Code {
  const { model } = target.machine.cpu;
  const r = new Routine(1);
  const va = r.parameter(0);
  const rare = (): void => r.answer(r.call(target.complete("linkToRam"), va));
  const entry = r.variable(dataEntry(r, va));
  r.when(isKnown(r, entry, va, SOFT_TLB.readTag), () => {
    const { pa } = emitTranslate(r, target, helpers, va, ACCESS.load, rare, rare);
    r.setState(STATE.llBit, 1);
    r.setState(STATE.linkedAddress, pa);
    r.setState(STATE.linkedAddress + 4, 0);
    r.setCp0(CP0.LLAddr, r.shl(r.shr(pa, LL_ADDR_SHIFT), model.llb ? 1 : 0));
    if (model.xpa) r.setState(STATE.cp0High + CP0.LLAddr * 4, 0);
    r.answer(r.add(va, r.load(entry, SOFT_TLB.addend)));
  });
  rare();
  return r.code;
}

/** `storeToRam`. Pages whose stores are seen are not in the soft TLB. */
export function buildStoreToRam({ complete }: QuickTarget): Code {
  const r = new Routine(2);
  const [va, value] = [r.parameter(0), r.parameter(1)];
  const entry = r.variable(dataEntry(r, va));
  r.when(isKnown(r, entry, va, SOFT_TLB.writeTag), () => {
    r.when(r.state(STATE.llBit), () => {
      r.store(r.add(va, r.load(entry, SOFT_TLB.addend)), 0, value);
      r.answer(1);
    });
    r.answer(0);
  });
  return r.finish(r.call(complete("storeToRam"), va, value));
}

import { CP0, ENTRY_HI, ENTRY_LO, INDEX } from "../../isa/cp0.ts";
import type { FtlbModel } from "../../machine/cpu-models.ts";
import { MODE } from "../../machine/modes.ts";
import {
  CODE_BANK_OFFSET,
  FTLB_WORDS,
  PAGE_SHIFT,
  PAGE_SIZE,
  SOFT_TLB,
  STATE,
  TLB_BASE,
  TLB_ENTRY,
  TLB_LISTS,
  TLB_USE,
} from "../../machine/state-layout.ts";
import { hashShiftFor, NONE, SPREAD } from "../../machine/tlb-lists.ts";
import { MEMORY, PLAIN, type Code } from "../wasm/code.ts";
import { emitAdvance, emitDenied } from "./exceptions.ts";
import { Routine, type Value, type Variable } from "./routine.ts";
import type { QuickTarget } from "./target.ts";

/** Byte offsets in an entry. */
const AT = {
  entryHi: TLB_ENTRY.entryHi * 4,
  entryLo0: TLB_ENTRY.entryLo0 * 4,
  entryLo1: TLB_ENTRY.entryLo1 * 4,
  used: TLB_ENTRY.used * 4,
  high0: TLB_ENTRY.high0 * 4,
  high1: TLB_ENTRY.high1 * 4,
} as const;
export { AT as TLB_ENTRY_AT };

const onlyMask = (r: Routine): Value => r.load(TLB_LISTS.onlyMask);
/** Bits of an address that entries with page mask `mask` compare. */
export const compared = (r: Routine, mask: Value): Value => r.and(r.xor(mask, -1), ENTRY_HI.VPN2);
/** Bytes that an entry with page mask `mask` maps, of both its pages. */
export const pairBytes = (r: Routine, mask: Value): Value => r.add(r.or(mask, 0x1fff), 1);
/** Bits of EntryLo, G apart, that entries with page mask `mask` keep. */
const frameBits = (r: Routine, mask: Value): Value =>
  r.and(r.or(r.xor(r.shr(mask, 7), -1), ~ENTRY_LO.PFN), ~ENTRY_LO.G);
const entryAt = (r: Routine, index: Value): Value => r.add(r.mul(index, TLB_ENTRY.words * 4), TLB_BASE);

/** Place of the word that says with which entry the list of `page` begins. */
function listOf(r: Routine, { machine }: QuickTarget, page: Value): Value {
  const hash = r.mul(r.shr(page, 13), SPREAD);
  return r.add(r.shl(r.shr(hash, hashShiftFor(machine.cpu.tlb.entries)), 2), TLB_LISTS.first);
}

/** Does `body` for each entry of the list that begins with `index`, whose place `entry` is then. */
function forEach(r: Routine, index: Variable, entry: Variable, body: () => void): void {
  r.while(r.ne(index, NONE), () => {
    r.set(entry, entryAt(r, index));
    body();
    r.set(index, r.load(r.shl(index, 2), TLB_LISTS.next));
  });
}

/**
 * (va) → place of the entry that matches in the current ASID, 0 if none does, -1 if this form cannot tell: entries
 * have different page masks. See `Tlb.probe`.
 */
export function buildProbe(target: QuickTarget): Code {
  const r = new Routine(1);
  const va = r.parameter(0);
  r.answerWhen(r.eq(onlyMask(r), NONE), -1);
  const bits = r.variable(compared(r, onlyMask(r)));
  const index = r.variable(r.load(listOf(r, target, r.and(va, bits))));
  const [entry, found] = [r.variable(), r.variable()];
  forEach(r, index, entry, () => {
    const samePage = r.not(r.and(r.xor(r.load(entry, AT.entryHi), va), bits));
    const sameAsid = r.eq(r.and(r.load(entry, AT.entryHi), ENTRY_HI.ASID), r.asid);
    const matches = r.and(samePage, r.or(sameAsid, r.and(r.load(entry, AT.entryLo0), ENTRY_LO.G)));
    // The first of several.
    r.when(r.and(matches, r.or(r.not(found), r.ltU(entry, found))), () => r.set(found, entry));
  });
  return r.finish(found);
}

/** `tlbp`. */
export function buildTlbp({ complete }: QuickTarget, probe: number, raise: number): Code {
  const r = new Routine(0);
  emitDenied(r, raise);
  const entry = r.variable(r.call(probe, r.cp0(CP0.EntryHi)));
  r.when(r.eq(entry, -1), () => r.answer(r.call(complete("tlbp"))));
  r.when(
    entry,
    () => r.setCp0(CP0.Index, r.quotient(r.sub(entry, TLB_BASE), TLB_ENTRY.words * 4)),
    () => r.setCp0(CP0.Index, r.or(r.cp0(CP0.Index), INDEX.P)),
  );
  return r.finish(0);
}

/** Has the soft TLB forget the page at `page`, if its entry for data at `entry` has that. */
function emitDropData(r: Routine, entry: Variable, offset: number, page: Value): void {
  const isKnown = (tag: number): Value => r.eq(r.load(entry, offset + tag), page);
  r.when(r.or(isKnown(SOFT_TLB.readTag), isKnown(SOFT_TLB.writeTag)), () => {
    r.store(entry, offset + SOFT_TLB.readTag, SOFT_TLB.emptyTag);
    r.store(entry, offset + SOFT_TLB.writeTag, SOFT_TLB.emptyTag);
  });
}

/** Entry for the page at `page` of `entries`, each of `1 << shift` bytes, that begin at `base`. */
const softEntry = (r: Routine, base: Value, page: Value, entries: number, shift: number): Variable =>
  r.variable(r.add(base, r.shl(r.and(r.shr(page, PAGE_SHIFT), entries - 1), shift)));

/** Drops the pages from `first` to `end` from the soft TLB bank at `bank`, for code too if it was `fetched`. */
function emitDropPages(r: Routine, bank: Variable, first: Variable, end: Variable, fetched: Value): void {
  const { emptyTag, dataEntries, dataEntryShift, codeEntries, codeEntryShift } = SOFT_TLB;
  const data = (page: Value): Variable => softEntry(r, bank, page, dataEntries, dataEntryShift);
  const page = r.variable(first);
  r.when(
    r.eq(r.sub(end, first), 2 * PAGE_SIZE),
    () => {
      // Of a pair, the entries are neighbours.
      const even = data(first);
      emitDropData(r, even, 0, first);
      emitDropData(r, even, 1 << dataEntryShift, r.add(first, PAGE_SIZE));
    },
    () =>
      r.while(r.ne(page, end), () => {
        emitDropData(r, data(page), 0, page);
        r.set(page, r.add(page, PAGE_SIZE));
      }),
  );
  r.when(fetched, () => {
    r.set(page, first);
    r.while(r.ne(page, end), () => {
      const code = softEntry(r, r.add(bank, CODE_BANK_OFFSET), page, codeEntries, codeEntryShift);
      r.when(r.eq(r.load(code, SOFT_TLB.codeTag), page), () => r.store(code, SOFT_TLB.codeTag, emptyTag));
      r.set(page, r.add(page, PAGE_SIZE));
    });
  });
}

/** What was written to the host TLB. */
export interface WrittenEntry {
  /** Place of the entry. */
  readonly entry: Variable;
  /** The page mask of all entries. */
  readonly mask: Variable;
  readonly entryHi: Variable;
  readonly lo0: Variable;
  readonly lo1: Variable;
}

/**
 * Writes the CP0 registers to TLB entry `index`. Calls `rare`, which answers, before anything has happened, if the entry is
 * global or was never written, entries have different page masks, or another one matches the same. See
 * `SystemOps.tlbwi` and `Tlb.write`.
 */
function emitWriteEntry(r: Routine, target: QuickTarget, index: Variable, rare: () => void): WrittenEntry {
  const { model } = target.machine.cpu;
  const mask = r.variable(onlyMask(r));
  const entry = r.variable(entryAt(r, index));
  const isGlobal = (lo: Value): Value => r.and(lo, ENTRY_LO.G);
  const isRare = r.or(
    r.xor(r.cp0(CP0.PageMask), mask),
    r.or(r.not(r.load(entry, AT.used)), isGlobal(r.load(entry, AT.entryLo0))),
  );
  r.when(isRare, rare);
  const bits = r.variable(compared(r, mask));
  const entryHi = r.variable(r.and(r.cp0(CP0.EntryHi), ENTRY_HI.VPN2 | ENTRY_HI.ASID));
  const [lo0, lo1] = [r.variable(r.cp0(CP0.EntryLo0)), r.variable(r.cp0(CP0.EntryLo1))];
  const global = r.variable(isGlobal(r.and(lo0, lo1)));
  const list = r.variable(listOf(r, target, r.and(entryHi, bits)));

  const at = r.variable(r.load(list));
  const other = r.variable();
  forEach(r, at, other, () => {
    const differ = r.xor(r.load(other, AT.entryHi), entryHi);
    const samePage = r.not(r.and(differ, bits));
    const shared = r.or(
      r.not(r.and(differ, ENTRY_HI.ASID)),
      r.or(global, isGlobal(r.load(other, AT.entryLo0))),
    );
    r.when(r.and(r.ne(other, entry), r.and(samePage, r.ne(shared, 0))), rare);
  });

  emitForget(r, target, entry, mask, bits, index);
  // Enter it into its list, and write it.
  r.store(r.shl(index, 2), TLB_LISTS.next, r.load(list));
  r.store(list, 0, index);
  r.store(entry, AT.entryHi, entryHi);
  const frame = r.variable(frameBits(r, mask));
  for (const lo of [lo0, lo1]) r.set(lo, r.or(r.and(lo, frame), global));
  r.store(entry, AT.entryLo0, lo0);
  r.store(entry, AT.entryLo1, lo1);
  if (model.xpa) {
    r.store(entry, AT.high0, r.state(STATE.cp0High + CP0.EntryLo0 * 4));
    r.store(entry, AT.high1, r.state(STATE.cp0High + CP0.EntryLo1 * 4));
  }
  r.count(STATE.tlbWrites);
  return { entry, mask, entryHi, lo0, lo1 };
}

/**
 * Has the soft TLB forget what the entry maps, and takes the entry out of its list. Translated code goes on after that
 * unless it may lie in such a page itself.
 */
function emitForget(
  r: Routine,
  target: QuickTarget,
  entry: Variable,
  mask: Variable,
  bits: Variable,
  index: Variable,
): void {
  const old = r.variable(r.load(entry, AT.entryHi));
  const first = r.variable(r.and(old, bits));
  const end = r.variable(r.add(first, pairBytes(r, mask)));
  const used = r.variable(r.load(entry, AT.used));
  const fetched = r.variable(r.and(used, TLB_USE.fetched));
  for (const mode of Object.values(MODE))
    r.when(r.and(used, TLB_USE.fetched | (TLB_USE.data << mode)), () => {
      const bank = r.variable(r.bankOf(mode, r.and(old, ENTRY_HI.ASID)));
      r.when(bank, () => emitDropPages(r, bank, first, end, fetched));
    });
  r.store(entry, AT.used, TLB_USE.written);
  r.when(fetched, () => r.setState(STATE.stale, 1));
  const link = r.variable(listOf(r, target, first));
  r.while(r.ne(r.load(link), index), () => r.set(link, r.add(r.shl(r.load(link), 2), TLB_LISTS.next)));
  r.store(link, 0, r.load(r.shl(index, 2), TLB_LISTS.next));
}

/** Pushes an i64: the instructions since reset or the last write of Wired. */
function pushRetired(r: Routine): void {
  const { code } = r;
  code.const32(0);
  code.memory(MEMORY.i64Load, STATE.sliceEnd);
  r.push(r.state(STATE.remaining));
  code.op(PLAIN.i64ExtendI32S);
  code.op(PLAIN.i64Sub);
  code.const32(0);
  code.memory(MEMORY.i64Load, STATE.randomStart);
  code.op(PLAIN.i64Sub);
}

/** Random: see `randomIndex`. */
function randomIndex(r: Routine, { machine }: QuickTarget): Value {
  const { code } = r;
  const last = machine.cpu.tlb.vtlbEntries - 1;
  const wired = r.cp0(CP0.Wired);
  const number = r.variable(r.sub(last + 1, r.select(r.ltU(wired, last), wired, last)));
  const past = r.variable(() => {
    pushRetired(r);
    code.op(PLAIN.i32WrapI64);
  });
  // A division takes time.
  r.when(
    r.and(number, r.sub(number, 1)),
    () =>
      r.set(past, () => {
        pushRetired(r);
        r.push(number);
        code.op(PLAIN.i64ExtendI32U);
        code.op(PLAIN.i64RemU);
        code.op(PLAIN.i32WrapI64);
      }),
    () => r.set(past, r.and(past, r.sub(number, 1))),
  );
  return r.sub(last, past);
}

/** The FTLB's set, from 0, for what EntryHi names. */
function ftlbSet(r: Routine, { sets }: FtlbModel): Value {
  return r.and(r.shr(r.cp0(CP0.EntryHi), r.load(FTLB_WORDS.pairShift)), sets - 1);
}

/** Whether the CP0 registers say an entry that is for the FTLB. */
const isForFtlb = (r: Routine): Value => r.eq(r.cp0(CP0.PageMask), r.load(FTLB_WORDS.pageMask));

/** The entry that TLBWR writes: see `Tlb.randomPlace`. */
function emitRandomPlace(r: Routine, target: QuickTarget): Variable {
  const { ftlb, vtlbEntries } = target.machine.cpu.tlb;
  if (ftlb === null) return r.variable(randomIndex(r, target));
  const place = r.variable();
  const retired: Value = () => {
    pushRetired(r);
    r.code.op(PLAIN.i32WrapI64);
  };
  const way = r.shr(r.mul(retired, SPREAD), 32 - Math.log2(ftlb.ways));
  r.when(
    isForFtlb(r),
    () => r.set(place, r.add(vtlbEntries, r.add(r.mul(way, ftlb.sets), ftlbSet(r, ftlb)))),
    () => r.set(place, randomIndex(r, target)),
  );
  return place;
}

/** Goes on behind the current instruction, which is fetched anew only if code is gone from the soft TLB. */
function finishWrite(r: Routine): Code {
  r.when(r.state(STATE.stale), () => {
    emitAdvance(r);
    r.answer(1);
  });
  return r.finish(0);
}

/** `tlbwr`. `emitEnterRefilled`: see there. */
export function buildTlbwr(
  target: QuickTarget,
  emitEnterRefilled: (r: Routine, target: QuickTarget, written: WrittenEntry) => void,
  raise: number,
): Code {
  const r = new Routine(0);
  emitDenied(r, raise);
  const index = emitRandomPlace(r, target);
  const written = emitWriteEntry(r, target, index, () => r.answer(r.call(target.complete("tlbwr"))));
  emitEnterRefilled(r, target, written);
  return finishWrite(r);
}

/** `tlbwi`. */
export function buildTlbwi(target: QuickTarget, raise: number): Code {
  const { tlb, model } = target.machine.cpu;
  const { ftlb, vtlbEntries } = tlb;
  const r = new Routine(0);
  emitDenied(r, raise);
  const complete = (): void => r.answer(r.call(target.complete("tlbwi")));
  const index = r.variable(r.and(r.cp0(CP0.Index), ~INDEX.P));
  if (ftlb === null) r.set(index, r.remainder(index, vtlbEntries));
  else {
    const place = r.variable(r.sub(index, vtlbEntries));
    const isInSet = r.eq(r.and(place, ftlb.sets - 1), ftlbSet(r, ftlb));
    const isInFtlb = r.and(r.ltU(place, ftlb.ways * ftlb.sets), r.and(isForFtlb(r), isInSet));
    r.when(r.not(r.or(r.ltU(index, vtlbEntries), isInFtlb)), complete);
  }
  if (model.tlbInvalidate) r.when(r.and(r.cp0(CP0.EntryHi), ENTRY_HI.EHINV), complete);
  emitWriteEntry(r, target, index, complete);
  return finishWrite(r);
}

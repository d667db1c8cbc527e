/** `explain` for a guest under the hypervisor. */
import { CP0, STATUS } from "../isa/cp0.ts";
import { EXC_CODE, excCodeName, type ExcCode } from "../isa/exceptions.ts";
import type { Gva, Hpa } from "../kvm/addresses.ts";
import { hasHandler } from "../kvm/fault.ts";
import { segmentOf } from "../kvm/guest-map.ts";
import type { GvaRoot } from "../kvm/gva-roots.ts";
import { exitCause } from "../kvm/stats.ts";
import { backingPage, peekTranslation, type Translation } from "../kvm/translate.ts";
import { guestAsid, inUserMode } from "../kvm/vcpu-state.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { MODE } from "../machine/modes.ts";
import type {
  AccessKind,
  Explanation,
  ModeExplanation,
  Outcome,
  RaisedException,
  Step,
} from "./explanation.ts";
import { alignedSize, deniedBy, hostRoute, isMisaligned, matchingEntry } from "./host-access.ts";
import { currentAsid, pteView, rootView } from "./table-view.ts";
import { halfFor, halfView, tlbEntryView } from "./tlb-view.ts";
import type { TlbHalfView } from "./views.ts";

/** Name of the device at a physical address, or null. */
export type DeviceAt = (physical: number) => string | null;

/** The way of `gva` through guest and hypervisor, and what accesses do there now. */
export function explainGuest(vcpu: Vcpu, gva: Gva, deviceAt: DeviceAt): Explanation {
  const address = gva >>> 0;
  const explain = (user: boolean): ModeExplanation =>
    new GuestAccess(vcpu, address, user, deviceAt).explain();
  return {
    gva: address,
    size: alignedSize(address),
    host: "hypervisor",
    fastRefill: vcpu.mmu.refill === "fast",
    kernel: explain(false),
    user: explain(true),
  };
}

/** How the exit for an access ends: what `fill.ts` and `fault.ts` would find. */
type Ending =
  | { readonly kind: "filled" }
  | { readonly kind: "device"; readonly gpa: number }
  | { readonly kind: "exception"; readonly exception: RaisedException }
  | { readonly kind: "failure" };

/** Accesses to one address in one mode of the guest. */
class GuestAccess {
  private readonly vcpu: Vcpu;
  private readonly gva: Gva;
  private readonly user: boolean;
  private readonly current: boolean;
  private readonly deviceAt: DeviceAt;
  private readonly translation: Translation;
  /** The root whose tables and ASID the access is made with, null if it is still to be chosen. */
  private readonly root: GvaRoot | null;
  /** The next entry empties the root, as the guest's Status.ERL is another than when it was filled. */
  private readonly willBeEmptied: boolean;
  private readonly hostAsid: number | null;
  private readonly fast: boolean;

  constructor(vcpu: Vcpu, gva: Gva, user: boolean, deviceAt: DeviceAt) {
    this.vcpu = vcpu;
    this.gva = gva;
    this.user = user;
    this.deviceAt = deviceAt;
    this.current = inUserMode(vcpu) === user;
    this.fast = vcpu.mmu.refill === "fast";
    this.translation = peekTranslation(vcpu, gva, user);
    const entered = this.current && vcpu.inGuest;
    this.root = this.findRoot(entered);
    const usegIsPhysical = (vcpu.cp0[CP0.Status]! & STATUS.ERL) !== 0;
    this.willBeEmptied = !user && !entered && usegIsPhysical !== vcpu.mmu.usegIsPhysical;
    this.hostAsid = this.root === null || this.willBeEmptied ? null : currentAsid(vcpu, this.root);
  }

  /** What an entry in this mode will use; in the middle of guest code, what the last entry used. */
  private findRoot(entered: boolean): GvaRoot | null {
    const { vcpu, user } = this;
    const mode = entered ? vcpu.regs.userIsLive : user;
    const asid = entered ? vcpu.mmu.guestAsidOf(mode) : guestAsid(vcpu);
    return vcpu.mmu.roots(mode).find((root) => root.guestAsid === asid) ?? null;
  }

  explain(): ModeExplanation {
    const { current, user } = this;
    return {
      mode: user ? "user" : "kernel",
      current,
      steps: this.steps(),
      outcomes: { load: this.outcome("load"), store: this.outcome("store"), fetch: this.outcome("fetch") },
    };
  }

  // --- the way ---

  private steps(): Step[] {
    const { vcpu, gva, user, root } = this;
    const { kind, first, last, user: forUser } = segmentOf(vcpu.map, gva);
    const steps: Step[] = [{ step: "guest-segment", kind, first, last, allowed: !user || forUser }];
    const guestTlb = this.guestTlbStep();
    if (guestTlb !== null) steps.push(guestTlb);
    if (this.translation.kind === "commpage") steps.push({ step: "commpage" });
    if (this.gpa !== null) steps.push(this.physicalStep(this.gpa));
    const route = hostRoute(vcpu.cpu, gva, MODE.user);
    steps.push({ step: "host-segment", route: typeof route === "number" ? "unmapped" : route });
    if (route !== "mapped") return steps;
    steps.push({
      step: "root",
      guestAsid: guestAsid(vcpu),
      root: root === null ? null : rootView(vcpu, root, user),
    });
    const pgd = this.walkedPgd;
    if (pgd !== null && this.fast) steps.push(this.walkStep(pgd));
    const entry = matchingEntry(vcpu.cpu, gva, this.hostAsid);
    const half = entry === null ? null : halfFor(entry, gva);
    steps.push({ step: "host-tlb", asid: this.hostAsid, entry, half });
    return steps;
  }

  private guestTlbStep(): Step | null {
    const { vcpu, gva, translation } = this;
    if (translation.kind !== "mapped" && translation.kind !== "miss") return null;
    const asid = guestAsid(vcpu);
    if (translation.kind === "miss") return { step: "guest-tlb", asid, entry: null, half: null };
    const entry = tlbEntryView(translation.index, vcpu.guestTlb.read(translation.index));
    return { step: "guest-tlb", asid, entry, half: halfFor(entry, gva) };
  }

  private physicalStep(gpa: number): Step {
    const slot = this.vcpu.slots.find(gpa);
    const memory =
      slot === null
        ? null
        : {
            name: `memslot ${slot.slot}`,
            host: slot.hostPhysAddr + gpa - slot.guestPhysAddr,
            readonly: slot.readonly === true,
          };
    return { step: "physical", physical: gpa, memory, device: memory === null ? this.deviceAt(gpa) : null };
  }

  /**
   * The root whose table the handler will find for the address; null if that has yet to be filled. What a mode's roots
   * share, a new one gets.
   */
  private get walkedPgd(): Hpa | null {
    const { root, vcpu, user } = this;
    const { mmu } = vcpu;
    if (mmu.tables.isShared(this.gva)) return (root ?? mmu.mmOf(user)).pgd;
    return root === null || this.willBeEmptied ? null : root.pgd;
  }

  private walkStep(pgd: Hpa): Step {
    const { tables } = this.vcpu.mmu;
    const { steps, pte } = tables.path(pgd, this.gva);
    const pageBase = this.gva - (this.gva % this.vcpu.pageSize);
    return { step: "walk", slots: steps, pte: pte === null ? null : pteView(tables, pageBase, pte) };
  }

  /** The guest's physical address, null where it has none. */
  private get gpa(): number | null {
    return "gpa" in this.translation ? this.translation.gpa : null;
  }

  // --- what accesses do ---

  private outcome(access: AccessKind): Outcome {
    const { vcpu, gva } = this;
    const { cpu } = vcpu;
    const done = (verdict: Outcome["verdict"], fastRefills: number): Outcome => ({
      verdict,
      fastRefills,
      exits: [],
      exception: null,
      physical: this.gpa,
    });
    const addressError = access === "store" ? EXC_CODE.AdES : EXC_CODE.AdEL;
    if (isMisaligned(gva, access)) return this.exit(addressError, access, 0);
    const route = hostRoute(cpu, gva, MODE.user);
    if (route === "error") return this.exit(addressError, access, 0);
    if (route !== "mapped") return done("hit", 0);
    const entry = matchingEntry(cpu, gva, this.hostAsid);
    if (entry === null && !this.fast)
      return this.exit(access === "store" ? EXC_CODE.TLBS : EXC_CODE.TLBL, access, 0);
    const refills = entry === null ? 1 : 0;
    const denied = deniedBy(cpu, entry === null ? this.refilledHalf() : halfFor(entry, gva), access);
    if (denied !== null) return this.exit(denied, access, refills);
    return done(entry === null ? "refill" : "hit", refills);
  }

  /** What the generated handler puts into the host TLB for the address. */
  private refilledHalf(): TlbHalfView {
    const { vcpu, gva, walkedPgd: pgd } = this;
    const { mmu } = vcpu;
    const { tables } = mmu;
    const at = pgd === null ? null : tables.path(pgd, gva).pte;
    let pte = at === null ? 0 : tables.readPte(at);
    // A root that is emptied gets the commpage back at once.
    if (pgd === null && this.translation.kind === "commpage") pte = mmu.pteFor(mmu.commpageBacking);
    const lo = tables.format.toEntryLo(pte);
    // The handler leaves software bits where the CPU has none.
    const { writable } = vcpu.cpu.cp0Specs.get(CP0.EntryLo0)!;
    return halfView(gva - (gva % vcpu.pageSize), lo & writable);
  }

  /** The access leaves the guest by host exception `code`, after `refills` of the handler. */
  private exit(code: ExcCode, access: AccessKind, refills: number): Outcome {
    const exits = [exitCause(code)];
    const ending = this.ending(code, access);
    const outcome = { fastRefills: refills, exits, exception: null, physical: null };
    switch (ending.kind) {
      case "filled":
        // Its pair was dropped from the host TLB, so that the handler has to bring the new PTEs.
        return {
          ...outcome,
          verdict: "fill",
          fastRefills: refills + (this.fast ? 1 : 0),
          physical: this.gpa,
        };
      case "device":
        return { ...outcome, verdict: "device", physical: ending.gpa };
      case "exception":
        return { ...outcome, verdict: "exception", exception: ending.exception };
      case "failure":
        return { ...outcome, verdict: "failure" };
    }
  }

  private ending(code: ExcCode, access: AccessKind): Ending {
    const { gva, user, vcpu } = this;
    const isAddressError = code === EXC_CODE.AdEL || code === EXC_CODE.AdES;
    const store = access === "store";
    const addressError = raised(store ? EXC_CODE.AdES : EXC_CODE.AdEL);
    if (user && (isAddressError || !segmentOf(vcpu.map, gva).user)) return addressError;
    const { translation } = this;
    if (translation.kind === "illegal") return { kind: "failure" };
    if (translation.kind === "mmio") {
      if (isMisaligned(gva, access)) return addressError;
      return this.device(access, translation.gpa);
    }
    return isAddressError ? addressError : this.fillEnding(access);
  }

  /** What filling the page would find. */
  private fillEnding(access: AccessKind): Ending {
    const { translation, vcpu } = this;
    const store = access === "store";
    const tlbCode = store ? EXC_CODE.TLBS : EXC_CODE.TLBL;
    switch (translation.kind) {
      case "miss":
        return raised(tlbCode, !this.isNested);
      case "mapped":
        if (!translation.valid) return raised(tlbCode);
        if (store && !translation.dirty) return raised(EXC_CODE.Mod);
        break;
      case "direct":
        break;
      default:
        return { kind: "filled" };
    }
    const page = backingPage(vcpu, translation.gpa, true);
    if (page !== null && (!store || page.writable)) return { kind: "filled" };
    return this.device(access, translation.gpa);
  }

  private device(access: AccessKind, gpa: number): Ending {
    if (access !== "fetch") return { kind: "device", gpa };
    return hasHandler(this.vcpu) ? raised(EXC_CODE.IBE) : { kind: "failure" };
  }

  /** The guest is handling an exception: another one takes the general vector. */
  private get isNested(): boolean {
    return this.current && (this.vcpu.cp0[CP0.Status]! & STATUS.EXL) !== 0;
  }
}

function raised(code: ExcCode, refill = false): Ending {
  return {
    kind: "exception",
    exception: { name: excCodeName(code), vector: refill ? "refill" : "general" },
  };
}

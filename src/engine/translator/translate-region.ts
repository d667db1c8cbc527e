import type { Expr, Statement } from "../../isa/ir.ts";
import { CODE_PAGE, PAGE_SIZE, STATE } from "../../machine/state-layout.ts";
import type { Endian } from "../../machine/memory.ts";
import { pushTranslation } from "../chain.ts";
import { loadState, storeState } from "../compile-ir.ts";
import { Code, I32, MEMORY, PLAIN, type Label } from "../wasm/code.ts";
import { STATE_LEFT, type Linkage } from "./calling.ts";
import { flowOf, type FlowNode, type Way } from "./flow.ts";
import { InstructionEmitter } from "./instruction-emitter.ts";
import { SWITCH, takenBy, type Block, type Instruction, type Region } from "./region.ts";
import { keptPagesOf } from "./page-sharing.ts";
import type { Cp0Specs } from "./privileged.ts";
import { planRegisters, type RegisterPlan } from "./register-plan.ts";
import { Registers } from "./registers.ts";

/** Emits the body of the function that executes `region`. */
export function translateRegion(region: Region, cpu: TargetCpu, linkage: Linkage): Code {
  return new RegionTranslator(region, cpu, linkage).build();
}

/** What translated code depends on beside the guest's code. */
export interface TargetCpu {
  readonly endian: Endian;
  readonly cp0Specs: Cp0Specs;
  /** Memory offset of physical address 0. */
  readonly ram: number;
}

class RegionTranslator {
  private readonly code = new Code(3);
  private readonly region: Region;
  private readonly nodes: readonly FlowNode[];
  private readonly plan: RegisterPlan;
  private readonly registers: Registers;
  private readonly emitter: InstructionEmitter;
  private readonly linkage: Linkage;

  // Parameters.
  private readonly pc = 0;
  private readonly remaining = 1;
  private readonly depth = 2;
  private readonly pageVa: number;
  private readonly condition: number;

  /** Where to go to return `target`, or to return with everything in the state block. */
  private out!: Label;
  private left!: Label;
  private readonly loops = new Map<FlowNode, Label>();
  private readonly joins = new Map<FlowNode, Label>();
  /** Most instructions from the start of a block until the budget is looked at again. */
  private readonly needs: readonly number[];

  constructor(region: Region, { endian, cp0Specs, ram }: TargetCpu, linkage: Linkage) {
    const { code } = this;
    this.region = region;
    this.linkage = linkage;
    this.nodes = flowOf(region);
    this.plan = planRegisters(this.nodes);
    this.registers = new Registers(code);
    this.pageVa = code.local(I32);
    this.condition = code.local(I32);
    const remaining = this.remaining;
    const unmappedRam = this.isInKseg0 ? ram : null;
    const keptPages = keptPagesOf(this.nodes, unmappedRam !== null);
    this.emitter = new InstructionEmitter(code, endian, this.registers, linkage.imported, keptPages, {
      remaining,
      pushVa: (offset) => this.pushVa(offset),
      cp0Specs,
      unmappedRam,
      left: () => this.left,
    });
    this.needs = needsOf(this.nodes);
  }

  build(): Code {
    const { code, region } = this;
    code.get(this.depth);
    code.const32(0);
    code.op(PLAIN.i32LtS);
    code.ifUnlikely();
    code.get(this.pc);
    code.get(this.remaining);
    code.return();
    code.end();
    loadState(code, STATE.dataBank);
    code.setLocal(this.emitter.dataBank);
    if (region.onlyAt === null) {
      code.get(this.pc);
      code.const32(-PAGE_SIZE);
      code.op(PLAIN.i32And);
      code.setLocal(this.pageVa);
    } else {
      // Entries are looked up by their places in the page.
      code.get(this.pc);
      code.const32(-PAGE_SIZE);
      code.op(PLAIN.i32And);
      code.const32(region.onlyAt);
      code.op(PLAIN.i32Ne);
      code.ifUnlikely();
      code.get(this.pc);
      this.emitter.pushLeaving(0);
      code.return();
      code.end();
    }
    if (region.head === SWITCH) {
      code.get(this.pc);
      code.setLocal(this.emitter.target);
    }
    this.left = code.block();
    this.out = code.block();
    this.emitTree(this.nodes[0]!);
    code.op(PLAIN.unreachable);
    code.end();
    code.get(this.emitter.target);
    code.get(this.remaining);
    code.return();
    code.end();
    code.const32(0);
    code.const32(STATE_LEFT);
    return code;
  }

  /** The code is executed in kseg0 only: in kernel mode. */
  private get isInKseg0(): boolean {
    const { region, linkage } = this;
    return region.onlyAt !== null && linkage.codeMapWord(region.onlyAt) !== null;
  }

  private pushVa(offset: number): void {
    const { code, region } = this;
    if (region.onlyAt !== null) {
      code.const32(region.onlyAt + offset);
      return;
    }
    code.get(this.pageVa);
    if (offset === 0) return;
    code.const32(offset);
    code.op(PLAIN.i32Add);
  }

  // --- structure: loops and joins from the dominator tree (Ramsey, "Beyond Relooper", 2022) ---

  private emitTree(node: FlowNode): void {
    const { code, registers, plan } = this;
    if (node.loop !== null) {
      registers.begin({ valid: plan.beforeLoop(node), dirty: 0 }, false);
      registers.load(plan.preload(node));
      this.emitter.beginLoop(node.block);
      this.loops.set(node, code.loop());
    }
    const joins = node.children.filter((child) => child.isMerge);
    for (const join of joins.toReversed()) this.joins.set(join, code.block());
    this.emitBlock(node);
    for (const join of joins) {
      code.end();
      this.emitTree(join);
    }
    if (node.loop !== null) code.end();
  }

  private emitBlock(node: FlowNode): void {
    const { block } = node;
    this.registers.begin(this.plan.at(node), node.inTightLoop);
    if (node.order === 0 || node.loop !== null) this.emitBudgetCheck(node);
    this.emitter.beginBlock(block);
    for (let n = 0; n < block.body.length; n++) this.emitter.emit(block.body[n]!, null);
    if (block.ending.kind === "switch") this.emitSwitch(node);
    else if (block.branch === null) this.emitWay(node.ways[0]!);
    else this.emitTransfer(node, block, block.branch, block.delaySlot!);
  }

  /** Leaves in front of the block if it and what follows might use up the budget. */
  private emitBudgetCheck(node: FlowNode): void {
    const { code } = this;
    // The head of a loop in front of that of an inner one: the next look is at once.
    if (this.needs[node.order] === 0) return;
    code.get(this.remaining);
    code.const32(this.needs[node.order]!);
    code.op(PLAIN.i32LtS);
    code.ifUnlikely();
    this.registers.spill(-1);
    if (node.block.ending.kind === "switch") code.get(this.emitter.target);
    else this.pushVa(node.block.start);
    this.emitter.pushLeaving(0);
    code.return();
    code.end();
  }

  /** Goes on at the entry at `target`, or leaves if it is none. */
  private emitSwitch(node: FlowNode): void {
    const { code, registers, emitter, plan } = this;
    const places = node.block.edges.map(({ to }) => to);
    const first = Math.min(...places);
    const other = code.block();
    const before = registers.state;
    /** By place: the label, and if registers have to be stored on the way, the way that does so. */
    const ways = node.ways.map((way) => {
      const stores = (before.dirty & ~plan.staysDirty(node, way.to!)) !== 0;
      return { way, label: stores ? code.block() : this.joins.get(way.to!)!, stores };
    });
    const labels = new Array<Label>((Math.max(...places) - first) / 4 + 1).fill(other);
    for (const { way, label } of ways) labels[(way.edge.to - first) / 4] = label;
    // What is no multiple of four gets far out of range.
    code.get(emitter.target);
    this.pushVa(first);
    code.op(PLAIN.i32Sub);
    code.const32(2);
    code.op(PLAIN.i32Rotr);
    code.brTable(labels, other);
    for (const { way, stores } of ways.toReversed()) {
      if (!stores) continue;
      code.end();
      registers.begin(before, node.inTightLoop);
      this.emitWay(way);
    }
    code.end();
    registers.begin(before, node.inTightLoop);
    registers.spill(-1);
    this.emitJumpInPage();
    code.get(emitter.target);
    this.emitJump(null);
  }

  private emitWay({ from, edge, to }: Way): void {
    const { code, registers } = this;
    if (to === null) {
      registers.spill(-1);
      this.pushVa(edge.to);
      this.emitJump(edge.to);
      return;
    }
    registers.spill(~this.plan.staysDirty(from, to));
    if (to.order <= from.order) code.br(this.loops.get(to)!);
    else if (to.isMerge) code.br(this.joins.get(to)!);
    else this.emitTree(to);
  }

  /**
   * Goes on at the address on the stack, in whatever translation there is; this function is done. `offset` is the
   * place relative to the page, if it is known.
   */
  private emitJump(offset: number | null): void {
    const { code, linkage } = this;
    code.get(this.remaining);
    code.get(this.depth);
    const direct = this.moduleFunction(offset);
    if (direct !== null) code.returnCall(direct);
    else if (this.pushTableIndex(offset)) code.returnCallIndirect(linkage.regionType);
    else code.returnCall(linkage.imported("enter"));
  }

  /** The function for `offset` of the page, if it is in this module: it is dropped when this one is. */
  private moduleFunction(offset: number | null): number | null {
    return offset === null ? null : this.linkage.inModule(offset);
  }

  /** Pushes the table index of the translation at `offset` relative to the page; false if a look-up has to find it. */
  private pushTableIndex(offset: number | null): boolean {
    const { code, linkage, region } = this;
    if (offset === null) return false;
    if (offset >= 0 && offset < PAGE_SIZE) {
      code.const32(0);
      code.memory(MEMORY.i32Load16U, linkage.functionAt(offset));
      return true;
    }
    const word = region.onlyAt === null ? null : linkage.codeMapWord((region.onlyAt + offset) >>> 0);
    if (word === null) return false;
    loadState(code, word);
    code.tee(this.condition);
    code.if(I32);
    code.get(this.condition);
    code.memory(MEMORY.i32Load16U, CODE_PAGE.functions + ((offset & (PAGE_SIZE - 4)) >>> 1));
    code.else();
    code.const32(0);
    code.end();
    return true;
  }

  /** The same of the translation at `target`, which may be one in the page. */
  private pushIndexAtTarget(maybeInPage: boolean): void {
    const { code, emitter } = this;
    if (maybeInPage) {
      this.pushIsInPage();
      code.if(I32);
      this.pushIndexInPage();
      code.else();
    }
    pushTranslation(code, emitter.target, this.condition);
    if (maybeInPage) code.end();
  }

  /** Pushes whether `target` is an instruction in the page. */
  private pushIsInPage(): void {
    const { code, emitter } = this;
    code.get(emitter.target);
    this.pushVa(0);
    code.op(PLAIN.i32Xor);
    code.const32(-PAGE_SIZE | 3);
    code.op(PLAIN.i32And);
    code.op(PLAIN.i32Eqz);
  }

  /** Pushes the table index of the translation at `target`, which is in the page. */
  private pushIndexInPage(): void {
    const { code, emitter, linkage } = this;
    code.get(emitter.target);
    code.const32(PAGE_SIZE - 4);
    code.op(PLAIN.i32And);
    code.const32(1);
    code.op(PLAIN.i32ShrU);
    code.memory(MEMORY.i32Load16U, linkage.functionAt(0));
  }

  // --- branches ---

  private emitTransfer(node: FlowNode, block: Block, branch: Instruction, slot: Instruction): void {
    const { code, emitter } = this;
    this.registers.load(branch.reads);
    const last = emitter.emitUpTo(branch, isTransferStatement);
    if (last.kind === "branch" && block.ending.kind === "goto") {
      emitter.executed();
      emitter.emit(slot, () => this.pushVa(takenBy(branch)));
      this.emitWay(node.ways[0]!);
      return;
    }
    if (last.kind === "branch") {
      let pushCondition = (): void => emitter.pushFor(branch, last.condition);
      if (!mayWait(last.condition, block, branch, slot)) {
        pushCondition();
        code.setLocal(this.condition);
        pushCondition = () => code.get(this.condition);
      }
      emitter.executed();
      this.emitBranch(node, block, slot, pushCondition);
    } else if (last.kind === "jump") {
      emitter.pushFor(branch, last.target);
      code.setLocal(emitter.target);
      emitter.executed();
      emitter.emit(slot, () => code.get(emitter.target));
      this.emitJumpEnding(node, block);
    }
  }

  private emitJumpEnding({ ways }: FlowNode, { ending, branch }: Block): void {
    const { code, registers, emitter } = this;
    switch (ending.kind) {
      case "goto":
        return this.emitWay(ways[0]!);
      case "call":
        return this.emitCall(ways[0]!);
      case "return":
        registers.spill(-1);
        code.br(this.out);
        return;
      default:
        registers.spill(-1);
        // J leads to another page.
        if (branch!.traits.index === null) this.emitJumpInPage();
        code.get(emitter.target);
        this.emitJump(null);
    }
  }

  /** Goes on at `target` without a look-up if that is in the page, as for jumps through tables. */
  private emitJumpInPage(): void {
    const { code, emitter, linkage } = this;
    this.pushIsInPage();
    code.if();
    storeState(code, STATE.jumpedTo, () => code.get(emitter.target));
    code.get(emitter.target);
    code.get(this.remaining);
    code.get(this.depth);
    this.pushIndexInPage();
    code.returnCallIndirect(linkage.regionType);
    code.end();
  }

  private emitBranch(node: FlowNode, block: Block, slot: Instruction, pushCondition: () => void): void {
    const { code, emitter, registers } = this;
    const { ending, end } = block;
    const [first, second] = node.ways;
    const likely = ending.kind === "branch" && ending.likely;
    const takenVa = (): void => this.pushVa(takenBy(block.branch!));
    if (likely) {
      const before = registers.state;
      pushCondition();
      code.if();
      emitter.emit(slot, takenVa);
      this.emitWay(first!);
      code.end();
      registers.begin(before, node.inTightLoop);
      // Nullified: the delay slot was not executed.
      emitter.giveBack(1);
      this.emitWay(second!);
      return;
    }
    emitter.emit(slot, () => {
      takenVa();
      this.pushVa(end);
      pushCondition();
      code.select();
    });
    const after = registers.state;
    pushCondition();
    code.if();
    if (ending.kind === "branchCall") {
      takenVa();
      code.setLocal(emitter.target);
      this.emitCall(first!);
    } else this.emitWay(first!);
    code.end();
    registers.begin(after, node.inTightLoop);
    this.emitWay(second!);
  }

  /** Calls the code at `target`; goes on along `way` if it comes back to the return address. */
  private emitCall(way: Way): void {
    const { code, registers, emitter, linkage } = this;
    const { from, edge, to } = way;
    const { ending } = from.block;
    const callee = ending.kind === "call" || ending.kind === "branchCall" ? ending.callee : null;
    registers.spill(-1);
    code.get(emitter.target);
    if (to === null) {
      this.emitJump(callee);
      return;
    }
    code.get(this.remaining);
    code.get(this.depth);
    code.const32(1);
    code.op(PLAIN.i32Sub);
    const direct = this.moduleFunction(callee);
    if (direct !== null) code.call(direct);
    else {
      if (!this.pushTableIndex(callee)) this.pushIndexAtTarget(callee === null);
      code.callIndirect(linkage.regionType);
    }
    code.setLocal(this.remaining);
    code.tee(emitter.target);
    this.pushVa(edge.to);
    code.op(PLAIN.i32Ne);
    code.get(this.remaining);
    code.const32(this.needs[to.order]!);
    code.op(PLAIN.i32LtS);
    code.op(PLAIN.i32Or);
    code.brIfUnlikely(this.out);
    // Another mode would have come back with everything in the state block: the bank is the same.
    registers.forget();
    this.emitWay(way);
  }
}

/**
 * Whether the condition of a branch can be worked out behind the delay slot, where it is needed: V8 compares and
 * branches at once then, and keeps no result for the slot's slow path.
 */
function mayWait(condition: Expr, { ending }: Block, branch: Instruction, slot: Instruction): boolean {
  if (ending.kind !== "branch" || !readsRegistersOnly(condition)) return false;
  return ending.likely || (branch.reads & slot.writes) === 0;
}

const readsRegistersOnly = (e: Expr): boolean =>
  e.kind === "binary"
    ? readsRegistersOnly(e.left) && readsRegistersOnly(e.right)
    : e.kind === "gpr" || e.kind === "const";

const isTransferStatement = (s: Statement): boolean => s.kind === "branch" || s.kind === "jump";

/** For each block, by order, the longest way to the next look at the budget. */
function needsOf(nodes: readonly FlowNode[]): number[] {
  const needs: number[] = nodes.map(() => 0);
  for (const node of nodes.toReversed()) {
    let longest = 0;
    for (const { edge, to } of node.ways)
      if (to !== null && to.loop === null && to.order > node.order && !edge.afterCall)
        longest = Math.max(longest, needs[to.order]!);
    needs[node.order] = node.block.length + longest;
  }
  return needs;
}

import { Bytes } from "./bytes.ts";
import { I32, type Code, type ValueType } from "./code.ts";

/** A function type: parameters and results, in order. */
export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** A type of `count` 32-bit parameters that returns one 32-bit integer, or nothing. */
export function i32Function(count: number, returnsValue: boolean): FunctionType {
  return { parameters: new Array<ValueType>(count).fill(I32), results: returnsValue ? [I32] : [] };
}

const SECTION = { custom: 0, type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
/** Parts of the custom section "name" (specification, appendix "Custom Sections"). */
const NAMES = { module: 0, functions: 1 } as const;
const KIND = { function: 0, table: 1, memory: 2 } as const;
const FUNCREF = 0x70;
/** Magic number and version. */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/**
 * Builds a binary module (WebAssembly core specification, section 5.5) that imports a memory as "env"."memory"
 * and functions from "env". Imports are declared before functions: they share one index space. Profilers and
 * debuggers show the module and its functions by their names.
 */
export class ModuleBuilder {
  private readonly types: FunctionType[] = [];
  private readonly imports: { name: string; type: number }[] = [];
  private readonly functions: { type: number; body: Code }[] = [];
  private readonly exports: { name: string; index: number }[] = [];

  private hasTable = false;
  private readonly name: string;
  private readonly functionNames: [index: number, name: string][] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Imports a table of functions as "env"."table". */
  importTable(): void {
    this.hasTable = true;
  }

  /** Index of a function type, for indirect calls. */
  typeIndex(type: FunctionType): number {
    const index = this.types.findIndex((known) => isSameType(known, type));
    return index >= 0 ? index : this.types.push(type) - 1;
  }

  /** Declares an imported function and returns its index. */
  importFunction(name: string, type: FunctionType): number {
    if (this.functions.length > 0) throw new Error("imports come before functions");
    return this.imports.push({ name, type: this.typeIndex(type) }) - 1;
  }

  /** Adds a function and returns its index. */
  addFunction(type: FunctionType, body: Code, name: string): number {
    const index = this.imports.length + this.functions.push({ type: this.typeIndex(type), body }) - 1;
    this.functionNames.push([index, name]);
    return index;
  }

  /** Adds a function that is exported under its name, and returns its index. */
  exportFunction(type: FunctionType, body: Code, name: string): number {
    const index = this.addFunction(type, body, name);
    this.exports.push({ name, index });
    return index;
  }

  /** The binary module. `memoryPages` is the least and greatest size of the imported memory, in 64 KiB pages. */
  build(memoryPages: number): Uint8Array<ArrayBuffer> {
    const out = new Bytes(16384);
    for (const byte of HEADER) out.push(byte);
    const section = (id: number, count: number, emit: () => void): void => {
      out.push(id);
      out.sized(() => {
        out.unsigned(count);
        emit();
      });
    };
    section(SECTION.type, this.types.length, () => {
      for (const type of this.types) emitType(out, type);
    });
    const imported = 1 + (this.hasTable ? 1 : 0) + this.imports.length;
    section(SECTION.import, imported, () => this.emitImports(out, memoryPages));
    section(SECTION.function, this.functions.length, () => {
      for (const { type } of this.functions) out.unsigned(type);
    });
    section(SECTION.export, this.exports.length, () => {
      for (const { name, index } of this.exports) {
        out.text(name);
        out.pushWith(KIND.function, index);
      }
    });
    this.emitBranchHints(out);
    section(SECTION.code, this.functions.length, () => {
      for (const { body } of this.functions) out.sized(() => body.finish(out));
    });
    this.emitNames(out);
    return out.copy();
  }

  private emitImports(out: Bytes, memoryPages: number): void {
    const emit = (name: string, kind: number): void => {
      out.text("env");
      out.text(name);
      out.push(kind);
    };
    emit("memory", KIND.memory);
    out.push(1);
    out.unsigned(memoryPages);
    out.unsigned(memoryPages);
    if (this.hasTable) {
      emit("table", KIND.table);
      for (const byte of [FUNCREF, 0, 0]) out.push(byte);
    }
    for (const { name, type } of this.imports) {
      emit(name, KIND.function);
      out.unsigned(type);
    }
  }

  /**
   * The custom section that says which way branches mostly go (WebAssembly 3.0, appendix "Custom Sections"), for all
   * functions that have such hints; nothing if there are none.
   */
  private emitBranchHints(out: Bytes): void {
    const hinted = this.functions.filter(({ body }) => body.hints > 0).length;
    if (hinted === 0) return;
    out.push(SECTION.custom);
    out.sized(() => {
      out.text("metadata.code.branch_hint");
      out.unsigned(hinted);
      for (const [n, { body }] of this.functions.entries()) {
        if (body.hints === 0) continue;
        out.unsigned(this.imports.length + n);
        body.emitHints(out);
      }
    });
  }

  private emitNames(out: Bytes): void {
    out.push(SECTION.custom);
    out.sized(() => {
      out.text("name");
      out.push(NAMES.module);
      out.sized(() => out.text(this.name));
      out.push(NAMES.functions);
      out.sized(() => {
        out.unsigned(this.functionNames.length);
        for (const [index, name] of this.functionNames) {
          out.unsigned(index);
          out.text(name);
        }
      });
    });
  }
}

const isSameType = (a: FunctionType, b: FunctionType): boolean =>
  a === b || (isSameList(a.parameters, b.parameters) && isSameList(a.results, b.results));

const isSameList = (a: readonly ValueType[], b: readonly ValueType[]): boolean =>
  a.length === b.length && a.every((type, n) => type === b[n]);

function emitType(out: Bytes, { parameters, results }: FunctionType): void {
  out.push(0x60);
  for (const types of [parameters, results]) {
    out.unsigned(types.length);
    for (const type of types) out.push(type);
  }
}

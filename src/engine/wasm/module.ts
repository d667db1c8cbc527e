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
  /** Index of each type by what it says. */
  private readonly typeIndexes = new Map<string, number>();
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
    const key = `${type.parameters.join()}>${type.results.join()}`;
    let index = this.typeIndexes.get(key);
    if (index === undefined) {
      index = this.types.push(type) - 1;
      this.typeIndexes.set(key, index);
    }
    return index;
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
    const out = new Bytes(1024);
    for (const byte of HEADER) out.push(byte);
    const section = (id: number, count: number, emit: (content: Bytes) => void): void => {
      const content = new Bytes(1024);
      content.unsigned(count);
      emit(content);
      out.push(id);
      out.sized(content);
    };
    section(SECTION.type, this.types.length, (content) => {
      for (const type of this.types) emitType(content, type);
    });
    const imported = 1 + (this.hasTable ? 1 : 0) + this.imports.length;
    section(SECTION.import, imported, (content) => this.emitImports(content, memoryPages));
    section(SECTION.function, this.functions.length, (content) => {
      for (const { type } of this.functions) content.unsigned(type);
    });
    section(SECTION.export, this.exports.length, (content) => {
      for (const { name, index } of this.exports) {
        content.text(name);
        content.push(KIND.function);
        content.unsigned(index);
      }
    });
    this.emitBranchHints(out);
    section(SECTION.code, this.functions.length, (content) => {
      for (const { body } of this.functions) content.sized(body.finish());
    });
    this.emitNames(out);
    return out.copy();
  }

  private emitImports(content: Bytes, memoryPages: number): void {
    const emit = (name: string, kind: number): void => {
      content.text("env");
      content.text(name);
      content.push(kind);
    };
    emit("memory", KIND.memory);
    content.push(1);
    content.unsigned(memoryPages);
    content.unsigned(memoryPages);
    if (this.hasTable) {
      emit("table", KIND.table);
      for (const byte of [FUNCREF, 0, 0]) content.push(byte);
    }
    for (const { name, type } of this.imports) {
      emit(name, KIND.function);
      content.unsigned(type);
    }
  }

  /**
   * The custom section that says which way branches mostly go (WebAssembly 3.0, appendix "Custom Sections"), for all
   * functions that have such hints; nothing if there are none.
   */
  private emitBranchHints(out: Bytes): void {
    const hinted = this.functions.filter(({ body }) => body.hints > 0).length;
    if (hinted === 0) return;
    const content = new Bytes(1024);
    content.text("metadata.code.branch_hint");
    content.unsigned(hinted);
    for (const [n, { body }] of this.functions.entries()) {
      if (body.hints === 0) continue;
      content.unsigned(this.imports.length + n);
      body.emitHints(content);
    }
    out.push(SECTION.custom);
    out.sized(content);
  }

  private emitNames(out: Bytes): void {
    const content = new Bytes(256);
    content.text("name");
    const module = new Bytes(32);
    module.text(this.name);
    content.push(NAMES.module);
    content.sized(module);
    const functions = new Bytes(256);
    functions.unsigned(this.functionNames.length);
    for (const [index, name] of this.functionNames) {
      functions.unsigned(index);
      functions.text(name);
    }
    content.push(NAMES.functions);
    content.sized(functions);
    out.push(SECTION.custom);
    out.sized(content);
  }
}

function emitType(content: Bytes, { parameters, results }: FunctionType): void {
  content.push(0x60);
  for (const types of [parameters, results]) {
    content.unsigned(types.length);
    for (const type of types) content.push(type);
  }
}

import { I32, unsignedLeb, type Code, type ValueType } from "./code.ts";

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
    const key = JSON.stringify(type);
    const known = this.types.findIndex((t) => JSON.stringify(t) === key);
    return known >= 0 ? known : this.types.push(type) - 1;
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
    const parts: (readonly number[])[] = [[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]];
    const section = (id: number, items: readonly number[][]): void => {
      const count = leb(items.length);
      parts.push([id], leb(count.length + lengthOf(items)), count, ...items);
    };
    section(SECTION.type, this.types.map(encodeType));
    const memory = [...text("env"), ...text("memory"), KIND.memory, 1];
    unsignedLeb(memory, memoryPages);
    unsignedLeb(memory, memoryPages);
    const tables = this.hasTable ? [[...text("env"), ...text("table"), KIND.table, FUNCREF, 0, 0]] : [];
    section(SECTION.import, [
      memory,
      ...tables,
      ...this.imports.map(({ name, type }) => [...text("env"), ...text(name), KIND.function, ...leb(type)]),
    ]);
    section(
      SECTION.function,
      this.functions.map((f) => leb(f.type)),
    );
    section(
      SECTION.export,
      this.exports.map((e) => [...text(e.name), KIND.function, ...leb(e.index)]),
    );
    parts.push(this.branchHints());
    section(
      SECTION.code,
      this.functions.map((f) => {
        const body = f.body.finish();
        return leb(body.length).concat(body);
      }),
    );
    const functionNames = this.functionNames.map(([index, name]) => [...leb(index), ...text(name)]);
    const names = [
      ...sized(NAMES.module, text(this.name)),
      ...sized(NAMES.functions, [...leb(functionNames.length), ...functionNames.flat()]),
    ];
    parts.push(sized(SECTION.custom, [...text("name"), ...names]));
    return joined(parts);
  }

  /**
   * The custom section that says which way branches mostly go (WebAssembly 3.0, appendix "Custom Sections"), for all
   * functions that have such hints; nothing if there are none.
   */
  private branchHints(): number[] {
    const hinted = this.functions
      .map(({ body }, n) => ({ index: this.imports.length + n, hints: body.hints }))
      .filter(({ hints }) => hints.length > 0);
    if (hinted.length === 0) return [];
    const content = [...text("metadata.code.branch_hint"), ...leb(hinted.length)];
    for (const { index, hints } of hinted) {
      content.push(...leb(index), ...leb(hints.length));
      for (const [at, likely] of hints) content.push(...leb(at), 1, likely);
    }
    return sized(SECTION.custom, content);
  }
}

const lengthOf = (parts: readonly (readonly number[])[]): number =>
  parts.reduce((sum, { length }) => sum + length, 0);

/** The parts one behind the other. */
function joined(parts: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function leb(value: number): number[] {
  const out: number[] = [];
  unsignedLeb(out, value);
  return out;
}

/** A part of a module with its number and size before it. */
function sized(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

/** A name: its length, then its bytes (ASCII only). */
function text(name: string): number[] {
  return [...leb(name.length), ...Array.from(name, (c) => c.charCodeAt(0))];
}

function encodeType(type: FunctionType): number[] {
  const out = [0x60];
  unsignedLeb(out, type.parameters.length);
  out.push(...type.parameters);
  unsignedLeb(out, type.results.length);
  out.push(...type.results);
  return out;
}

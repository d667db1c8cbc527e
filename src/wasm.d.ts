/** The part of the WebAssembly JavaScript interface that the core uses: it has neither DOM nor Node types. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
    grow(delta: number): number;
  }
  class Table {
    constructor(descriptor: { element: "anyfunc"; initial: number; maximum?: number });
    readonly length: number;
    /** Returns the length before. */
    grow(delta: number): number;
    set(index: number, value: unknown): void;
  }
  /** What a module can import. */
  type ImportValue = object | number;
  type ModuleImports = Record<string, ImportValue>;
  class Module {
    constructor(bytes: BufferSource);
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, ModuleImports>);
    readonly exports: Record<string, ImportValue>;
  }
  function validate(bytes: BufferSource): boolean;
}
type BufferSource = ArrayBufferView | ArrayBuffer;

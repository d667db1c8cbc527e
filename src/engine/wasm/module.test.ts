import { expect, test } from "vitest";
import { Code } from "./code.ts";
import { i32Function, ModuleBuilder } from "./module.ts";

test("module and functions have names, and only what is exported can be called", () => {
  const builder = new ModuleBuilder("example");
  const seven = new Code(0);
  seven.const32(7);
  const index = builder.addFunction(i32Function(0, true), seven, "seven");
  const caller = new Code(0);
  caller.call(index);
  builder.exportFunction(i32Function(0, true), caller, "caller");
  const bytes = builder.build(1);
  const text = [...bytes].map((byte) => String.fromCharCode(byte)).join("");
  // The custom section "name" ends the module: its subsections 0 (module) and 1 (functions).
  expect(text.endsWith("\x04name\x00\x08\x07example\x01\x10\x02\x00\x05seven\x01\x06caller")).toBe(true);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  expect(Object.keys(exports)).toEqual(["caller"]);
  expect((exports["caller"] as () => number)()).toBe(7);
});

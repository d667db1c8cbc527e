import { expect, test } from "vitest";
import { Bytes } from "./bytes.ts";
import { Code, I32 } from "./code.ts";
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

test("hints say which way branches go, by function and place in its body", () => {
  const builder = new ModuleBuilder("hinted");
  const plain = new Code(0);
  plain.const32(1);
  builder.addFunction(i32Function(0, true), plain, "plain");
  const either = new Code(1);
  // A local variable: places count from the declarations on.
  either.local(I32);
  either.get(0);
  either.ifLikely(I32);
  either.const32(5);
  either.else();
  either.const32(6);
  either.end();
  const left = either.block();
  either.get(0);
  either.brIfUnlikely(left);
  either.end();
  builder.exportFunction(i32Function(1, true), either, "either");
  const bytes = builder.build(1);
  const text = [...bytes].map((byte) => String.fromCharCode(byte)).join("");
  // One function, number 1, with two hints: `if` behind 01 01 7f, 20 00; `br_if` behind the `if` and its block.
  const hints = "\x19metadata.code.branch_hint\x01\x01\x02\x05\x01\x01\x11\x01\x00";
  expect(text).toContain(`\x00${String.fromCharCode(hints.length)}${hints}`);
  const said = new Bytes(8);
  either.emitHints(said);
  const [count, first, , , second] = said.copy();
  expect(count).toBe(2);
  const body = new Bytes(8);
  either.finish(body);
  expect([first!, second!].map((at) => body.copy()[at])).toEqual([0x04, 0x0d]);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  expect([0, 1].map(exports["either"] as (which: number) => number)).toEqual([6, 5]);
});

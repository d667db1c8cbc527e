import { describe, expect, test } from "vitest";
import { GuestConfigError } from "../guest.ts";
import { CODE_PARTS, generatedCode, type CodePart } from "./generated-code.ts";

/** Instructions of a part: what the third column of its lines starts with. */
function mnemonics(text: string): string[] {
  return [...text.matchAll(/^[0-9a-f]{8}: [0-9a-f]{8} {2}(\S+)/gm)].map((match) => match[1]!);
}

describe("the generated code as text", () => {
  test("the refill handler is as long as its best cases", () => {
    expect(mnemonics(generatedCode("refill"))).toHaveLength(27);
    expect(mnemonics(generatedCode("refill", { hostCpu: "24Kc-kscratch" }))).toHaveLength(26);
    expect(mnemonics(generatedCode("refill", { refill: "slow" })).length).toBeLessThan(8);
  });

  test("each part ends where control leaves it", () => {
    expect(mnemonics(generatedCode("refill")).at(-1)).toBe("eret");
    expect(mnemonics(generatedCode("entry")).at(-1)).toBe("eret");
    expect(mnemonics(generatedCode("exit")).slice(-2)).toEqual(["jr", "nop"]);
    expect(mnemonics(generatedCode("fast-exit")).filter((name) => name === "eret")).toHaveLength(1);
  });

  test("entry and exit have nothing in common, and labels say where one is", () => {
    expect(generatedCode("entry")).toMatch(/^vcpu_run:$/m);
    expect(generatedCode("exit")).not.toMatch(/^vcpu_run:$/m);
    expect(generatedCode("exit")).toMatch(/^common_exit:$/m);
  });

  test.each(CODE_PARTS)("%s depends on the host", (part) => {
    expect(generatedCode(part, { hostCpu: "P5600" })).not.toBe(generatedCode(part));
  });

  test.each(["nope", "toString", null])("there is no part %s", (part) => {
    expect(() => generatedCode(part as CodePart)).toThrow(/no such part of the code: choose from refill/);
  });

  test("there has to be such a host", () => {
    expect(() => generatedCode("refill", { hostCpu: "68000" })).toThrow(GuestConfigError);
    const odd = { hostPageSize: 8192 } as unknown as { hostPageSize: 4096 };
    expect(() => generatedCode("refill", odd)).toThrow("hostPageSize is 8192: choose from 4096, 16384");
  });
});

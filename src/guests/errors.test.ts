import { getSystemErrorMap } from "node:util";
import { expect, it } from "vitest";
import { systemReason } from "./errors.ts";

it.each([...getSystemErrorMap()].filter(([, [code]]) => /^E[A-Z0-9]+$/.test(code)))(
  "system error %i has words without its code: %j",
  (errno, [code]) => {
    const reason = systemReason(Object.assign(new Error(`${code}: failed`), { code, errno }));
    expect(reason).toMatch(/^[\w ,/-]+$/);
    expect(reason).not.toMatch(/\bE[A-Z]{3,}\b/);
  },
);

it("leaves other errors alone", () => {
  expect(systemReason(new Error("x"))).toBeUndefined();
  expect(systemReason(Object.assign(new Error("x"), { code: "ERR_INVALID_ARG_TYPE" }))).toBeUndefined();
});

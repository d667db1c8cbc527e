/** CP0 registers, decoded. */
import { CP0_FIELDS, cp0Name, cp0Operands, fieldOf } from "../isa/cp0.ts";
import type { Cp0View } from "./views.ts";

/** Registers `indexes` with the values that `read` gives, by number; those without a name are left out. */
export function cp0Views(indexes: Iterable<number>, read: (index: number) => number): Cp0View[] {
  const views: Cp0View[] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const name = cp0Name(index);
    if (name === null) continue;
    const value = read(index) >>> 0;
    const fields = Object.entries(CP0_FIELDS.get(index) ?? {});
    views.push({
      name,
      register: cp0Operands(index),
      value,
      fields: Object.fromEntries(fields.map(([field, mask]) => [field, fieldOf(value, mask)])),
    });
  }
  return views;
}

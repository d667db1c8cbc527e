import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IEEE, ROUNDING, type RoundingMode } from "../../isa/fpu.ts";
import { Arithmetic } from "./arithmetic.ts";
import { exactly, product, quotient, round, squareRoot, sum, type Exact } from "./exact.ts";
import { DOUBLE, doubleOf, SINGLE, singleOf, type Datum, type FloatFormat } from "./format.ts";

const { inexact, underflow, overflow, divisionByZero, invalid } = IEEE;

function unit(mode: RoundingMode = ROUNDING.nearest, flush = false, nan2008 = false): Arithmetic {
  const arithmetic = new Arithmetic();
  arithmetic.configure(mode, flush, nan2008);
  return arithmetic;
}

/** What an operation gives, and its exceptions. */
function result(on: Arithmetic, operation: (on: Arithmetic) => Datum): [Datum, number] {
  on.flags = 0;
  const value = operation(on);
  return [value, on.flags];
}

/** Finite numbers of a format: of all sizes, near 1, and with few bits. */
function numbers(format: FloatFormat): fc.Arbitrary<number> {
  const asFormat = (value: number): number => (format === SINGLE ? Math.fround(value) : value);
  const few = fc
    .tuple(fc.integer({ min: -4095, max: 4095 }), fc.integer({ min: -60, max: 60 }))
    .map(([significand, exponent]) => asFormat(significand * 2 ** exponent));
  const any =
    format === SINGLE
      ? fc.float({ noNaN: true, noDefaultInfinity: true })
      : fc.double({ noNaN: true, noDefaultInfinity: true });
  return fc.oneof(any, few, fc.double({ min: -4, max: 4, noNaN: true }).map(asFormat));
}

const nonZero = (value: number): boolean => value !== 0;

describe.each([
  ["single", SINGLE],
  ["double", DOUBLE],
] as const)("arithmetic of %s precision", (_name, format) => {
  const pairs = fc.tuple(numbers(format), numbers(format));
  const exactResult = (exact: Exact, mode: RoundingMode): [number, number] => {
    const { value, flags } = round(exact, { format, mode, flush: false });
    return [value, flags];
  };
  const agree = (
    operation: (on: Arithmetic, a: number, b: number) => Datum,
    exact: (a: Exact, b: Exact) => Exact,
    precondition: (a: number, b: number) => boolean = () => true,
  ): void => {
    const nearest = unit();
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        fc.pre(precondition(a, b));
        const [value, flags] = result(nearest, (on) => operation(on, a, b));
        const expected = exactResult(exact(exactly(a), exactly(b)), ROUNDING.nearest);
        expect([value, flags]).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  };

  test("JavaScript's own arithmetic agrees with the exact way, flags included", () => {
    agree(
      (on, a, b) => on.add(format, a, b),
      (a, b) => sum(a, b, ROUNDING.nearest),
    );
    agree(
      (on, a, b) => on.sub(format, a, b),
      (a, b) => sum(a, { ...b, negative: !b.negative }, ROUNDING.nearest),
    );
    agree((on, a, b) => on.mul(format, a, b), product);
    agree(
      (on, a, b) => on.div(format, a, b),
      quotient,
      (_a, b) => nonZero(b),
    );
    agree(
      (on, a) => on.sqrt(format, a),
      squareRoot,
      (a) => a > 0,
    );
    if (format === SINGLE)
      agree(
        (on, _a, b) => on.narrow(format, b),
        (_a, b) => b,
      );
  });

  test("directed roundings enclose the result, and meet where it is exact", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const by = (mode: RoundingMode): [Datum, number] => result(unit(mode), (on) => on.mul(format, a, b));
        const [[up], [down], [zero], [nearest, flags]] = [
          by(ROUNDING.up),
          by(ROUNDING.down),
          by(ROUNDING.zero),
          by(ROUNDING.nearest),
        ];
        expect(down <= nearest && nearest <= up).toBe(true);
        expect(up === down).toBe((flags & inexact) === 0);
        expect([up, down]).toContain(zero);
        expect(Math.abs(Number(zero)) <= Math.abs(Number(nearest))).toBe(true);
      }),
    );
  });

  test("limits of the format", () => {
    const { max } = format;
    const least = 2 ** format.minExponent;
    const denormal = 2 ** (format.minExponent - format.precision + 1);
    expect(result(unit(), (on) => on.add(format, max, max))).toEqual([Infinity, overflow | inexact]);
    expect(result(unit(ROUNDING.zero), (on) => on.add(format, max, max))).toEqual([max, overflow | inexact]);
    expect(result(unit(ROUNDING.down), (on) => on.sub(format, -max, max))).toEqual([
      -Infinity,
      overflow | inexact,
    ]);
    expect(result(unit(ROUNDING.up), (on) => on.sub(format, -max, max))).toEqual([-max, overflow | inexact]);
    expect(result(unit(), (on) => on.mul(format, denormal, 0.5))).toEqual([0, underflow | inexact]);
    expect(result(unit(ROUNDING.up), (on) => on.mul(format, denormal, 0.5))).toEqual([
      denormal,
      underflow | inexact,
    ]);
    // Exact, so no underflow; and what rounding makes a normal number is not tiny if it would be one in any case.
    expect(result(unit(), (on) => on.mul(format, least, 0.5))).toEqual([least / 2, 0]);
    expect(result(unit(), (on) => on.sub(format, least, denormal))).toEqual([least - denormal, 0]);
  });

  test("FS makes tiny results zero, and raises nothing", () => {
    const least = 2 ** format.minExponent;
    expect(result(unit(ROUNDING.nearest, true), (on) => on.mul(format, -least, 0.5))).toEqual([-0, 0]);
    expect(result(unit(ROUNDING.nearest, true), (on) => on.sub(format, least, least / 2))).toEqual([0, 0]);
    expect(result(unit(ROUNDING.up, true), (on) => on.div(format, least, 3))).toEqual([0, 0]);
  });

  test("invalid operations and division by zero", () => {
    const nan = unit().nans.makeDefault(format);
    for (const operation of [
      (on: Arithmetic) => on.sub(format, Infinity, Infinity),
      (on: Arithmetic) => on.mul(format, 0, -Infinity),
      (on: Arithmetic) => on.div(format, 0, -0),
      (on: Arithmetic) => on.div(format, Infinity, Infinity),
      (on: Arithmetic) => on.sqrt(format, -1),
    ])
      expect(result(unit(), operation)).toEqual([nan, invalid]);
    expect(result(unit(), (on) => on.div(format, -1, 0))).toEqual([-Infinity, divisionByZero]);
    expect(result(unit(), (on) => on.div(format, -Infinity, 0))).toEqual([-Infinity, 0]);
    expect(result(unit(), (on) => on.sqrt(format, -0))).toEqual([-0, 0]);
    expect(result(unit(ROUNDING.down), (on) => on.sub(format, 1, 1))).toEqual([-0, 0]);
    expect(result(unit(ROUNDING.up), (on) => on.sub(format, 1, 1))).toEqual([0, 0]);
  });
});

describe("NaNs", () => {
  const [quietOld, signalingOld] = [singleOf(0x7fbf_0001), singleOf(0x7fc0_0001)];

  test("of the old encoding make the default NaN, and signal with the top bit set", () => {
    const old = unit();
    expect(result(old, (on) => on.add(SINGLE, 1, quietOld))).toEqual([0x7fbf_ffffn, 0]);
    expect(result(old, (on) => on.add(SINGLE, signalingOld, 1))).toEqual([0x7fbf_ffffn, invalid]);
    expect(old.nans.makeDefault(DOUBLE)).toBe(0x7ff7_ffff_ffff_ffffn);
  });

  test("of the encoding of 2008 keep their bits, first those that signal", () => {
    const new2008 = unit(ROUNDING.nearest, false, true);
    const [quiet, signaling] = [signalingOld, quietOld];
    expect(result(new2008, (on) => on.mul(SINGLE, quiet, 1))).toEqual([0x7fc0_0001n, 0]);
    expect(result(new2008, (on) => on.mul(SINGLE, quiet, signaling))).toEqual([0x7fff_0001n, invalid]);
    expect(new2008.nans.makeDefault(DOUBLE)).toBe(0x7ff8_0000_0000_0000n);
  });

  test("change their format with sign and leading bits", () => {
    const new2008 = unit(ROUNDING.nearest, false, true);
    const nan = doubleOf(0xfff8_0000 | 0x1234, 0x6000_0000) as bigint;
    expect(new2008.convertNan(nan, DOUBLE, SINGLE)).toBe(0xffc0_91a3n);
    expect(new2008.convertNan(0xffc0_91a3n, SINGLE, DOUBLE)).toBe(0xfff8_1234_6000_0000n);
    expect(unit().convertNan(0x7fbf_0001n, SINGLE, DOUBLE)).toBe(0x7ff7_ffff_ffff_ffffn);
  });
});

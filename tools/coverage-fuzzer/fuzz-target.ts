/** What the fuzzer needs to know of a parser. */

/** A parser that is loaded. */
export interface Target {
  /** What parsers should take, or nearly so: inputs are made of these. At least one. */
  readonly seeds: readonly Uint8Array[];
  /** Longest input, in bytes. */
  readonly longest: number;
  /** Makes an input right again where no random change can: checksums, say. Returns one of its own, or the same. */
  readonly repair?: (input: Uint8Array) => Uint8Array;
  /**
   * Gives an input to the parser. Whatever it throws is a defect: what a parser may throw has been caught, and looked at
   * ({@link checkRefusal}).
   */
  readonly take: (input: Uint8Array) => void | Promise<void>;
}

/** Where a target is, known before it is loaded. */
export interface TargetModule {
  /** What takes the bytes, in a few words. */
  readonly about: string;
  /** The module, which exports `openTarget: () => Target | Promise<Target>`. */
  readonly module: URL;
  /** Files and folders whose branches tell inputs apart, relative to the checkout. */
  readonly covers: readonly string[];
}

/** What the module of a target exports. */
export interface TargetExports {
  readonly openTarget: () => Target | Promise<Target>;
}

type ErrorClass = abstract new (...args: never[]) => Error;

/** A parser has refused an input, but not in one clear line. */
class UnclearRefusal extends Error {
  constructor(error: Error, what: string) {
    super(`${error.name} ${what}: ${JSON.stringify(error.message)}`, { cause: error });
    this.name = "UnclearRefusal";
  }
}

/** Longer messages are not read. */
const LONGEST_LINE = 400;
/** What no message of ours says: it would come from the engine, or from a value that was not looked at. */
const UNMEANT = /\bundefined\b|\bNaN\b|\[object |Cannot read|is not a function|is not iterable/;

/**
 * Passes over an error of one of these classes that says in one clear line why the parser has refused the input; throws
 * any other. Messages may quote what is in `input`.
 */
export function checkRefusal(error: unknown, classes: readonly ErrorClass[], input: string): void {
  const { constructor } = error as Error;
  // A class of the language's is none of the project's, though it may be the parent of one.
  if (
    !(error instanceof Error) ||
    !classes.some((one) => constructor === one || constructor.prototype instanceof one)
  )
    throw error;
  const { message } = error;
  if (/^$|: ?$/.test(message)) throw new UnclearRefusal(error, "says nothing");
  if (/[\n\r]/.test(message)) throw new UnclearRefusal(error, "has several lines");
  if (message.length > LONGEST_LINE) throw new UnclearRefusal(error, `has ${message.length} characters`);
  const found = UNMEANT.exec(message)?.[0];
  if (found !== undefined && !input.includes(found)) throw new UnclearRefusal(error, "is not meant so");
}

/** Bytes as text, a character each. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

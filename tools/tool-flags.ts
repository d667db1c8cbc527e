/** How the project's own commands (`npm run NAME -- FLAGS`) read their flags: alike, and never with a stack. */
import { parseArgs, type ParseArgsConfig } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>["values"];

/** A tool, as its help shows it. */
interface Tool {
  /** The script's name in package.json. */
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** What it takes and what that means, a line each. */
  readonly help: readonly string[];
}

/** Ends the process with status 2 and one line. */
export function usageError(tool: string, message: string): never {
  console.error(`${tool}: ${message}; see npm run ${tool} -- --help`);
  process.exit(2);
}

/** What this process was called with. Prints the tool's help and ends the process if that is asked for. */
export function toolArguments({ name, summary, help }: Tool): string[] {
  const args = process.argv.slice(2);
  if (!args.includes("--help") && !args.includes("-h")) return args;
  console.log([`npm run ${name}: ${summary}`, "", ...help.map((line) => `  ${line}`)].join("\n"));
  process.exit(0);
}

/** The values of this process's flags. Ends the process after its help, and for flags that do not exist. */
export function toolFlags<O extends Options>(tool: Tool & { readonly options: O }): Values<O> {
  const args = toolArguments(tool);
  try {
    return parseArgs({ args, options: tool.options }).values;
  } catch (error) {
    // What follows the first sentence is advice for programmers.
    return usageError(tool.name, (error as Error).message.split(/\.(?:[ \n]|$)/)[0]!);
  }
}

/** The value of flag `name` as a whole number from 1 on. Ends the process if `text` is none. */
export function positiveFlag(tool: string, name: string, text: string): number {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : usageError(tool, `--${name} takes a positive number`);
}

const MILLISECONDS_PER_DAY = 86_400_000;

/** The number of the day: what is tried in slices is something else each day. */
export const today = (): number => Math.floor(Date.now() / MILLISECONDS_PER_DAY);

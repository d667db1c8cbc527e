/** What the value of a flag or an argument can be, for the completions of shells. */
import type { Argument, Option } from "commander";

/** What a shell offers for a value: some words, names of files or folders, or nothing. */
export type Values =
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "file" | "folder" | "free" };

const words = new WeakMap<Option | Argument, readonly string[]>();

/** Says that `target` takes one of `choices`. */
export function withChoices<T extends Option | Argument>(target: T, choices: readonly string[]): T {
  words.set(target, choices);
  return target;
}

/** What `target` takes, which for files and folders is what its value is called. */
export function valuesOf(target: Option | Argument): Values {
  const known = words.get(target);
  if (known !== undefined) return { kind: "words", words: known };
  const called = "flags" in target ? target.flags : target.name();
  if (/\bfolder\b/i.test(called)) return { kind: "folder" };
  return { kind: /\bfiles?\b/i.test(called) ? "file" : "free" };
}

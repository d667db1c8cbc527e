import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { createProgram } from "./program.ts";
import { fromQemu } from "./qemu-flags.ts";

const program = await createProgram(() => {});

/** All commands, by what is typed for them. */
function commandsBelow(command: Command, path: readonly string[] = []): [string, Command][] {
  return [
    [["kseg", ...path].join(" "), command],
    ...command.commands.flatMap((child) => commandsBelow(child, [...path, child.name()])),
  ];
}
const COMMANDS = commandsBelow(program);

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (piece) => void (text += piece), getOutHelpWidth: () => 80 });
  command.outputHelp();
  return text;
}

/** The lines of a section of a help. */
function section(help: string, title: string): string[] {
  const found = new RegExp(`^${title}:\\n((?: .*\\n)+)`, "m").exec(help)?.[1];
  expect(found, title).toBeDefined();
  return found!.trimEnd().split("\n");
}

/** Example command lines that are not those of the demo guest's page, with what they need. */
function examplesOf(help: string): string[][] {
  return section(help, "Examples").flatMap((line) => {
    const text = /^ {2}(kseg.*?)(?: {2}.*)?$/.exec(line)?.[1];
    return text === undefined ? [] : [text.split(" ").slice(1)];
  });
}

/** The command that the words begin with, and the words behind it. */
function commandOf(words: readonly string[]): {
  readonly command: Command;
  readonly rest: readonly string[];
} {
  let command = program;
  for (const [n, word] of words.entries()) {
    const child = command.commands.find((one) => one.name() === word);
    if (child === undefined) return { command, rest: words.slice(n) };
    command = child;
  }
  return { command, rest: [] };
}

describe.each(COMMANDS)("the help of %s", (path, command) => {
  const help = helpOf(command);

  it("has a synopsis, a description, statuses and examples", () => {
    expect(help.startsWith(`Usage: ${path} `)).toBe(true);
    expect(command.description()).not.toBe("");
    expect(section(help, "Exit status").length).toBeGreaterThanOrEqual(3);
    expect(examplesOf(help).length).toBeGreaterThan(0);
    expect(help.endsWith("\n\n")).toBe(false);
  });

  it("has examples that kseg understands", () => {
    for (const words of examplesOf(help)) {
      const { command: meant, rest } = commandOf(words);
      expect(meant, words.join(" ")).not.toBe(program);
      const names = meant.options.map(({ long }) => long!);
      const own = { names, withValue: names };
      for (const word of fromQemu(rest, own))
        if (word.startsWith("--")) expect(names, words.join(" ")).toContain(word);
    }
  });

  it("fits 80 columns", () => {
    const wide = help.split("\n").filter((line) => line.length > 80 && !line.includes("/"));
    expect(wide).toEqual([]);
  });
});

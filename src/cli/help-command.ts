/** `kseg help`: the help of a command, of a command of a command, and what there is to say that belongs to none. */
import { Command } from "commander";
import { addHelp, type CommandHelp } from "./command-help.ts";
import { UsageError } from "./errors.ts";
import { nearest } from "../nearest.ts";
import { QEMU_FLAGS } from "./qemu-flags.ts";
import { columns, wrapped } from "./text-layout.ts";

/** A text of its own. */
interface Topic {
  readonly name: string;
  /** What it is about, in a few words. */
  readonly about: string;
  readonly text: () => string;
}

const TOPICS: readonly Topic[] = [
  { name: "qemu", about: "QEMU's flags that kseg run takes", text: qemuText },
  { name: "environment", about: "environment variables", text: environmentText },
];

const HELP: CommandHelp = {
  examples: [
    ["help run", "the flags of kseg run"],
    ["help guest build", "the help of a command of a command"],
    ["help qemu", "a topic"],
  ],
};

/** The sub-command, to be added to `program`. */
export function helpCommand(program: Command): Command {
  const command = new Command("help")
    .description("print the help of a command, or about a topic")
    .argument("[words...]", "a command, with its own command if it has any, or a topic")
    .addHelpText("after", `\nTopics:\n${columns(TOPICS.map(({ name, about }) => [name, about]))}`.trimEnd())
    .action((words: readonly string[]) => printHelp(program, words));
  return addHelp(command, HELP);
}

function printHelp(program: Command, words: readonly string[]): void {
  const topic = TOPICS.find(({ name }) => name === words[0]);
  if (topic !== undefined && words.length === 1) return void process.stdout.write(topic.text());
  const command = words.reduce((above: Command, word) => {
    const found = above.commands.find((one) => one.name() === word);
    if (found !== undefined) return found;
    const topics = above === program ? TOPICS.map(({ name }) => name) : [];
    const choices = [...above.commands.map((one) => one.name()), ...topics];
    const guess = nearest(word, choices);
    const hint = guess === undefined ? "" : `did you mean ${guess}? `;
    const there = choices.length === 0 ? "it has none" : `there are ${choices.join(", ")}`;
    throw new UsageError(`help ${words.join(" ")}: unknown command ${word}; ${hint}${there}`);
  }, program);
  command.outputHelp();
}

function qemuText(): string {
  const rows = QEMU_FLAGS.map(
    ({ names, value, meaning }) => [[names.join(", "), value ?? []].flat().join(" "), meaning] as const,
  );
  return `${wrapped(
    "kseg run, kseg stat and kseg explain take a command line of QEMU's for its Malta board, with " +
      "qemu-system-mips or qemu-system-mipsel in front of it or without, and mixed with kseg's own flags. What kseg " +
      "cannot do is refused, what it does anyway is accepted:",
  )}\n\n${columns(rows)}\n${wrapped(
    "Unlike QEMU, kseg lets gdb connect from this computer only, and ends when the guest asks for a reset.",
  )}

Example:
  kseg run qemu-system-mipsel -M malta -cpu 24Kc -m 256 -nographic \\
    -kernel vmlinux -initrd initrd.gz -append console=ttyS0
`;
}

function environmentText(): string {
  return columns([
    ["KSEG_CACHE", "folder of the guests (kseg guest); default: kseg in the user's cache"],
    ["XDG_CACHE_HOME", "the user's cache, in place of ~/.cache"],
    ["NO_COLOR", "if it is not empty: no colours"],
    ["FORCE_COLOR", "colours even where there is no terminal; 0: none"],
    ["KSEG_DEBUG", "if it is not empty: errors come with their stacks, for work on kseg itself"],
  ]);
}

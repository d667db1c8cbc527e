/** What the help of a command says behind its options, in the order of a manual page. */
import type { Command } from "commander";
import { columns, wrapped } from "./text-layout.ts";

/** Rows of a section. */
type Rows = readonly (readonly [name: string, text: string])[];

/** What there is to say of a command. */
export interface CommandHelp {
  /** Paragraphs. */
  readonly notes?: readonly string[];
  /** Exit statuses, where they are others than {@link STATUSES}. */
  readonly statuses?: Rows;
  /** Command lines without the program's name, and what they do. */
  readonly examples: Rows;
  readonly files?: Rows;
  /** Documents, topics and other commands. */
  readonly seeAlso?: string;
}

/** Of a command that does something and ends. */
const STATUSES: Rows = [
  ["0", "done"],
  ["1", "something failed, as one line on stderr says"],
  ["2", "bad usage or input"],
];

/** Of a command that runs a guest. */
export const RUN_STATUSES: Rows = [
  ["0", "the guest powered off or asked for a reset, or --exit-on matched"],
  ["1", "the guest or its VM failed"],
  ["2", "bad usage or input"],
  ["124", "--timeout is over"],
  ["125", "with --exec: the guest ended before the command did"],
  ["128 and more", "a signal ended kseg: 128 and its number"],
  ["any", "with --exec: the command's"],
];

/** Adds the help to `command`. */
export function addHelp(command: Command, help: CommandHelp): Command {
  return command.addHelpText("after", () => textOf(help));
}

function textOf({ notes = [], statuses = STATUSES, examples, files, seeAlso }: CommandHelp): string {
  const sections = [
    ...notes.map((note) => `\n${wrapped(note)}\n`),
    section("Exit status", columns(statuses)),
    section("Examples", exampleText(examples)),
    ...(files === undefined ? [] : [section("Files", columns(files))]),
    ...(seeAlso === undefined
      ? []
      : [section("See also", `  ${wrapped(seeAlso, 78).replaceAll("\n", "\n  ")}\n`)]),
  ];
  // The caller ends the last line.
  return sections.join("").trimEnd();
}

/** Command lines are long: what they do stands beside those that leave room for it. */
const WIDEST_EXAMPLE = 40;

const exampleText = (examples: Rows): string =>
  columns(
    examples.map(([line, text]) => [`kseg ${line}`, text]),
    WIDEST_EXAMPLE,
  );

const section = (title: string, text: string): string => `\n${title}:\n${text}`;

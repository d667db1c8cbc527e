/** `kseg completion`: scripts by which shells complete kseg's commands, flags and values. */
import { Argument, Command } from "commander";
import { addHelp, type CommandHelp } from "./command-help.ts";
import { bashScript, fishScript, zshScript } from "./completion-scripts.ts";
import { valuesOf, withChoices, type Values } from "./completion-values.ts";
import { choiceOf, runsGuest } from "./flags.ts";
import { QEMU_FLAGS } from "./qemu-flags.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
const SHELLS = Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[];

const HELP: CommandHelp = {
  notes: ["Prints a script for the shell to read when it starts. It completes kseg under that name."],
  examples: [
    ["completion bash >~/.local/share/bash-completion/completions/kseg", "for bash-completion"],
    ["completion zsh >~/.zfunc/_kseg", "for a folder of zsh's fpath"],
    ["completion fish >~/.config/fish/completions/kseg.fish", "for fish"],
  ],
};

/** A flag, for a completion. */
export interface CompletedFlag {
  readonly names: readonly string[];
  readonly help: string;
  /** None for a switch. */
  readonly value?: Values & { readonly name: string };
}

/** A command, for a completion. */
export interface CompletedCommand {
  /** What is typed for it, without the program's name. */
  readonly path: readonly string[];
  readonly help: string;
  readonly flags: readonly CompletedFlag[];
  readonly commands: readonly CompletedCommand[];
  readonly argument?: Values & { readonly name: string; readonly isRepeated: boolean };
}

/** The sub-command, to be added to `program`. */
export function completionCommand(program: Command): Command {
  const shell = new Argument("<shell>", SHELLS.join(", ")).argParser((text) =>
    choiceOf(text, SHELLS, "completion", "shell"),
  );
  return addHelp(new Command("completion"), HELP)
    .description("print a script that completes kseg's command lines in a shell")
    .addArgument(withChoices(shell, SHELLS))
    .action((name: keyof typeof SCRIPTS) => {
      process.stdout.write(SCRIPTS[name](completed(program)));
    });
}

/** What there is to complete of `command`: its definition, as the parser has it. */
function completed(command: Command, path: readonly string[] = []): CompletedCommand {
  const help = command.createHelp();
  const [argument] = command.registeredArguments;
  return {
    path,
    help: command.description(),
    flags: [
      ...help.visibleOptions(command).map((option) => {
        const names = [option.short, option.long].filter((name) => typeof name === "string");
        const called = /<(.*)>/.exec(option.flags)?.[1];
        const value = called === undefined ? {} : { value: { ...valuesOf(option), name: called } };
        return { names, help: option.description, ...value };
      }),
      ...(runsGuest(command) ? qemuFlags(command) : []),
    ],
    commands: command.commands.map((child) => completed(child, [...path, child.name()])),
    ...(argument === undefined
      ? {}
      : { argument: { ...valuesOf(argument), name: argument.name(), isRepeated: argument.variadic } }),
  };
}

/** QEMU's spellings, which commands that run a guest take beside their own. */
function qemuFlags(command: Command): CompletedFlag[] {
  return QEMU_FLAGS.map(({ names, value, meaning }) => {
    // A flag that is one of kseg's own takes what that takes.
    const own = command.options.find(({ long }) => long === meaning);
    const [said = ""] = meaning.split(";");
    const help = `like QEMU's, ${said.replaceAll(":", ",")}`;
    if (value === undefined) return { names, help };
    return {
      names,
      help,
      value: { ...(own === undefined ? qemuValues(value) : valuesOf(own)), name: value },
    };
  });
}

/** What a value of QEMU's can be, as the help has it: in small letters it is what is typed. */
function qemuValues(value: string): Values {
  return /[A-Z]/.test(value) ? { kind: "free" } : { kind: "words", words: value.split("|") };
}

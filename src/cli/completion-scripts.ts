/** The scripts of `kseg completion`, made from the commands. They call nothing: completing is as fast as the shell. */
import type { CompletedCommand, CompletedFlag } from "./completion-command.ts";
import type { Values } from "./completion-values.ts";

/** A command and all below it. */
const allOf = (command: CompletedCommand): CompletedCommand[] => [
  command,
  ...command.commands.flatMap(allOf),
];

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const names = (command: CompletedCommand): string[] => command.commands.map(({ path }) => path.at(-1)!);
const firstSentence = (text: string): string => text.split(/[;:(]/)[0]!.trim();

/** For bash 3.2 and newer. */
export function bashScript(program: CompletedCommand): string {
  const commands = allOf(program);
  const values = commands.flatMap(({ path, flags }) => flags.flatMap((flag) => bashValues(path, flag)));
  const below = commands.filter(({ path }) => path.length > 0).map(({ path }) => quoted(path.join(" ")));
  const flags = commands.map(
    (command) => `    ${quoted(command.path.join(" "))}) words=${quoted(wordsOf(command))} ;;\n`,
  );
  const others = commands.map((command) => {
    const action =
      command.argument === undefined
        ? `_kseg_words ${quoted(names(command).join(" "))}`
        : bashAction(command.argument);
    return `    ${quoted(command.path.join(" "))}) ${action} ;;\n`;
  });
  return `# bash completion for kseg, printed by: kseg completion bash

_kseg_words() {
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$1" -- "$current"))
}

_kseg_names() {
  local name
  COMPREPLY=()
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$1" -- "$current")
}

_kseg() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command= words= n
  COMPREPLY=()
  # bash takes --flag=value for three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $before == = ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((n = 1; n < COMP_CWORD; n++)); do
    case "\${command:+$command }\${COMP_WORDS[n]}" in
      ${below.join(" | ")}) command="\${command:+$command }\${COMP_WORDS[n]}" ;;
    esac
  done
  case "$command $before" in
${values.join("")}  esac
  if [[ $current == -* ]]; then
    case "$command" in
${flags.map((line) => `  ${line}`).join("")}    esac
    _kseg_words "$words"
    return
  fi
  case "$command" in
${others.join("")}  esac
}

complete -F _kseg kseg
`;
}

const wordsOf = ({ flags }: CompletedCommand): string => flags.flatMap((flag) => flag.names).join(" ");

function bashValues(path: readonly string[], { names: flagNames, value }: CompletedFlag): string[] {
  if (value === undefined) return [];
  const patterns = flagNames.map((name) => quoted(`${path.join(" ")} ${name}`)).join(" | ");
  return [`    ${patterns})\n      ${bashAction(value)}\n      return\n      ;;\n`];
}

function bashAction(values: Values): string {
  if (values.kind === "words") return `_kseg_words ${quoted(values.words.join(" "))}`;
  if (values.kind === "file") return "_kseg_names -f";
  return values.kind === "folder" ? "_kseg_names -d" : ":";
}

/** For zsh's `_arguments`. */
export function zshScript(program: CompletedCommand): string {
  return `#compdef kseg
# zsh completion for kseg, printed by: kseg completion zsh

${allOf(program).map(zshFunction).join("\n")}
if [ "$funcstack[1]" = _kseg ]; then
  _kseg "$@"
else
  compdef _kseg kseg
fi
`;
}

const zshName = (path: readonly string[]): string => ["_kseg", ...path].join("_");

function zshFunction(command: CompletedCommand): string {
  const { path, flags, commands, argument } = command;
  const specs = flags.flatMap(({ names: flagNames, help, value }) => {
    const excluded = flagNames.length > 1 ? `(${flagNames.join(" ")})` : "";
    const action = value === undefined ? "" : zshAction(value);
    return flagNames.map((name) => {
      // Behind a flag with one hyphen the value is a word of its own.
      const separator = value !== undefined && name.startsWith("--") ? "=" : "";
      return quoted(`${excluded}${name}${separator}[${zshText(firstSentence(help))}]${action}`);
    });
  });
  const call = (...last: string[]): string => `  _arguments -C ${[...specs, ...last].join(" \\\n    ")}\n`;
  if (commands.length === 0) {
    const rest =
      argument === undefined ? [] : [quoted(`${argument.isRepeated ? "*" : "1"}${zshAction(argument)}`)];
    return `${zshName(path)}() {\n${call(...rest)}}\n`;
  }
  const described = commands.map((child) =>
    quoted(`${child.path.at(-1)}:${zshText(firstSentence(child.help))}`),
  );
  const cases = commands.map((child) => `        ${child.path.at(-1)}) ${zshName(child.path)} ;;\n`);
  return `${zshName(path)}() {
  local curcontext="$curcontext" state line
${call("'1: :->command'", "'*:: :->rest'")}  case $state in
    command)
      local -a commands
      commands=(${described.join(" ")})
      _describe command commands
      ;;
    rest)
      case $words[1] in
${cases.join("")}      esac
      ;;
  esac
}
`;
}

const zshText = (text: string): string => text.replaceAll(/[\\[\]:]/g, (found) => `\\${found}`);

function zshAction(value: Values & { readonly name: string }): string {
  const action =
    value.kind === "words"
      ? `(${value.words.map(zshText).join(" ")})`
      : { file: "_files", folder: "_files -/", free: " " }[value.kind];
  return `:${zshText(value.name)}:${action}`;
}

/** For fish 3 and newer. */
export function fishScript(program: CompletedCommand): string {
  const lines = allOf(program).flatMap(fishLines);
  return `# fish completion for kseg, printed by: kseg completion fish

complete -c kseg -f
${lines.join("\n")}
`;
}

function fishLines({ path, flags, commands, argument }: CompletedCommand): string[] {
  const here = fishCondition(path, commands);
  const line = (...words: string[]): string => `complete -c kseg -n ${quoted(here)} ${words.join(" ")}`;
  return [
    ...commands.map((child) => line("-a", child.path.at(-1)!, "-d", quoted(firstSentence(child.help)))),
    ...(argument === undefined ? [] : [line(...fishValue(argument))]),
    ...flags.map(({ names: flagNames, help, value }) =>
      line(
        ...flagNames.flatMap(fishName),
        ...(value === undefined ? [] : ["-r", ...fishValue(value)]),
        "-d",
        quoted(firstSentence(help)),
      ),
    ),
  ];
}

/** A flag with two hyphens, one letter, or one hyphen and several letters. */
function fishName(name: string): string[] {
  if (name.startsWith("--")) return ["-l", name.slice(2)];
  return [name.length === 2 ? "-s" : "-o", name.slice(1)];
}

/** That the command is there, and none of those below it. */
function fishCondition(path: readonly string[], commands: readonly CompletedCommand[]): string {
  const seen = path.map((name) => `__fish_seen_subcommand_from ${name}`);
  const below = commands.map((child) => child.path.at(-1)!);
  if (below.length > 0) seen.push(`not __fish_seen_subcommand_from ${below.join(" ")}`);
  return seen.join("; and ");
}

function fishValue(value: Values): string[] {
  if (value.kind === "words") return ["-x", "-a", quoted(value.words.join(" "))];
  if (value.kind === "file") return ["-F"];
  return value.kind === "folder" ? ["-x", "-a", quoted("(__fish_complete_directories)")] : ["-x"];
}

/** What the documents claim: commands, scripts and paths, read from their Markdown. */

/** Pieces of code in a document: fenced lines and `spans`. */
export function codeIn(markdown: string): string[] {
  const pieces: string[] = [];
  let fenced = false;
  for (const line of markdown.split("\n")) {
    if (/^\s*```/.test(line)) fenced = !fenced;
    else if (fenced || /^ {4}\S/.test(line)) pieces.push(line.trim());
    else for (const [, span] of line.matchAll(/`([^`]+)`/g)) pieces.push(span!.trim());
  }
  return pieces;
}

/** Targets of links and images that are not addresses on the web and not anchors. */
export function linksIn(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!.replace(/#.*$/, ""))
    .filter((target) => target !== "" && !/^[a-z]+:/.test(target));
}

/** npm scripts that a piece of code runs. */
export function npmScriptsIn(code: string): string[] {
  const scripts = [...code.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name!);
  if (/\bnpm start\b/.test(code)) scripts.push("start");
  if (/\bnpm (test|t|cit)\b/.test(code)) scripts.push("test");
  return scripts;
}

/** A use of our command: its sub-command, if one is given, and its long options. */
export interface CommandUse {
  readonly command: string;
  readonly options: readonly string[];
}

/** Uses of `kseg` (also as `npx kseg`, `npm start --` or `node bin/kseg.js`) in a piece of code. */
export function commandsIn(code: string): CommandUse[] {
  const uses: CommandUse[] = [];
  for (const part of code.replace(/#.*$/, "").split(/[|;&]+/)) {
    const words = part.trim().split(/\s+/);
    let at = words.findIndex((word) => word === "kseg" || word.endsWith("bin/kseg.js"));
    const started = /\bnpm start\b/.test(part);
    if (started) at = words.indexOf("start") + 1;
    else if (at < 0 || words.slice(0, at).some((word) => !/^(\$|npx|node|[A-Z_]+=.*)$/.test(word))) continue;
    const rest = words.slice(at + 1);
    const command = started ? "run" : rest.filter((word) => /^[a-z][a-z-]*$/.test(word)).slice(0, 1)[0];
    const options = rest.filter((word) => /^\[?--[a-z]/.test(word)).map((word) => /--[a-z-]+/.exec(word)![0]);
    uses.push({ command: rest[0] === command || started ? (command ?? "") : "", options });
  }
  return uses;
}

/** Paths of this repository that a piece of code seems to name, braces expanded; may hold wildcards. */
export function pathsIn(code: string, topLevel: ReadonlySet<string>): string[] {
  return code
    .split(/\s+/)
    .map((word) => word.replace(/^["'(]+|["'),.:;]+$/g, "").replace(/^\.\//, ""))
    .flatMap(expandBraces)
    .filter((word) => /^[\w.*/-]+$/.test(word))
    .filter((word) => topLevel.has(word.split("/")[0]!) && (word.includes("/") || /\.\w+$/.test(word)));
}

function expandBraces(word: string): string[] {
  const match = /^(.*?)\{([^{}]*)\}(.*)$/.exec(word);
  if (match === null) return [word];
  return match[2]!.split(",").flatMap((choice) => expandBraces(`${match[1]}${choice}${match[3]}`));
}

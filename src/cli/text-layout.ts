/** Text for people, laid out for a terminal of 80 columns. */

const WIDTH = 80;
const INDENT = "  ";
/** Names longer than this have a line of their own, unless the caller says otherwise. */
const WIDEST_NAME = 24;

/** `text` in lines of at most `width` characters, broken at spaces. */
export function wrapped(text: string, width = WIDTH): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}

/** Names, and beside each of them what it is, in wrapped lines that all end with a line feed. */
export function columns(
  rows: readonly (readonly [name: string, text: string])[],
  widestName = WIDEST_NAME,
): string {
  const widths = rows.map(([name]) => name.length).filter((width) => width <= widestName);
  const first = Math.max(...widths, 0) + 2;
  const margin = INDENT + " ".repeat(first);
  return rows
    .map(([name, text]) => {
      const lines = wrapped(text, WIDTH - margin.length).replaceAll("\n", `\n${margin}`);
      const fits = name.length + 2 <= first;
      return `${INDENT}${fits ? name.padEnd(first) : `${name}\n${margin}`}${lines}\n`;
    })
    .join("");
}

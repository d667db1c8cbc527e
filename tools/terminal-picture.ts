/**
 * Draws the picture in README.md from a real run: `node tools/terminal-picture.ts`. It starts kseg in this
 * checkout, gives it a few commands and writes what the terminal would show to docs/terminal.svg.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const COMMANDS = ["ps", "touch 96 1000", "poweroff"];
const FONT_SIZE = 14;
const LINE_HEIGHT = 19;
/** Width of a character of a monospaced font, in ems. */
const ADVANCE = 0.602;
const MARGIN = 16;
const COLOURS = { background: "#16181d", text: "#d8dee9", typed: "#a3d977", summary: "#8f9bb3" };

const kseg = fileURLToPath(new URL("../bin/kseg.js", import.meta.url));
const { status, stdout, stderr } = spawnSync(process.execPath, [kseg, "run", "--clock", "virtual"], {
  input: `${COMMANDS.join("\n")}\n`,
  encoding: "utf8",
});
if (status !== 0) throw new Error(`kseg ended with status ${status}\n${stderr}`);

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

interface Line {
  readonly text: string;
  readonly colour: string;
}

const clean = (text: string): string[] => text.replaceAll("\r", "").trim().split("\n");
const lines: Line[] = [
  { text: "$ npx kseg run --clock virtual", colour: COLOURS.typed },
  ...clean(stdout).map((text) => ({
    text,
    colour: text.startsWith("kseg> ") ? COLOURS.typed : COLOURS.text,
  })),
  ...clean(stderr).map((text) => ({ text, colour: COLOURS.summary })),
];
const columns = Math.max(...lines.map(({ text }) => text.length));
const width = Math.ceil(columns * FONT_SIZE * ADVANCE) + 2 * MARGIN;
const height = lines.length * LINE_HEIGHT + 2 * MARGIN;
const rows = lines.map(({ text, colour }, index) => {
  const y = MARGIN + FONT_SIZE + index * LINE_HEIGHT;
  return `  <text x="${MARGIN}" y="${y}" fill="${colour}" xml:space="preserve">${escape(text)}</text>`;
});
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT_SIZE}">
  <rect width="100%" height="100%" rx="8" fill="${COLOURS.background}"/>
${rows.join("\n")}
</svg>
`;
writeFileSync(new URL("../docs/terminal.svg", import.meta.url), svg);
console.log(`docs/terminal.svg: ${lines.length} lines, ${columns} columns`);

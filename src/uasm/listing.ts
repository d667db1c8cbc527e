/** One word of generated code as a reader sees it. */
export interface ListingLine {
  readonly address: number;
  readonly word: number;
  /** Disassembly, with the manual's names of CP0 registers. */
  readonly text: string;
  /** What the generator said about it, or an empty string. */
  readonly comment: string;
  /** Names of the labels bound here. */
  readonly labels: readonly string[];
}

const hex8 = (value: number): string => value.toString(16).padStart(8, "0");

/** Formats a listing: `address: word  text  # comment`, labels on lines of their own. Ends with a newline. */
export function formatListing(lines: readonly ListingLine[]): string {
  const textWidth = Math.max(
    0,
    ...lines.filter((line) => line.comment !== "").map((line) => line.text.length),
  );
  let out = "";
  for (const { address, word, text, comment, labels } of lines) {
    for (const label of labels) out += `${label}:\n`;
    const note = comment === "" ? "" : `  # ${comment}`;
    out += `${hex8(address)}: ${hex8(word)}  ${comment === "" ? text : text.padEnd(textWidth)}${note}\n`;
  }
  return out;
}

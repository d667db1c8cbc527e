/** Colours, where somebody sees them. */
import { styleText } from "node:util";

/** The part of an output that decides. */
export interface Sink {
  readonly isTTY?: boolean | undefined;
}

/**
 * Whether `sink` gets colours: a terminal does. FORCE_COLOR asks for them everywhere (0: nowhere), NO_COLOR for none, as
 * Node and most programs have it.
 */
export function hasColours(
  { isTTY }: Sink,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const forced = env["FORCE_COLOR"] ?? "";
  if (forced !== "") return forced !== "0";
  return isTTY === true && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
}

/** `text` in a style, if `sink` gets colours. */
export function styled(style: Parameters<typeof styleText>[0], text: string, sink: Sink): string {
  return hasColours(sink) ? styleText(style, text, { validateStream: false }) : text;
}

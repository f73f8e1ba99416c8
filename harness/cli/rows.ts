import { type Screen, wrap } from "../../reports/screen.ts";

const INDENT = "  ";
const LABEL_WIDTH = 14;

/** A label and its text, wrapped beside it. */
export function row(label: string, text: string, { width }: Screen): readonly string[] {
  const margin = INDENT + " ".repeat(LABEL_WIDTH);
  const [first = "", ...rest] = wrap(text, width - margin.length);
  const gap = label.length < LABEL_WIDTH ? " ".repeat(LABEL_WIDTH - label.length) : "  ";
  return [INDENT + label + gap + first, ...rest.map((line) => margin + line)];
}

/** Where text goes. Handed in, so that a report can be tested for any screen. */
export interface Screen {
  /** Unit: columns. */
  readonly width: number;
  readonly colour: boolean;
  readonly isTty: boolean;
}

const CODES = { green: "32", red: "31", yellow: "33", bold: "1", dim: "2" } as const;

export type Paint = (style: keyof typeof CODES, text: string) => string;

/** Leaves the text as it is where there are no colours. */
export function painter({ colour }: Screen): Paint {
  return (style, text) => (colour ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text);
}

/** Breaks between words; a word longer than the width keeps a line of its own, so that paths and commands can be copied. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      const joined = line === "" ? word : `${line} ${word}`;
      if (joined.length > width && line !== "") {
        lines.push(line);
        line = word;
      } else {
        line = joined;
      }
    }
    lines.push(line);
  }
  return lines;
}

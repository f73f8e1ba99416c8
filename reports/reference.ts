/** Tables of the documentation that are made from the program itself. */

const BEGIN = "<!-- made by: npm run docs -->";
const END = "<!-- end -->";

export interface DescribedFault {
  readonly fault: string;
  readonly summary: string;
  readonly effect: { readonly local: string; readonly sim: string };
  readonly proves: string;
  /** Fields that it takes. */
  readonly takes: readonly string[];
}

export function faultTable(faults: readonly DescribedFault[]): string {
  return faults
    .map(({ fault, summary, effect, proves, takes }) =>
      [
        `## ${fault}`,
        "",
        `${upper(summary)}. Takes ${takes.map((name) => `\`${name}\``).join(", ")}.`,
        "",
        `- In \`local\`: ${effect.local}.`,
        `- In \`sim\`: ${effect.sim}.`,
        `- It bit if: ${proves}.`,
      ].join("\n"),
    )
    .join("\n\n");
}

export function errorTable(
  errors: Readonly<Record<string, { readonly meaning: string; readonly todo: string }>>,
): string {
  const rows = Object.entries(errors).map(
    ([code, { meaning, todo }]) => `| \`${code}\` | ${meaning} | ${todo} |`,
  );
  return ["| code | meaning | what to do |", "|---|---|---|", ...rows].join("\n");
}

/** Puts a table between the marks of a document. @throws Error for a document without them */
export function withTable(document: string, table: string): string {
  const [before, rest] = document.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`no "${BEGIN}" and "${END}"`);
  return `${before}${BEGIN}\n${table}\n${END}${after}`;
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

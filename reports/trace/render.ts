/** A trace as a table of fixed columns, one line an event. */
import { type Paint, painter, type Screen, wrap } from "../screen.ts";
import { HOST_STATES, type HostState, hasPointerColumns, type PointerCell } from "./columns.ts";
import { BLOCK_LIMITS } from "./filter.ts";
import { type Head, headOf } from "./head.ts";
import { hostLegend } from "./legend.ts";
import { ms } from "./recorded.ts";
import type { Row } from "./rows.ts";
import type { Trace } from "./trace.ts";

export interface TraceLook {
  /** Every text whole, however wide the screen is. Where there is no terminal it always is. */
  readonly wide: boolean;
}

type Style = Parameters<Paint>[0];

const VERDICT_STYLES = { pass: "green", fail: "red", unknown: "yellow", broken: "red" } as const;
const MARKS = {
  fault: { sign: ">", style: "yellow" },
  command: { sign: ">", style: "yellow" },
  heal: { sign: "<", style: "green" },
  trouble: { sign: "!", style: "red" },
} as const satisfies Record<string, { readonly sign: string; readonly style: Style }>;

const INDENT = "  ";
const LABEL_WIDTH = 14;
const WIDEST = Number.POSITIVE_INFINITY;

/** @returns lines, each ended by `\n`. On a terminal no line of the table is wider than it, unless asked for */
export function renderTrace(trace: Trace, { wide }: TraceLook, screen: Screen): string {
  const paint = painter(screen);
  const head = headOf(trace.record);
  const table = layOut(trace);
  const width = screen.isTty && !wide ? screen.width : WIDEST;
  const lines = table.rows.map((line) => cut(line, width));
  const shortened = lines.filter(({ isCut }) => isCut).length;
  const text = [
    ...headLines(head, trace, { screen, paint }),
    "",
    paint("bold", `${table.title}event`),
    ...lines.map((line) => painted(line, paint)),
    ...(lines.length === 0 ? [`${INDENT}no event of the record matches`] : []),
    "",
    ...footLines(head, trace, { shortened, screen, paint }),
  ];
  return `${text.join("\n")}\n`;
}

interface Line {
  readonly prefix: string;
  readonly text: string;
  readonly style: Style | null;
  /** It was asked for. */
  readonly isTarget: boolean;
}

function painted({ prefix, text, style, isTarget }: Line, paint: Paint): string {
  const before = isTarget ? paint("bold", prefix) : prefix;
  return before + (style === null ? text : paint(style, text));
}

function layOut(trace: Trace): { readonly title: string; readonly rows: readonly Line[] } {
  const { rows, processes } = trace;
  const { hosts } = processes;
  const pointers = hasPointerColumns(processes)
    ? [...processes.services, ...processes.switches]
    : [];
  const widest = (texts: readonly string[]): number =>
    texts.reduce((most, text) => Math.max(most, text.length), 0);
  const nameWidth = widest(hosts);
  const idWidth = widest(["line", ...rows.map(({ id }) => id)]);
  const atWidth = widest(["ms", ...rows.map(({ at }) => ms(at))]);
  const sinceWidth = widest(["+ms", ...rows.map(sinceOf)]);
  const whoWidth = widest(rows.map(({ who }) => who));
  const columns = (of: (index: number, isHost: boolean) => string): string =>
    [
      ...hosts.map((name, index) => of(index, true).padEnd(name.length)),
      ...pointers.map((name, index) => of(index, false).padEnd(Math.max(name.length, nameWidth))),
    ].join(" ");
  const prefix = (cells: readonly [string, string, string, string, string, string]): string => {
    const [id, at, since, states, mark, who] = cells;
    const left = [id.padStart(idWidth), at.padStart(atWidth), since.padStart(sinceWidth)].join(" ");
    return `${left}  ${states}  ${mark} ${whoWidth === 0 ? "" : `${who.padEnd(whoWidth)} `}`;
  };
  const names = columns((index, isHost) => (isHost ? hosts : pointers)[index] ?? "");
  return {
    title: prefix(["line", "ms", "+ms", names, " ", ""]),
    rows: rows.map((row): Line => {
      const { id, at, mark, active, who, text, after } = row;
      const shown = [...after.services, ...after.switches].map(pointerText);
      const states = columns((index, isHost) =>
        isHost ? letterOf(after.hosts[index]) : (shown[index] ?? ""),
      );
      const sign = mark === null ? (active > 0 ? "|" : " ") : MARKS[mark].sign;
      return {
        prefix: prefix([id, ms(at), sinceOf(row), states, sign, who]),
        text: visible(text),
        style: mark === null ? null : MARKS[mark].style,
        isTarget: id === trace.target,
      };
    }),
  };
}

function sinceOf({ sinceUs }: Row): string {
  return sinceUs === null ? "" : `+${(sinceUs / 1_000).toFixed(1)}`;
}

function letterOf(cell: Row["after"]["hosts"][number] | undefined): string {
  if (cell === undefined) return " ";
  const { letter } = HOST_STATES[cell.state];
  return cell.hasVm ? letter.toUpperCase() : letter;
}

function pointerText({ isDead, host }: PointerCell): string {
  if (isDead) return "x";
  return host === undefined ? "." : (host ?? "-");
}

const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text that breaks the line, or moves the cursor, would break the table. */
function visible(text: string): string {
  return text.replace(CONTROL, (sign) => {
    if (sign === "\n") return "\\n";
    return `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

function cut(line: Line, width: number): Line & { readonly isCut: boolean } {
  const signs = Array.from(line.text);
  const room = Math.max(1, width - line.prefix.length);
  if (signs.length <= room) return { ...line, isCut: false };
  return { ...line, text: `${signs.slice(0, room - 1).join("")}…`, isCut: true };
}

interface Pen {
  readonly screen: Screen;
  readonly paint: Paint;
}

function headLines(head: Head, { record, vm, vms }: Trace, pen: Pen): readonly string[] {
  const { verdict, scenario, seed, bed, level, commit, troubles } = head;
  const { paint } = pen;
  const word = verdict === null ? paint("yellow", "NO VERDICT") : verdict.toUpperCase();
  const painted = verdict === null ? word : paint(VERDICT_STYLES[verdict], paint("bold", word));
  const known = [
    seed === null ? [] : `seed ${seed}`,
    bed === null ? [] : `bed ${bed}`,
    level === null ? [] : `level ${level}`,
  ].flat();
  const columns = vms.length > 1 ? [["VM", `${vm}; there are ${vms.join(", ")}`] as const] : [];
  return [
    `${painted}  ${scenario ?? record.folder}  ${known.join(", ")}`.trimEnd(),
    ...[["commit", commit ?? "unknown"] as const, ...troubles, ...columns].flatMap((one) =>
      row(one, pen),
    ),
  ];
}

function footLines(
  head: Head,
  trace: Trace,
  pen: Pen & { readonly shortened: number },
): readonly string[] {
  const { rows, processes, options } = trace;
  const states = new Set<HostState>(
    rows.flatMap(({ after }) => after.hosts.map(({ state }) => state)),
  );
  const hasPointers = hasPointerColumns(processes);
  const facts: readonly (readonly [string, string])[] = [
    ...(states.size === 0
      ? []
      : [["hosts", `${hostLegend(states).join(", ")}; in capitals it has the VM`] as const]),
    ...(hasPointers ? pointerLegend(processes) : []),
    ["marks", "> fault or command, < heal, ! went wrong, | a fault is in force"],
    ...(options.filter.block === null ? [] : [["block", BLOCK_LIMITS] as const]),
    ["shown", describeShown(trace)],
    ...(pen.shortened === 0
      ? []
      : [["cut", `${pen.shortened} texts end in …: --wide shows them whole`] as const]),
    ...(hasPointers
      ? []
      : [["columns", "services and switches are too many for columns"] as const]),
  ];
  const replay = head.replay ?? "nothing says how: there is no plan";
  // On one line, so that it can be copied.
  const [last = ""] = row(["replay", replay], { ...pen, screen: { ...pen.screen, width: WIDEST } });
  return [...facts.flatMap((one) => row(one, pen)), last];
}

function pointerLegend({
  services,
  switches,
}: Trace["processes"]): readonly (readonly [string, string])[] {
  const texts = [
    ...(services.length === 0 ? [] : [[services.join(" "), "who holds its grant"] as const]),
    ...(switches.length === 0
      ? []
      : [[switches.join(" "), "whom its clients are led to"] as const]),
  ];
  const signs = "; - nobody, . not said yet, x dead";
  return texts.map(([label, text], index) => [
    label,
    index === texts.length - 1 ? text + signs : text,
  ]);
}

function describeShown({ rows, total, leftOut, okOperations, options }: Trace): string {
  const { filter, around } = options;
  const asked = [
    ...Object.entries(filter).flatMap(([name, value]) =>
      value === null ? [] : [`--${name} ${value}`],
    ),
    ...(around === null ? [] : [`--around ${around.event}`]),
  ];
  const shown =
    asked.length === 0
      ? `${rows.length} events`
      : `${rows.length} of ${total} events (${asked.join(" ")})`;
  const noise = [...leftOut].map(([what, count]) => `${count} ${what}`);
  const more = noise.length === 0 ? [] : [`left out: ${noise.join(", ")} (--all shows them)`];
  const clients =
    okOperations === null
      ? ["what clients saw (--history shows it)"]
      : [`${okOperations} operations that went well`];
  return [shown, ...more, ...clients].join("; ");
}

function row(
  [label, text]: readonly [label: string, text: string],
  { screen, paint }: Pen,
): readonly string[] {
  const gap = label.length < LABEL_WIDTH ? " ".repeat(LABEL_WIDTH - label.length) : "  ";
  const margin = INDENT + " ".repeat(LABEL_WIDTH);
  const [first = "", ...rest] = wrap(text, screen.width - margin.length).map(visible);
  const style = label === "fail" ? "red" : "dim";
  return [`${INDENT}${paint(style, label)}${gap}${first}`, ...rest.map((line) => margin + line)];
}

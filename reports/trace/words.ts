/** An event in words: what docs/record.md says of its fields, the weightiest first. */
import { nameOf } from "../../harness/check/events.ts";
import { INVARIANT_STATUS } from "../../harness/check/invariants.ts";
import type { RunEvent } from "../../harness/record/types.ts";
import { bootIn, type Names } from "./names.ts";
import { ms, numberIn, textIn, wordOf } from "./recorded.ts";

/** What is seen at a glance. `command`: an operator's. */
export type Mark = "fault" | "command" | "heal" | "trouble";

export interface Told {
  readonly text: string;
  /** Null: nothing of all that. */
  readonly mark: Mark | null;
}

type Teller = (event: RunEvent, names: Names) => string | Told;
type Tellers = ReadonlyMap<string, Teller>;

/** What a plan's steps call the operator's commands. */
const COMMANDS: ReadonlySet<string> = new Set(["resolve", "force-boot", "switch-over", "drain"]);

/** What is said so often that one more time says little: its kind. Null: it is no such event. */
export function noiseOf(event: RunEvent): string | null {
  if (event.what === "outputs" || event.what === "mark") return event.what;
  const isRepeated = event.what === "announce" && event["state"] === "accepted";
  return isRepeated && event["why"] === "again" ? "repeated announce" : null;
}

/** A step that is no fault but an operator's command. */
export function isCommand(event: RunEvent): boolean {
  return COMMANDS.has(wordOf(event["fault"]));
}

/** Of a kind that is not known here: all its fields. */
export function tell(event: RunEvent, names: Names): Told {
  const said = tellersOf(event)?.get(event.what)?.(event, names) ?? tellFields(event);
  return typeof said === "string" ? { text: said, mark: null } : said;
}

function tellersOf({ source }: RunEvent): Tellers | undefined {
  if (source === "harness") return HARNESS;
  if (source === "invariant") return RULES;
  if (nameOf(source, "host") !== null) return HOST;
  if (nameOf(source, "quorum") !== null) return QUORUM;
  return nameOf(source, "switch") === null ? undefined : SWITCH;
}

function tellFields({ at: _at, source: _source, what, ...fields }: RunEvent): string {
  const named = Object.entries(fields).map(([name, value]) => `${name}=${wordOf(value)}`);
  return [what, ...named].join(" ");
}

function trouble(text: string): Told {
  return { text, mark: "trouble" };
}

/** `: why`; nothing where there is no reason. */
function because(event: RunEvent, none = ""): string {
  const why = textIn(event, "why") ?? "";
  return why === "" || why === none ? "" : `: ${why}`;
}

/** Of every process that runs as one. */
const PROCESS: readonly (readonly [string, Teller])[] = [
  ["started", (it) => `process ${wordOf(it["pid"])} is up, node ${wordOf(it["node"])}`],
  ["mark", (it) => `rare branch ${wordOf(it["mark"])}`],
  ["invariant", (it) => trouble(`RULE BROKEN ${wordOf(it["rule"])}`)],
  [
    "ended",
    (it) => {
      const text = `ends itself (${wordOf(it["exit"])})${because(it)}`;
      return it["exit"] === "asked" ? text : trouble(text);
    },
  ],
  ["failed", (it) => trouble(`failed with ${wordOf(it["code"])}${because(it)}`)],
];

const HOST: Tellers = new Map<string, Teller>([
  ...PROCESS,
  [
    "page",
    (it, names) => {
      const page = `page ${wordOf(it["right"])}/${wordOf(it["copy"])}`;
      return `${page}, ${names.gen(it["gen"])}${because(it, "nothing")}`;
    },
  ],
  [
    "state",
    ({ derived }) => {
      const text = `state ${wordOf(derived)}`;
      return derived === "split-brain" ? trouble(text) : text;
    },
  ],
  [
    "session",
    (it) => {
      const row = textIn(it, "verdict");
      if (it["state"] === "open") return `session open: ${row ?? "?"} ${wordOf(it["why"])}`;
      return `session ${wordOf(it["state"])}${row === null ? "" : ` (${row})`}${because(it)}`;
    },
  ],
  ["suspect", (it) => `suspects its peer${because(it)}`],
  [
    "claim",
    (it, names) => {
      const gen = names.gen(it["gen"]);
      const from = wordOf(it["from"]);
      if (it["state"] === "cancelled") return `claim of ${gen} cancelled: ${from}`;
      return `claim ${wordOf(it["state"])}: ${gen} after ${names.gen(from)}`;
    },
  ],
  [
    "vm",
    (it, names) => {
      const text = `VM ${wordOf(it["state"])}${because(it)}${bootIn(it, names)}`;
      return it["state"] === "trapped" ? trouble(text) : text;
    },
  ],
  [
    "resync",
    (it) => {
      const kind = it["isFull"] === true ? "full" : "delta";
      const state = wordOf(it["state"]);
      if (state === "progress") return `${kind} resync ${wordOf(it["percent"])} %`;
      return state === "interrupted"
        ? trouble(`${kind} resync interrupted`)
        : `${kind} resync ${state}`;
    },
  ],
  [
    "operator",
    (it) => {
      const text = `operator's ${wordOf(it["op"])} ${wordOf(it["state"])}${because(it)}`;
      return it["state"] === "refused" ? trouble(text) : text;
    },
  ],
  [
    "saved",
    (it) => `saved ${wordOf(it["blocks"])} blocks that are given up: ${wordOf(it["file"])}`,
  ],
  ["alert", (it) => trouble(`ALERT ${wordOf(it["code"])}: ${wordOf(it["detail"])}`)],
]);

/** A service's record as it stands afterwards. */
function tellRecord(verb: string): Teller {
  return (it, names) => {
    const after = textIn(it, "from") === null ? "" : ` after ${names.gen(it["from"])}`;
    const holder = textIn(it, "holder") ?? "nobody";
    return `${verb} ${names.gen(it["gen"])}${after}: asked by ${wordOf(it["host"])}, held by ${holder}`;
  };
}

const QUORUM: Tellers = new Map<string, Teller>([
  ...PROCESS,
  [
    "granted",
    (it, names) => {
      const after = textIn(it, "from") === null ? "" : ` after ${names.gen(it["from"])}`;
      return `grants ${names.gen(it["gen"])} to ${wordOf(it["holder"])}${after}`;
    },
  ],
  ["registered", tellRecord("registers")],
  ["overridden", tellRecord("overridden by an operator:")],
  ["refused", tellRecord("refuses, has")],
  ["behind", tellRecord("behind, has")],
  ["stale", tellRecord("stale, has")],
]);

const SWITCH: Tellers = new Map<string, Teller>([
  ...PROCESS,
  [
    "announce",
    (it, names) => {
      const verb = it["state"] === "accepted" ? "follows" : "ignores";
      const via = textIn(it, "via") === null ? "" : ` by ${wordOf(it["via"])}`;
      const whom = `${verb} ${wordOf(it["host"])}${via}, ${names.gen(it["gen"])}`;
      return `${whom}${because(it)}${bootIn(it, names)}`;
    },
  ],
  ["way", (it) => `reaches ${wordOf(it["host"])} by ${wordOf(it["via"])} from now on`],
  [
    "unfollowed",
    (it, names) => `follows nobody: ${wordOf(it["host"])} ${wordOf(it["why"])}${bootIn(it, names)}`,
  ],
  [
    "sessions-reset",
    (it, names) => `resets ${wordOf(it["count"])} client sessions of ${names.boot(it["boot"])}`,
  ],
  [
    "outputs",
    (it, names) => {
      const [first, last, intake] = ["firstAtUs", "lastAtUs", "maxIntakeAtUs"].map((field) => {
        const us = numberIn(it, field);
        return us === null ? "?" : ms(us);
      });
      return `outputs of ${wordOf(it["host"])}, ${names.gen(it["gen"])}: ${first} to ${last}, taken in until ${intake}${bootIn(it, names)}`;
    },
  ],
  [
    "byte-conflict",
    (it, names) => {
      const place = `position ${wordOf(it["position"])} of session ${wordOf(it["session"])}`;
      return trouble(`BYTE CONFLICT at ${place}: ${wordOf(it["host"])}, ${names.gen(it["gen"])}`);
    },
  ],
]);

function stepOf(event: RunEvent): string {
  const step = numberIn(event, "step");
  return step === null ? "" : ` ${step}`;
}

function tellFault(event: RunEvent): Told {
  const what = `${wordOf(event["fault"])} of ${wordOf(event["target"])}`;
  const step = stepOf(event);
  const isHealed = event["state"] === "healed";
  if (isCommand(event)) {
    if (isHealed) return { text: `command${step} is over: ${what}`, mark: null };
    return { text: `COMMAND${step} ${what}`, mark: "command" };
  }
  if (isHealed) return { text: `HEALED${step} ${what}`, mark: "heal" };
  return { text: `FAULT${step} ${what}`, mark: "fault" };
}

function tellExit(event: RunEvent): Told {
  const how =
    textIn(event, "signal") === null
      ? `with status ${wordOf(event["status"])}`
      : `by ${wordOf(event["signal"])}`;
  const text = `${wordOf(event["process"])} ended ${how}`;
  if (event["status"] === INVARIANT_STATUS) return trouble(`${text}: A RULE IS BROKEN`);
  if (event["expected"] !== true) return trouble(`${text}, and nobody had told it to`);
  return { text: `${text}, as it was told to`, mark: null };
}

const HARNESS: Tellers = new Map<string, Teller>([
  ["fault", tellFault],
  ["exit", tellExit],
  ["started", (it) => `${wordOf(it["process"])} lives again (life ${wordOf(it["life"])})`],
  [
    "proof",
    (it) => {
      const word = isCommand(it) ? "command" : "fault";
      if (it["hasBitten"] === true) return `${word}${stepOf(it)} bit${because(it)}`;
      return trouble(`${word}${stepOf(it)} DID NOT BITE${because(it)}`);
    },
  ],
  ["converged", (it) => `converged (${wordOf(it["converge"])}): ${wordOf(it["hosts"])}`],
  [
    "not-converged",
    (it) => trouble(`NOT CONVERGED (${wordOf(it["converge"])}): ${wordOf(it["hosts"])}`),
  ],
  [
    "not-redundant",
    (it) => trouble(`NOT REDUNDANT when the first fault was due: ${wordOf(it["hosts"])}`),
  ],
  [
    "not-reached",
    (it) => {
      const after = textIn(it, "after") ?? "its time";
      return trouble(`STEP${stepOf(it)} NOT TAKEN: ${wordOf(it["name"])} waited for ${after}`);
    },
  ],
  [
    "audit",
    (it) => {
      const text = `audit ${wordOf(it["name"])} ${wordOf(it["verdict"])}${because(it)}`;
      return it["verdict"] === "pass" ? text : trouble(text);
    },
  ],
  ["teardown", () => "teardown: everything is ended from here on"],
  [
    "threw",
    (it) => trouble(`${wordOf(it["process"])} THREW${because(it)}; ${wordOf(it["stack"])}`),
  ],
  ["not-quiet", (it) => trouble(`not quiet within ${ms(numberIn(it, "withinUs") ?? 0)} ms`)],
  ["stray-output", (it) => `stray output of ${wordOf(it["process"])}: ${wordOf(it["text"])}`],
]);

const RULES: Tellers = new Map<string, Teller>([
  ["violation", (it) => trouble(`VIOLATION ${wordOf(it["name"])}: ${wordOf(it["detail"])}`)],
]);

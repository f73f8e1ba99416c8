/** What a run was and came to: the first lines of a trace, and how to see the run again. */
import type { Verdict } from "../../harness/record/types.ts";
import { type Fields, numberIn, type Recorded, textIn, wordOf } from "./recorded.ts";

export interface Head {
  /** Null: the run left no verdict. */
  readonly verdict: Verdict | null;
  readonly scenario: string | null;
  readonly seed: number | null;
  readonly bed: string | null;
  readonly level: number | null;
  readonly commit: string | null;
  /** A command that can be pasted; null: nothing says how. */
  readonly replay: string | null;
  /** What broke, what was not proven, what is missing: a label and a sentence each. */
  readonly troubles: readonly (readonly [label: string, text: string])[];
}

const VERDICTS = ["pass", "fail", "unknown", "broken"] as const satisfies readonly Verdict[];

export function headOf({ plan, verdict, folder, gaps }: Recorded): Head {
  const text = (name: string): string | null => textIn(verdict, name) ?? textIn(plan, name);
  const number = (name: string): number | null => numberIn(verdict, name) ?? numberIn(plan, name);
  const [scenario, seed, bed] = [text("scenario"), number("seed"), text("bed")];
  return {
    verdict: VERDICTS.find((word) => word === verdict?.["verdict"]) ?? null,
    scenario,
    seed,
    bed,
    level: number("level"),
    commit: textIn(verdict, "commit"),
    replay: textIn(verdict, "replay") ?? replayOf(scenario, folder),
    troubles: [
      ...brokenOf(verdict),
      ...checksOf(verdict),
      ...gaps.map((gap) => ["record", gap] as const),
    ],
  };
}

/** A run that left no verdict can be repeated by its plan. */
function replayOf(scenario: string | null, folder: string): string | null {
  if (scenario === null) return null;
  const plan = `${folder}/plan.json`;
  const quoted = /^[A-Za-z0-9_./:=@%+,-]+$/.test(plan)
    ? plan
    : `'${plan.replaceAll("'", "'\\''")}'`;
  return `npx faultline run ${scenario} --plan ${quoted}`;
}

function brokenOf(verdict: Fields | null): Head["troubles"] {
  const broken = verdict?.["broken"];
  if (typeof broken !== "object" || broken === null) return [];
  const fields: Fields = { ...broken };
  return [
    [wordOf(fields["code"]), wordOf(fields["message"])],
    ["hint", wordOf(fields["hint"])],
  ];
}

function checksOf(verdict: Fields | null): Head["troubles"] {
  const checks: unknown = verdict?.["checks"];
  const list: readonly unknown[] = Array.isArray(checks) ? checks : [];
  const fields = list.flatMap((check): readonly Fields[] =>
    typeof check === "object" && check !== null ? [{ ...check }] : [],
  );
  return ["fail", "unknown"].flatMap((word) =>
    fields
      .filter((check) => check["verdict"] === word)
      .map((check) => [word, `${wordOf(check["name"])}: ${wordOf(check["why"])}`] as const),
  );
}

import type { CheckResult, Verdict } from "../record/types.ts";

/** Exit status of a run, by its verdict. */
export const EXIT_STATUS = {
  pass: 0,
  fail: 1,
  unknown: 2,
  broken: 3,
} as const satisfies Record<Verdict, number>;

const SEVERITY = { pass: 0, unknown: 1, fail: 2 } as const satisfies Record<
  CheckResult["verdict"],
  number
>;

/** The worst of the checks: fail, then unknown, then pass. `unknown` when nothing was checked. */
export function composeVerdict(checks: readonly CheckResult[]): CheckResult["verdict"] {
  let worst: CheckResult["verdict"] = checks.length === 0 ? "unknown" : "pass";
  for (const { verdict } of checks) {
    if (SEVERITY[verdict] > SEVERITY[worst]) worst = verdict;
  }
  return worst;
}

/** What a checker found, or null with an `unknown` check that carries its error's text: a checker that throws has judged nothing. */
export type Guarded<Figures> =
  | { readonly figures: Figures; readonly check: CheckResult }
  | { readonly figures: null; readonly check: CheckResult };

export function guardChecker<Figures extends { readonly check: CheckResult }>(
  name: string,
  run: () => Figures,
): Guarded<Figures> {
  try {
    const figures = run();
    return { figures, check: figures.check };
  } catch (error: unknown) {
    const text = error instanceof Error ? error.message : String(error);
    return {
      figures: null,
      check: { name, verdict: "unknown", why: `the checker threw: ${text}` },
    };
  }
}

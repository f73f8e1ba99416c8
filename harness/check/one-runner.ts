/**
 * One runner: no output whose cause a host took in after another host had the right to go on alone. Judged from outside, from what the
 * switches saw leave (`outputs`), what the quorum services granted (`granted`) and what the hosts persisted (`page`). Late outputs are
 * legal, late *intake* is not. A switch that got two different bytes for one position of a session reports `byte-conflict`.
 */
import type { CheckResult, Micros, RunEvent } from "../record/types.ts";
import { nameOf, numberField, textField } from "./events.ts";
import { grantedRights, type Right } from "./granted-rights.ts";
import { areSplit, type SolePeriod, solePeriods } from "./sole-periods.ts";

export interface OneRunnerOptions {
  /**
   * Two hosts go on alone by design: each may then take in input under its own generation, and neither under any other. Default false.
   */
  readonly isSplitExpected?: boolean;
}

export interface OneRunnerFigures {
  readonly check: CheckResult;
  /** Pairs (boot, generation, host) that put out anything. */
  readonly outputs: number;
  /** Grants and pages that gave a host the right to go on alone. */
  readonly rights: number;
}

/** What one host put out under one generation, in one boot. */
interface Output {
  readonly gen: string;
  readonly n: number;
  readonly host: string;
  /** Latest instants of intake, one per report. */
  readonly intakes: readonly Micros[];
}

/** @throws HarnessError BAD_RECORD for an event without the fields it must have */
export function checkOneRunner(
  events: readonly RunEvent[],
  options: OneRunnerOptions = {},
): OneRunnerFigures {
  const outputs = outputsOf(events);
  const periods = solePeriods(events);
  const rights = rightsOf(events, periods);
  const figures = { outputs: outputs.length, rights: rights.length };
  const isExempt = (right: Right, output: Output): boolean =>
    options.isSplitExpected === true && areSidesOfSplit(right, output, periods);
  return { check: judge(events, { outputs, rights, isExempt }), ...figures };
}

function judge(
  events: readonly RunEvent[],
  seen: {
    readonly outputs: readonly Output[];
    readonly rights: readonly Right[];
    readonly isExempt: (right: Right, output: Output) => boolean;
  },
): CheckResult {
  const name = "one-runner";
  const { outputs, rights } = seen;
  const conflict = events.find(
    (event) => nameOf(event.source, "switch") !== null && event.what === "byte-conflict",
  );
  if (conflict !== undefined) {
    const why = `two generations gave different bytes for one position: ${conflict.source} at ${ms(conflict.at)} ms`;
    return { name, verdict: "fail", why };
  }
  for (const output of outputs) {
    for (const right of rights) {
      const intakeAt = seen.isExempt(right, output)
        ? undefined
        : forbiddenIntake(right, output, events);
      if (intakeAt === undefined) continue;
      const why =
        `host ${output.host} put out under generation ${output.n} what it took in at ${ms(intakeAt)} ms, ` +
        `after generation ${right.n} was ${right.how} for host ${right.host} at ${ms(right.at)} ms`;
      return { name, verdict: "fail", why };
    }
  }
  if (outputs.length === 0) return { name, verdict: "unknown", why: "no switch saw an output" };
  const looked = `outputs of ${outputs.length} (generation, host) pairs against ${rights.length} rights to go on alone`;
  return { name, verdict: "pass", why: `${looked}: no intake after another host's right` };
}

/**
 * A grant forbids older generations only: one that was cancelled lies beside a joint generation of the same number, under which its
 * asker's peer may run. A persisted right is never beside another one.
 */
function forbiddenIntake(
  right: Right,
  output: Output,
  events: readonly RunEvent[],
): Micros | undefined {
  if (right.host === output.host) return undefined;
  const { at, until } = right.gen === output.gen ? ownBoot(right, events) : right;
  const isLater = right.how === "granted" ? right.n > output.n : right.n >= output.n;
  if (!isLater && right.gen !== output.gen) return undefined;
  return output.intakes.find((intake) => intake > at && intake < until);
}

/** A host without a disk may run over the copy of the host that has the right, under its generation, until that one boots itself. */
function ownBoot({ host, at }: Right, events: readonly RunEvent[]): Pick<Right, "at" | "until"> {
  const boot = events.find(
    (event) =>
      event.at >= at &&
      event.source === `host ${host}` &&
      event.what === "vm" &&
      event["state"] === "announced",
  );
  return { at: boot?.at ?? Number.POSITIVE_INFINITY, until: Number.POSITIVE_INFINITY };
}

function areSidesOfSplit(right: Right, output: Output, periods: readonly SolePeriod[]): boolean {
  const own = periods.filter(({ host, gen }) => host === output.host && gen === output.gen);
  const other = periods.filter(({ host, gen }) => host === right.host && gen === right.gen);
  return own.some((one) => other.some((two) => areSplit(one, two)));
}

/** The counts of a switch are cumulative, and its latest intake only grows. */
function outputsOf(events: readonly RunEvent[]): readonly Output[] {
  const found = new Map<string, Output & { readonly intakes: Micros[] }>();
  for (const event of events) {
    if (nameOf(event.source, "switch") === null || event.what !== "outputs") continue;
    const [gen, n] = [textField(event, "gen"), numberField(event, "n")];
    const host = textField(event, "host");
    const key = [event.source, textField(event, "boot"), gen, host].join("\n");
    const output = found.get(key) ?? { gen, n, host, intakes: [] };
    output.intakes.push(numberField(event, "maxIntakeAtUs"));
    found.set(key, output);
  }
  return [...found.values()];
}

function rightsOf(events: readonly RunEvent[], periods: readonly SolePeriod[]): readonly Right[] {
  const persisted = periods.map(({ host, gen, n, from }): Right => {
    return { gen, n, host, at: from, until: Number.POSITIVE_INFINITY, how: "persisted" };
  });
  return [...persisted, ...grantedRights(events)].sort((left, right) => left.at - right.at);
}

function ms(micros: Micros): string {
  return (micros / 1_000).toFixed(3);
}

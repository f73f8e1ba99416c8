/**
 * One runner: no output whose cause a host took in after another host had the right to go on alone. Judged from outside, from what the
 * switches saw leave (`outputs`), what the quorum services granted (`granted`) and what the hosts persisted (`page`). Late outputs are
 * legal, late *intake* is not. A switch that got two different bytes for one position of a session reports `byte-conflict`.
 */
import type { CheckResult, Micros, RunEvent } from "../record/types.ts";
import { nameOf, numberField, textField } from "./events.ts";

export interface OneRunnerFigures {
  readonly check: CheckResult;
  /** Pairs (boot, generation, host) that put out anything. */
  readonly outputs: number;
  /** Grants and pages that gave a host the right to go on alone. */
  readonly rights: number;
}

interface Output {
  readonly gen: string;
  readonly n: number;
  readonly host: string;
  readonly intakeAt: Micros;
}

interface Right {
  readonly gen: string;
  readonly n: number;
  readonly host: string;
  readonly at: Micros;
  readonly how: "granted" | "persisted";
}

/** @throws HarnessError BAD_RECORD for an event without the fields it must have */
export function checkOneRunner(events: readonly RunEvent[]): OneRunnerFigures {
  const outputs = outputsOf(events);
  const rights = rightsOf(events);
  const figures = { outputs: outputs.length, rights: rights.length };
  return { check: judge(events, outputs, rights), ...figures };
}

function judge(
  events: readonly RunEvent[],
  outputs: readonly Output[],
  rights: readonly Right[],
): CheckResult {
  const name = "one-runner";
  const conflict = events.find(
    (event) => nameOf(event.source, "switch") !== null && event.what === "byte-conflict",
  );
  if (conflict !== undefined) {
    const why = `two generations gave different bytes for one position: ${conflict.source} at ${ms(conflict.at)} ms`;
    return { name, verdict: "fail", why };
  }
  for (const output of outputs) {
    const right = rights.find((candidate) => forbids(candidate, output));
    if (right === undefined) continue;
    const why =
      `host ${output.host} put out under generation ${output.n} what it took in at ${ms(output.intakeAt)} ms, ` +
      `after generation ${right.n} was ${right.how} for host ${right.host} at ${ms(right.at)} ms`;
    return { name, verdict: "fail", why };
  }
  if (outputs.length === 0) return { name, verdict: "unknown", why: "no switch saw an output" };
  const looked = `outputs of ${outputs.length} (generation, host) pairs against ${rights.length} rights to go on alone`;
  return { name, verdict: "pass", why: `${looked}: no intake after another host's right` };
}

/**
 * A grant forbids older generations only: one that was cancelled lies beside a joint generation of the same number, under which its
 * asker's peer may run. A persisted right is never beside another one.
 */
function forbids(right: Right, output: Output): boolean {
  if (right.host === output.host || right.gen === output.gen) return false;
  const isLater = right.how === "granted" ? right.n > output.n : right.n >= output.n;
  return isLater && output.intakeAt > right.at;
}

/** The counts of a switch are cumulative: the last one of each (switch, boot, generation, host) holds all. */
function outputsOf(events: readonly RunEvent[]): readonly Output[] {
  const last = new Map<string, Output>();
  for (const event of events) {
    if (nameOf(event.source, "switch") === null || event.what !== "outputs") continue;
    const output = {
      gen: textField(event, "gen"),
      n: numberField(event, "n"),
      host: textField(event, "host"),
      intakeAt: numberField(event, "maxIntakeAtUs"),
    };
    const key = [event.source, textField(event, "boot"), output.gen, output.host].join("\n");
    last.set(key, output);
  }
  return [...last.values()];
}

function rightsOf(events: readonly RunEvent[]): readonly Right[] {
  const rights: Right[] = [];
  for (const event of events) {
    const host = nameOf(event.source, "host");
    if (host !== null && event.what === "page" && event["right"] === "sole") {
      const gen = textField(event, "gen");
      rights.push({ gen, n: numberField(event, "n"), host, at: event.at, how: "persisted" });
    }
    if (nameOf(event.source, "quorum") !== null && event.what === "granted") {
      rights.push({
        gen: textField(event, "gen"),
        n: numberField(event, "n"),
        host: textField(event, "holder"),
        at: event.at,
        how: "granted",
      });
    }
  }
  return rights.sort((left, right) => left.at - right.at);
}

function ms(micros: Micros): string {
  return (micros / 1_000).toFixed(3);
}

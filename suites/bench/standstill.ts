/** A host that says nothing any more though nothing closes: stopped, or all its links swallow their bytes. */
import { timingFor } from "../../node/core/timing.ts";
import type { Bench } from "./bench.ts";
import { interruptionRows } from "./interruption.ts";
import type { Row } from "./row.ts";
import { passesRow } from "./runs.ts";
import { recoveriesOf, runBatch, withRecords } from "./scenario-batch.ts";

const { silence } = timingFor({ peer: 0, quorum: 0 });

const CASES = [
  { what: "SIGSTOP of the active host", scenario: "level2/hang-active" },
  { what: "SIGSTOP of the standby", scenario: "level2/hang-standby" },
  {
    what: "blackhole of all links of the active host",
    scenario: "level2/blackhole-active",
  },
  {
    what: "blackhole of all links of the standby",
    scenario: "suites/bench/blackhole-standby.yaml",
  },
] as const;

export function standstills(bench: Bench): Promise<readonly Row[]> {
  return withRecords((out) => {
    const rows = CASES.flatMap(({ what, scenario }) => {
      bench.say(`standstill: ${what}`);
      const batch = runBatch(scenario, { bed: "local", count: bench.count(5, 20), out });
      return [
        ...interruptionRows(what, recoveriesOf(batch), [
          { of: "p95", atMost: silence + 150 },
          { of: "max", atMost: silence + 300 },
        ]),
        passesRow(`… ${batch.scenario} in \`local\``, batch),
      ];
    });
    return Promise.resolve(rows);
  });
}

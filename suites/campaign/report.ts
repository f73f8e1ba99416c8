/** A campaign as a section of docs/measurements.md. */

export interface Round {
  readonly n: number;
  /** A line for each group of seeds that did not pass. */
  readonly bad: readonly string[];
}

export interface Tally {
  readonly seeds: number;
  readonly bad: readonly string[];
}

export function renderCampaign(
  tallies: ReadonlyMap<string, Tally>,
  of: {
    readonly date: string;
    readonly commit: string;
    readonly cores: number;
    readonly node: string;
    readonly minutes: number;
    /** First seed of each scenario. */
    readonly from: number;
  },
): string {
  const { date, commit, cores, node, minutes, from } = of;
  const all = [...tallies.values()].reduce((sum, { seeds }) => sum + seeds, 0);
  return [
    "## Campaign",
    "",
    `\`npm run campaign\` on ${date}, commit ${commit}, ${cores} cores, Node ${node}: ${all} seeds, from ${from} on in each scenario, in ${minutes.toFixed(1)} min (${(all / minutes).toFixed(0)} a minute).`,
    "",
    "| scenario in `sim` | seeds | did not pass |",
    "|---|---|---|",
    ...[...tallies].map(([name, { seeds, bad }]) => `| ${name} | ${seeds} | ${bad.length} |`),
  ].join("\n");
}

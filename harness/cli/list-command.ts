import { describeFaults } from "../../chaos/faults/registry.ts";
import { loadScenario, scenarioNames } from "../../chaos/plan/catalogue.ts";
import { wrap } from "../../reports/screen.ts";
import { type Shell, STATUS } from "./shell.ts";

/** @throws HarnessError BAD_SCENARIO when one that comes with the program has mistakes */
export function listCommand(options: { readonly json: boolean }, shell: Shell): number {
  const scenarios = scenarioNames().map((name) => {
    const { title, level, beds } = loadScenario(name);
    return { name, title, level, beds };
  });
  const faults = describeFaults().map(({ fault, summary }) => ({ fault, summary }));
  if (options.json) {
    shell.out(`${JSON.stringify({ schema: 1, scenarios, faults }, null, 2)}\n`);
    return STATUS.done;
  }
  const { width } = shell.outScreen;
  const rows = (items: readonly { readonly name: string; readonly text: string }[]): string => {
    const column = Math.max(...items.map(({ name }) => name.length)) + 4;
    return items
      .map(({ name, text }) => {
        const [first = "", ...rest] = wrap(text, width - column);
        const margin = " ".repeat(column);
        return [`  ${name.padEnd(column - 2)}${first}`, ...rest.map((line) => margin + line)].join(
          "\n",
        );
      })
      .join("\n");
  };
  const listed = scenarios.map(({ name, title, level, beds }) => {
    return { name, text: `${title} (level ${level}; beds ${beds.join(", ")})` };
  });
  const broken = faults.map(({ fault, summary }) => ({ name: fault, text: summary }));
  shell.out(`Scenarios:\n${rows(listed)}\n\nFaults:\n${rows(broken)}\n`);
  return STATUS.done;
}

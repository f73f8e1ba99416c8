/** Random small histories on one key, right and wrong ones about equally often. */
import type { HistoryLine } from "../../harness/record/types.ts";
import { drawsFrom, timeOf } from "./generated-history.ts";

export function smallHistory(seed: number): readonly HistoryLine[] {
  const draw = drawsFrom(seed);
  const below = (count: number): number => Math.floor(draw() * count);
  const isList = draw() < 0.5;
  const count = 2 + below(5);
  const values = 1 + below(4);
  const span = 4 + below(30);
  const lines: HistoryLine[] = [];
  for (let op = 0; op < count; op += 1) {
    const begin = below(span);
    const end = begin + below(8);
    const chance = draw();
    const f =
      chance < 0.45
        ? isList
          ? "list"
          : "read"
        : chance < 0.9
          ? isList
            ? "append"
            : "write"
          : "delete";
    const value = f === "append" || f === "write" ? `v${below(values)}` : null;
    const common = { process: op, op };
    lines.push({ type: "invoke", at: begin, ...common, f, key: "k", value, role: "load" });
    const how = draw();
    if (how < 0.15) lines.push({ type: "info", at: end, ...common, error: "timeout" });
    else if (how < 0.2) lines.push({ type: "fail", at: end, ...common, error: "refused" });
    else if (how < 0.95) {
      const elements = Array.from({ length: below(3) }, () => `v${below(values)}`);
      const register = draw() < 0.3 ? null : `v${below(values)}`;
      const result = f === "list" ? elements : f === "read" ? register : null;
      lines.push({ type: "ok", at: end, ...common, value: result });
    }
  }
  return lines.sort(
    (left, right) => timeOf(left) - timeOf(right) || (left.type === "invoke" ? -1 : 1),
  );
}

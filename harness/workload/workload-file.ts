/** What the bed tells the workload's process: a JSON file. */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import type { Parsed } from "../record/parse.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const target = v.object({
  address: v.pipe(v.string(), v.ip()),
  port: v.pipe(count, v.minValue(1), v.maxValue(65_535)),
});

const WorkloadFileSchema = v.object({
  schema: v.literal(1),
  spec: v.object({
    kind: v.picklist(["reference", "probe", "none"]),
    clients: v.pipe(count, v.maxValue(1_000)),
    thinkMs: count,
    warmUpMs: count,
    calmMs: count,
    seed: v.pipe(v.number(), v.safeInteger()),
    keys: v.optional(v.picklist(["shared", "disjoint"]), "shared"),
  }),
  /** One a site. */
  targets: v.pipe(v.array(v.object({ site: v.string(), target })), v.minLength(1)),
  historyFile: v.pipe(v.string(), v.minLength(1)),
  /** Where the run clock reads 0 on the machine's monotonic clock (`process.hrtime`). Unit: microseconds. */
  runStartUs: count,
  scenario: v.string(),
  /** The scenario's seed, for the history's header; `spec.seed` seeds the clients. */
  seed: v.pipe(v.number(), v.safeInteger()),
});

export type WorkloadFile = v.InferOutput<typeof WorkloadFileSchema>;

export function readWorkloadFile(path: string): Parsed<WorkloadFile> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error: unknown) {
    return { ok: false, why: `cannot read ${path}: ${String(error)}` };
  }
  const parsed = v.safeParse(WorkloadFileSchema, content);
  if (parsed.success) return { ok: true, value: parsed.output };
  const whys = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "file"}: ${issue.message}`);
  return { ok: false, why: `${path} is no workload file: ${whys.join("; ")}` };
}

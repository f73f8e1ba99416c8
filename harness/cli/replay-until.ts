/** Runs a simulated plan up to an event or an instant and shows how things stand there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { StartBed } from "../../chaos/run.ts";
import { renderTrace } from "../../reports/trace/render.ts";
import { traceOf } from "../../reports/trace/trace.ts";
import { EXIT_STATUS } from "../check/verdict.ts";
import { differenceOf } from "../record/first-difference.ts";
import { canonicalJson, encodeEvent } from "../record/json.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { type Micros, RECORD_SCHEMA, type RunEvent } from "../record/types.ts";
import type { SimRigMore } from "../sim/sim-rig.ts";
import { startSim } from "../sim/start-sim.ts";
import { UsageError } from "./failure.ts";
import { planRunner } from "./plan-runs.ts";
import { row } from "./rows.ts";
import { shortPath } from "./scenario-runs.ts";
import { type Shell, STATUS } from "./shell.ts";
import type { StoredRun } from "./stored-run.ts";

/** How things stand between two steps. */
interface Snapshot {
  readonly at: Micros;
  readonly events: readonly RunEvent[];
  readonly hosts: readonly HostState[];
}

type HostState = Readonly<Record<string, string | number | boolean | null>> & {
  readonly host: string;
};

type Aim =
  | { readonly kind: "event"; readonly number: number }
  | { readonly kind: "instant"; readonly at: Micros };

const EVENT = /^[1-9]\d*$/;
const INSTANT = /^(\d+(?:\.\d+)?)(ms|s)$/;

/**
 * @returns the exit status
 * @throws UsageError when the run has no such event or instant
 */
export async function stopAt(
  until: string,
  by: {
    readonly stored: StoredRun;
    /** The run as it was named. */
    readonly given: string;
    readonly lines: number;
    readonly json: boolean;
    readonly commit: string;
    readonly shell: Shell;
  },
): Promise<number> {
  const { stored, lines, json, commit, shell } = by;
  const snapshot = await runTo(aimOf(until), stored, { commit, shell });
  if (snapshot === null) return STATUS.interrupted;
  const isAsStored = comparesEqual(stored.folder, snapshot.events);
  const status = isAsStored === false ? EXIT_STATUS.unknown : STATUS.done;
  const { at, events, hosts } = snapshot;
  if (json) {
    const last = events.slice(-lines - 1);
    const document = {
      schema: RECORD_SCHEMA,
      atUs: at,
      line: events.length,
      isAsStored,
      hosts,
      last,
    };
    shell.out(`${canonicalJson(document, 2)}\n`);
    return status;
  }
  const { outScreen } = shell;
  const { plan, folder, verdict } = stored;
  const traced = traceOf(
    {
      folder: folder === null ? by.given : shortPath(folder, shell.cwd),
      plan: { ...plan },
      verdict: verdict?.document ?? null,
      events,
      history: null,
      gaps: [`the run was stopped at ${ms(at)} ms, after event ${events.length}`],
    },
    {
      filter: { host: null, link: null, vm: null, block: null },
      around: { event: until, lines },
      all: false,
    },
  );
  if (!traced.ok) throw new UsageError(traced.why, traced.hint);
  const states = hosts.flatMap(({ host, ...fields }) => row(host, describe(fields), outScreen));
  const text = [
    `stopped at ${ms(at)} ms, after event ${events.length}`,
    ...states,
    ...row("stored", describeStored(isAsStored), outScreen),
  ];
  shell.out(`${renderTrace(traced.value, { wide: false }, outScreen)}\n${text.join("\n")}\n`);
  return status;
}

function aimOf(until: string): Aim {
  if (EVENT.test(until)) return { kind: "event", number: Number(until) };
  const instant = INSTANT.exec(until);
  if (instant === null) {
    throw new UsageError(
      `--until ${until} is neither the number of an event nor an instant`,
      "Write the number of a line of events.ndjson (first column of faultline trace), or 1500ms.",
    );
  }
  const factor = instant[2] === "s" ? 1_000_000 : 1_000;
  return { kind: "instant", at: Math.round(Number(instant[1]) * factor) };
}

/** Null: a person ended it. */
async function runTo(
  aim: Aim,
  { plan }: StoredRun,
  { commit, shell }: { readonly commit: string; readonly shell: Shell },
): Promise<Snapshot | null> {
  const seen: { snapshot: Snapshot | null; rig: SimRigMore | null } = { snapshot: null, rig: null };
  const startBed: StartBed = async (spec, { scenario }) => {
    const { probePeriodMs } = plan.workload;
    const isOver = (rig: SimRigMore, next: Micros): boolean => {
      if (seen.snapshot !== null) return true;
      const isReached = aim.kind === "event" ? rig.events().length >= aim.number : next > aim.at;
      if (isReached) seen.snapshot = takeSnapshot(rig);
      return isReached;
    };
    const rig = await startSim(spec, { runDir: null, scenario, probePeriodMs, isOver });
    seen.rig = rig;
    return rig;
  };
  const run = planRunner({ out: "", commit }, shell);
  const outcome = await run(plan, {
    startBed,
    isRecorded: false,
    replayOf: () => "",
    onProgress: () => undefined,
  });
  if (outcome.isInterrupted) return null;
  const found = seen.snapshot ?? endOf(seen.rig, aim);
  if (found !== null) return found;
  const { us } = outcome.covered;
  const hint = "Use the first column of faultline trace, or an instant within the run.";
  throw new UsageError(`the run ended at ${ms(us)} ms without coming there`, hint);
}

/** What is said after time has ended, of a run's teardown, comes in no step. */
function endOf(rig: SimRigMore | null, aim: Aim): Snapshot | null {
  if (rig === null || aim.kind === "instant") return null;
  return rig.events().length >= aim.number ? takeSnapshot(rig) : null;
}

function takeSnapshot(rig: SimRigMore): Snapshot {
  const hosts = rig.hosts().map(({ host, alive, runs }): HostState => {
    const core = rig.peek(host);
    if (core === null) return { host, alive };
    const { right, copy, derived, running, leaseUntil, session, durable, completed, barred } = core;
    const { page, commitsUnderWay } = core;
    return {
      ...{ host, alive, derived, right, copy, running, announced: runs },
      rightOnDisk: page.right,
      leaseUntilMs: leaseUntil,
      session: session?.id ?? null,
      peerRight: session?.peerRight ?? null,
      ...{ durable, completed, commitsUnderWay, barred },
    };
  });
  return { at: rig.now(), events: [...rig.events()], hosts };
}

/** As far as both go. Null: nothing is stored to compare with. */
function comparesEqual(folder: string | null, events: readonly RunEvent[]): boolean | null {
  const path = join(folder ?? "", RUN_FILES.events);
  if (folder === null || !existsSync(path)) return null;
  const text = events.map((event) => `${encodeEvent(event)}\n`).join("");
  const again = Buffer.from(text);
  const stored = readFileSync(path);
  // The record of a run that was cut off may end before.
  const length = Math.min(stored.length, again.length);
  return differenceOf(stored.subarray(0, length), again.subarray(0, length)) === null;
}

function describe(fields: Omit<HostState, "host">): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}

function describeStored(isAsStored: boolean | null): string {
  if (isAsStored === null) return "nothing lies beside the plan to compare with";
  return isAsStored
    ? "the same events up to here, to the byte"
    : "not the same events up to here: faultline replay without --until shows the first that differs";
}

function ms(us: Micros): string {
  return (us / 1_000).toFixed(3);
}

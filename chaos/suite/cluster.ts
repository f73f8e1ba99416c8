/** A cluster for somebody's own tests: start it, put load on it, break it, look, and have it judged as a scenario's run is. */
import { join, resolve } from "node:path";
import * as v from "valibot";
import { AUDIT, auditFields } from "../../harness/check/audit-event.ts";
import { HarnessError } from "../../harness/errors.ts";
import { packageRoot } from "../../harness/package-paths.ts";
import { commitOf, factsOfMachine } from "../../harness/record/origin.ts";
import { readHistory } from "../../harness/record/reader.ts";
import { RUN_FILES } from "../../harness/record/run-folder.ts";
import type { CheckResult, Micros, RunEvent, VerdictDocument } from "../../harness/record/types.ts";
import { writeDocument } from "../../harness/record/writer.ts";
import type { ClientAddress, HostView, Rig, Workload } from "../../harness/rig/rig.ts";
import { compareDisks } from "../compare-disks.ts";
import { describeViews, isRedundant, isServed, waitForConvergence } from "../converge.ts";
import { evidenceOf } from "../evidence.ts";
import type { ActiveFault, Proof } from "../faults/fault.ts";
import { inject } from "../faults/registry.ts";
import { judge, NOTHING_JUDGED } from "../judge.ts";
import { commandHost } from "../operate.ts";
import type { Plan } from "../plan/plan.ts";
import type { WorkloadName } from "../plan/scenario.ts";
import {
  type HandFault,
  type HandOperator,
  handFaultSchema,
  handOperatorSchema,
  type PlanStep,
} from "../plan/steps.ts";
import { openRunRecord, type RunRecord } from "../run-record.ts";
import { type ClusterOptions, loadOf, planOf } from "./options.ts";

/** A fault that was injected. */
export interface Injected {
  /** The host, service or link that the target word stood for. */
  readonly target: string;
  /** Run clock at the injection. Unit: microseconds. */
  readonly at: Micros;
  /** What was seen of its effect. Ask before `heal`. */
  proof(): Proof;
  /** Undoes what can be undone. Idempotent. */
  heal(): Promise<void>;
}

export interface Verdict extends VerdictDocument {
  /** Folder of the record: plan, history, events, logs (docs/record.md). */
  readonly folder: string;
}

/** Every call is awaited before the next one: there is one flow of control. */
export interface Cluster {
  /** Folder of the record. */
  readonly folder: string;
  /** Where clients reach the VM, by site; empty in `sim`. */
  readonly clients: readonly ClientAddress[];
  hosts(): readonly HostView[];
  /** Everything that hosts, services, switches and the harness have reported. */
  events(): readonly RunEvent[];
  /** Run clock. Unit: microseconds. */
  now(): Micros;
  /** Puts load on the VM; the clients' operations are the history that is judged. Once a cluster. */
  load(name?: WorkloadName): Promise<void>;
  /** Lets the cluster run. Unit: milliseconds. */
  run(ms: number): Promise<void>;
  /**
   * Lets the cluster run until it is so: `redundant`, `served`, or what the function says.
   *
   * @throws HarnessError NO_CONVERGENCE when it is not within `withinMs` (default 20,000), with what the hosts say
   */
  waitFor(what: "redundant" | "served" | (() => boolean), withinMs?: number): Promise<void>;
  /** @throws HarnessError BAD_SCENARIO for a target that does not exist */
  inject(fault: HandFault): Promise<Injected>;
  /** Gives a host an operator's command, and waits for its answer. */
  operate(command: HandOperator): Promise<Proof>;
  /** Compares the disks beside a VM that runs; hosts take in no work meanwhile. What a copy admits to lack is no failure. */
  audit(): Promise<CheckResult>;
  /**
   * Waits until the pair is `redundant` (default) or only `served`, reads everything back, compares the disks, ends the cluster, and judges: what
   * `verdict.json` holds, and its folder.
   */
  finish(converge?: "redundant" | "served"): Promise<Verdict>;
  /** Ends the cluster, whatever it is doing; nothing is judged. Idempotent, also after `finish`. */
  close(): Promise<void>;
}

const UP_WITHIN_MS = 10_000;
const WAIT_MS = 20_000;
const FINAL_READS_US = 10_000_000;
const ANSWER_WITHIN_US = 10_000_000;
type Env = Readonly<Record<string, string | undefined>>;

/** As `startCluster`; `env` tells where Toxiproxy is, and is handed to the processes. */
export async function openCluster(options: ClusterOptions, env: Env): Promise<Cluster> {
  const plan = planOf(options);
  const root = packageRoot();
  const record = openRunRecord({
    root: resolve(options.out ?? ".faultline"),
    startedAt: new Date(),
    plan,
    environment: factsOfMachine(),
  });
  const rig = await startBed(plan, record, { options, env });
  record.follow(() => rig.events());
  const cluster = new SuiteCluster(rig, record, plan, commitOf(root));
  try {
    await cluster.waitFor("redundant", UP_WITHIN_MS);
    return cluster;
  } catch (error: unknown) {
    await cluster.close();
    throw error;
  }
}

async function startBed(
  plan: Plan,
  { folder }: RunRecord,
  by: { readonly options: ClusterOptions; readonly env: Env },
): Promise<Rig> {
  const { hostCommand: host, onProgress } = by.options;
  const run = { runDir: folder, scenario: plan.scenario };
  if (plan.bed === "sim") {
    const { startSim } = await import("../../harness/sim/start-sim.ts");
    return startSim(plan.topology, { ...run, probePeriodMs: plan.workload.probePeriodMs });
  }
  const { startLocal } = await import("../../harness/local/start-local.ts");
  return startLocal(plan.topology, {
    ...run,
    env: by.env,
    ...(host === undefined ? {} : { commands: { host } }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

class SuiteCluster implements Cluster {
  readonly folder: string;
  readonly clients: Cluster["clients"];
  readonly #rig: Rig;
  readonly #record: RunRecord;
  readonly #commit: string;
  readonly #steps: PlanStep[] = [];
  readonly #healing: (() => Promise<void>)[] = [];
  #plan: Plan;
  #workload: Workload | null = null;
  #isEnded = false;

  constructor(rig: Rig, record: RunRecord, plan: Plan, commit: string) {
    this.folder = record.folder;
    this.clients = rig.clients?.() ?? [];
    this.#rig = rig;
    this.#record = record;
    this.#plan = plan;
    this.#commit = commit;
  }

  hosts(): readonly HostView[] {
    return this.#rig.hosts();
  }

  events(): readonly RunEvent[] {
    return this.#rig.events();
  }

  now(): Micros {
    return this.#rig.now();
  }

  async load(name: WorkloadName = "reference"): Promise<void> {
    const { bed, seed } = this.#plan;
    const workload = loadOf(name, { bed, seed });
    this.#plan = { ...this.#plan, workload };
    this.#workload = await this.#rig.startWorkload(workload.spec);
    await this.run(workload.spec.warmUpMs);
    await this.#workload.phase("calm");
    await this.run(workload.spec.calmMs);
    await this.#workload.phase("fault");
  }

  run(ms: number): Promise<void> {
    return this.#rig.until(this.#rig.now() + ms * 1_000);
  }

  async waitFor(what: "redundant" | "served" | (() => boolean), withinMs = WAIT_MS): Promise<void> {
    const { topology } = this.#plan;
    const isSo = {
      redundant: () => isRedundant(this.#rig.hosts(), topology),
      served: () => isServed(this.#rig.hosts()),
    };
    const condition = typeof what === "function" ? what : isSo[what];
    if (await this.#rig.waitFor(condition, this.#rig.now() + withinMs * 1_000)) return;
    const wanted = typeof what === "function" ? "as the suite waits for" : what;
    const said = describeViews(this.#rig.hosts());
    throw new HarnessError("NO_CONVERGENCE", `not ${wanted} within ${withinMs} ms: ${said}`, {
      hint: `Read the hosts' logs in ${this.folder}.`,
    });
  }

  async inject(fault: HandFault): Promise<Injected> {
    const { forMs = null, ...spec } = v.parse(handFaultSchema, fault);
    const step = {
      ...spec,
      forMs: forMs ?? 0,
      atMs: this.#elapsedMs(),
      when: null,
      intoWriteUs: null,
    };
    // The same fields under the plan's names; which of them a fault takes was just checked.
    const active = await inject(step as Parameters<typeof inject>[0], this.#rig, { images: [] });
    return this.#note(step as PlanStep, spec.fault, active);
  }

  async operate(command: HandOperator): Promise<Proof> {
    const step = { ...v.parse(handOperatorSchema, command), atMs: this.#elapsedMs(), when: null };
    const active = await commandHost(step, this.#rig);
    const noted = this.#note(step, step.operator, active);
    const deadline = this.#rig.now() + ANSWER_WITHIN_US;
    await this.#rig.waitFor(() => active.isSettled?.() ?? true, deadline);
    await noted.heal();
    return active.proof();
  }

  async audit(): Promise<CheckResult> {
    await this.#rig.quiesce();
    try {
      return compareDisks(this.#rig, { name: "divergence", mustBeEqual: false }).check;
    } finally {
      await this.#rig.release();
    }
  }

  async finish(converge: "redundant" | "served" = "redundant"): Promise<Verdict> {
    this.#plan = {
      ...this.#plan,
      steps: this.#steps,
      converge: converge === "served" ? "service" : this.#redundantWord(),
    };
    const rig = this.#rig;
    const deadline = rig.now() + this.#plan.deadlineMs * 1_000;
    const convergedAt = await waitForConvergence(rig, this.#plan, deadline);
    const found = { converge: this.#plan.converge, hosts: describeViews(rig.hosts()) };
    if (convergedAt === null) rig.report("not-converged", found);
    else rig.report("converged", { ...found, convergedAtUs: convergedAt });
    await this.#auditWhole("divergence");
    await rig.release();
    for (const heal of this.#healing) await heal();
    await this.#workload?.finish(rig.now() + FINAL_READS_US);
    await this.#auditWhole("divergence-at-end");
    await this.#end();
    return this.#judge();
  }

  async close(): Promise<void> {
    if (this.#isEnded) return;
    await this.#end();
    this.#record.close(this.#documentOf({ ...NOTHING_JUDGED, verdict: "unknown" }), {});
  }

  async #end(): Promise<void> {
    this.#isEnded = true;
    this.#rig.report("teardown", {});
    const left = await this.#rig.teardown();
    if (left.length === 0) return;
    throw new HarnessError("LEFTOVERS", `not ended: ${left.join("; ")}`, {
      hint: "End them by hand, so that they do not disturb the next run.",
    });
  }

  #judge(): Verdict {
    writeDocument(join(this.folder, RUN_FILES.plan), this.#plan);
    const lines = this.#rig.history ?? readHistory(this.#record.historyPath).lines;
    const judged = judge(evidenceOf(this.#plan, lines, this.#record.events()));
    const document = this.#documentOf(judged);
    this.#record.close(document, {});
    return { ...document, folder: this.folder };
  }

  #documentOf(judged: ReturnType<typeof judge>): VerdictDocument {
    const { schema, scenario, seed, bed, level } = this.#plan;
    const head = { schema, scenario, seed, bed, level, proxy: this.#rig.proxy };
    const replay = "run the suite again";
    return { ...head, commit: this.#commit, replay, ...judged, broken: null };
  }

  #note(step: PlanStep, name: string, active: ActiveFault): Injected {
    const { target, at } = active;
    const number = this.#steps.push(step);
    const head = { fault: name, target, atInjectUs: at, step: number };
    this.#rig.report("fault", { ...head, state: "injected" });
    let isHealed = false;
    const heal = async (): Promise<void> => {
      if (isHealed) return;
      isHealed = true;
      this.#rig.report("proof", { ...head, ...active.proof() });
      await active.heal();
      this.#rig.report("fault", { ...head, state: "healed" });
    };
    this.#healing.push(heal);
    return { target, at, proof: () => active.proof(), heal };
  }

  async #auditWhole(name: string): Promise<void> {
    await this.#rig.quiesce();
    const mustBeEqual = this.#plan.converge !== "service";
    this.#rig.report(AUDIT, auditFields(compareDisks(this.#rig, { name, mustBeEqual })));
  }

  #redundantWord(): "duplex" | "pre-elected" {
    const { quorum, peerLoss } = this.#plan.topology;
    return quorum === "none" && peerLoss === "preferred" ? "pre-elected" : "duplex";
  }

  #elapsedMs(): number {
    return Math.round(this.#rig.now() / 1_000);
  }
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { createMachineFactory } from "../../node/machine/machine.ts";
import type { MachineFactory } from "../../node/ports/machine.ts";
import { EXIT } from "../../node/wire/control.ts";
import { builtFile } from "../package-paths.ts";
import { RUN_FILES } from "../record/run-folder.ts";
import { RECORD_SCHEMA } from "../record/types.ts";
import type { ClusterSpec } from "../rig/rig.ts";
import { createClock } from "./clock.ts";
import { buildCluster, type Cluster } from "./cluster.ts";
import { type MakeCore, makeCore } from "./core.ts";
import { forkDraws } from "./draws.ts";
import { createRuleWatch } from "./invariants/rule-watch.ts";
import { createRunLog } from "./run-log.ts";
import { type SimIsOver, SimRig, type SimRigMore } from "./sim-rig.ts";
import { millis, type World } from "./world.ts";

export interface SimOptions {
  /** Name of the scenario, for the history's header. */
  readonly scenario: string;
  /** Folder of the run's record, for its history; null: nothing is written. */
  readonly runDir: string | null;
  /** Period of the probe. Unit: milliseconds. Default 10. */
  readonly probePeriodMs?: number;
  /** Of 1,000 kills of a host so many fall between two effects of one of its steps. Default 500. */
  readonly killAtEffectPerMille?: number;
  /**
   * Frames pass through their codecs, as between real processes. It changes nothing in the record (a test proves it) and takes a third of
   * the time. Default: drawn, in one run of eight.
   */
  readonly isEncoded?: boolean;
  /** Default: the built guest. */
  readonly factory?: MachineFactory;
  /** Ends the run early, for a look at how things stand. Default: never. */
  readonly isOver?: SimIsOver;
  /** Makes a host's core; a test puts a changed one in its place. */
  readonly makeCore?: MakeCore;
}

/**
 * Brings up a simulated pair of hosts with its quorum service and switch. Equal seeds give equal runs, to the byte.
 *
 * @throws HarnessError NOT_BUILT when the guest is not built
 */
export function startSim(spec: ClusterSpec, options: SimOptions): Promise<SimRigMore> {
  setFlagsFromString(INLINE_LESS);
  const clock = createClock(forkDraws(spec.seed, "ties"));
  const log = createRunLog(clock, ["a", "b"]);
  let rig: SimRig | null = null;
  const world: World = {
    seed: spec.seed,
    clock,
    log,
    cluster: `c-${forkDraws(spec.seed, "cluster").id()}`,
    vm: "vm1",
    isEncoded: options.isEncoded ?? forkDraws(spec.seed, "codecs").chance(ENCODED_PER_MILLE),
    guarded(process, act) {
      try {
        act();
      } catch (error: unknown) {
        const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        log.report("harness", "threw", { process, why, stack: stackOf(error) });
        rig?.endedByItself(process, EXIT.invariant);
      }
    },
  };
  const watch = createRuleWatch({
    now: () => clock.now(),
    hosts: () => [...cluster.hosts.values()],
    record: (service) =>
      cluster.services
        .get(service)
        ?.durable()
        .find(({ vm }) => vm === world.vm) ?? null,
    stepUs: SLOWEST_STEP_US,
    maySplit: spec.peerLoss === "continue" && spec.quorum === "none",
    violated(name, detail) {
      if (rig?.isStopped !== false) return;
      log.report("invariant", "violation", { name, detail });
      rig.isStopped = true;
    },
  });
  const cluster: Cluster = buildCluster(world, {
    spec,
    factory: options.factory ?? builtFactory(spec),
    makeCore: options.makeCore ?? makeCore,
    watch,
    exited: (name, status) => rig?.endedByItself(name, status),
  });
  const { scenario, runDir } = options;
  rig = new SimRig(world, cluster, {
    probePeriodUs: millis(options.probePeriodMs ?? 10),
    killAtEffectPerMille: options.killAtEffectPerMille ?? 500,
    historyHeader: { type: "header", schema: RECORD_SCHEMA, scenario, seed: spec.seed },
    isOver: options.isOver ?? null,
    historyFile: runDir === null ? null : join(runDir, RUN_FILES.history),
  });
  for (const process of cluster.processes.values()) process.start();
  return Promise.resolve(rig);
}

const ENCODED_PER_MILLE = 125;

/**
 * Concerns V8 alone, for the whole process. A run goes through a thousand functions of which none is hot: with V8's own bound (920) the optimiser
 * compiles each of them again inside its callers, for more time than that saves (docs/simulation.md, "Speed").
 */
const INLINE_LESS = "--max-inlined-bytecode-size-cumulative=350";

/** A step's timeout on the slowest clock, and the messages around it. */
const SLOWEST_STEP_US = millis(2_500);

/** Lines of the stack that name our files: without the machine's own paths, so that records of two machines are equal. */
function stackOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  const frames = (error.stack ?? "").split("\n").slice(1, 8);
  return frames.map((frame) => frame.replace(/^.*?((?:node|harness)\/[a-z].*?)\)?$/, "$1").trim());
}

let compiled: { readonly key: string; readonly factory: MachineFactory } | null = null;

/** Compiled once for all runs of a process. */
function builtFactory(spec: ClusterSpec): MachineFactory {
  const key = `${spec.memoryPages}/${spec.volumeBlocks}`;
  if (compiled?.key !== key) {
    const guest = builtFile("node/guests/kv.wasm");
    const factory = createMachineFactory(readFileSync(guest), {
      guest,
      memoryPages: spec.memoryPages,
      volumes: [{ id: 0, blocks: spec.volumeBlocks }],
    });
    compiled = { key, factory };
  }
  return compiled.factory;
}

/** The links of a run: cuts and delays by the proxy, and probes from outside that tell whether they bite. */
import { HarnessError } from "../errors.ts";
import type { Micros } from "../record/types.ts";
import type { CutKind, Direction, LinkDelay } from "../rig/rig.ts";
import type { LinkPlan } from "./address-plan.ts";
import { type CutWatch, watchCut } from "./cut-watch.ts";
import { type DelayWatch, watchDelay } from "./delay-watch.ts";
import { proxyNameOf } from "./link-names.ts";
import { probeLink } from "./link-probe.ts";
import type { LocalRun } from "./local-run.ts";

/** Ten round trips through a proxy take 5 ms. */
const SILENT_AFTER_MS = 200;

interface LinkState {
  readonly plan: LinkPlan;
  /** It let a probe through when it was last seen whole: silence then proves a cut. */
  answered: boolean;
  watch: CutWatch | null;
  /** Of watches that have ended. */
  stopped: number;
  forward: LinkDelay;
  backward: LinkDelay;
  delayWatch: DelayWatch | null;
  delayed: number;
}

/** What the rig's interface says of links; the names are the same. */
export class LocalLinks {
  readonly #run: LocalRun;
  readonly #links: ReadonlyMap<string, LinkState>;

  constructor(run: LocalRun) {
    this.#run = run;
    this.#links = new Map(run.plan.links.map((plan) => [plan.id, newState(plan)]));
  }

  async cut(links: readonly string[], kind: CutKind, direction: Direction): Promise<Micros> {
    this.#run.throwIfBroken();
    if (kind === "refuse" && direction !== "both") {
      throw new HarnessError("BAD_SCENARIO", `a refused link has no direction: ${direction}`, {
        hint: 'Cut "both", or use "blackhole" or "jam".',
      });
    }
    const states = links.map((id) => this.#link(id));
    await Promise.all(states.map((state) => this.#probeWhole(state)));
    const at = this.#run.clock.now();
    await Promise.all(
      states.map(({ plan }) => this.#run.proxy.links.cut(proxyNameOf(plan), kind, direction)),
    );
    for (const state of states) {
      endWatch(state);
      if (!state.answered && kind !== "refuse") continue;
      state.watch = watchCut(
        state.plan.listen,
        { kind, direction },
        { silentAfterMs: this.#silentAfterMs(state), onStopped: () => this.#run.log.wake() },
      );
    }
    return at;
  }

  async mend(links: readonly string[]): Promise<void> {
    const states = links.map((id) => this.#link(id));
    for (const state of states) endWatch(state);
    await Promise.all(states.map(({ plan }) => this.#run.proxy.links.mend(proxyNameOf(plan))));
  }

  stopped(link: string): number {
    const { stopped, watch } = this.#link(link);
    return stopped + (watch?.stopped() ?? 0);
  }

  async delay(links: readonly string[], by: LinkDelay, direction: Direction): Promise<Micros> {
    this.#run.throwIfBroken();
    const states = links.map((id) => this.#link(id));
    const at = this.#run.clock.now();
    for (const state of states) {
      if (direction !== "backward") state.forward = by;
      if (direction !== "forward") state.backward = by;
    }
    await Promise.all(states.map((state) => this.#applyDelay(state)));
    for (const state of states) {
      endDelayWatch(state);
      state.delayWatch = watchDelay(state.plan.listen, {
        leastMs: leastOf(state.forward) + leastOf(state.backward),
        silentAfterMs: this.#silentAfterMs(state),
        onHeld: () => this.#run.log.wake(),
      });
    }
    return at;
  }

  async undelay(links: readonly string[]): Promise<void> {
    const states = links.map((id) => this.#link(id));
    for (const state of states) {
      endDelayWatch(state);
      state.forward = NO_DELAY;
      state.backward = NO_DELAY;
    }
    await Promise.all(states.map((state) => this.#applyDelay(state)));
  }

  delayed(link: string): number {
    const { delayed, delayWatch } = this.#link(link);
    return delayed + (delayWatch?.held() ?? 0);
  }

  /** Ends all probes. Idempotent. */
  close(): void {
    for (const state of this.#links.values()) {
      endWatch(state);
      endDelayWatch(state);
    }
  }

  #link(id: string): LinkState {
    const state = this.#links.get(id);
    if (state !== undefined) return state;
    const names = [...this.#links.keys()].join(", ");
    throw new HarnessError("BAD_SCENARIO", `there is no link "${id}"`, { hint: `Use ${names}.` });
  }

  /** A link that is cut already keeps what was seen before its cut. */
  async #probeWhole(state: LinkState): Promise<void> {
    if (state.watch !== null) return;
    const result = await probeLink(state.plan.listen, this.#silentAfterMs(state));
    state.answered = result === "answered";
  }

  /** Connection, question and answer: three one-way trips, and the slack of a loaded machine. */
  #silentAfterMs({ forward, backward }: LinkState): number {
    const added = Math.max(...[forward, backward].map((by) => by.latencyMs + by.jitterMs));
    return SILENT_AFTER_MS + 6 * (this.#run.spec.linkDelayMs + added);
  }

  #applyDelay({ plan, forward, backward }: LinkState): Promise<void> {
    const own = this.#run.spec.linkDelayMs;
    const withOwn = (by: LinkDelay): LinkDelay => ({ ...by, latencyMs: own + by.latencyMs });
    return this.#run.proxy.links.delay(proxyNameOf(plan), withOwn(forward), withOwn(backward));
  }
}

function newState(plan: LinkPlan): LinkState {
  const cut = { answered: false, watch: null, stopped: 0 };
  return { plan, ...cut, forward: NO_DELAY, backward: NO_DELAY, delayWatch: null, delayed: 0 };
}

const NO_DELAY: LinkDelay = { latencyMs: 0, jitterMs: 0 };

/** What a delay surely takes: with a jitter as large as itself still half of it, most of the time. */
function leastOf({ latencyMs, jitterMs }: LinkDelay): number {
  return Math.max(latencyMs - jitterMs, latencyMs / 2);
}

function endDelayWatch(state: LinkState): void {
  state.delayWatch?.stop();
  state.delayed += state.delayWatch?.held() ?? 0;
  state.delayWatch = null;
}

function endWatch(state: LinkState): void {
  state.watch?.stop();
  state.stopped += state.watch?.stopped() ?? 0;
  state.watch = null;
}

import type { RunEvent } from "../record/types.ts";
import type { HostView } from "../rig/rig.ts";

interface Heard {
  derived: string | null;
  right: string | null;
  runs: boolean;
  /** Count of announcements of all hosts when this one announced; 0: never. */
  announced: number;
}

/** Folds the hosts' own events into what is known of them. */
export interface HostViews {
  take(event: RunEvent): void;
  /** A new life of this host begins: what its former ones said is not true of it. */
  begin(host: string): void;
  views(isAlive: (host: string) => boolean): readonly HostView[];
  /** The living host that runs the VM; of two (a split brain) the one that announced it last. Null: none. */
  active(isAlive: (host: string) => boolean): string | null;
}

export function createHostViews(hosts: readonly string[]): HostViews {
  const heard = new Map(hosts.map((host) => [`host ${host}`, blank()]));
  let announcements = 0;
  /** As last asked for; empty: something was heard since. A simulated run asks after every step. */
  let views: readonly HostView[] = [];
  const of = (host: string): Heard => heard.get(`host ${host}`) ?? blank();
  return {
    take(event) {
      const state = heard.get(event.source);
      if (state === undefined) return;
      views = [];
      if (event.what === "page") state.right = textOf(event["right"]);
      if (event.what === "state") state.derived = textOf(event["derived"]);
      if (event.what !== "vm") return;
      switch (event["state"]) {
        case "announced":
          state.runs = true;
          announcements += 1;
          state.announced = announcements;
          break;
        case "booting":
        case "stopped":
        case "trapped":
          state.runs = false;
          break;
        default:
        // `ready`, `suspended`, `resumed`: whether it is announced stays as it was.
      }
    },
    begin(host) {
      if (heard.has(`host ${host}`)) heard.set(`host ${host}`, blank());
      views = [];
    },
    views(isAlive) {
      if (views.length === 0 || views.some(({ host, alive }) => alive !== isAlive(host))) {
        views = hosts.map((host) => viewOf(host, of(host), isAlive(host)));
      }
      return views;
    },
    active(isAlive) {
      const running = hosts.filter((host) => isAlive(host) && of(host).runs);
      running.sort((left, right) => of(right).announced - of(left).announced);
      return running[0] ?? null;
    },
  };
}

function viewOf(host: string, { derived, right, runs }: Heard, alive: boolean): HostView {
  return alive
    ? { host, alive, derived, right, runs }
    : { host, alive, derived: null, right: null, runs: false };
}

function blank(): Heard {
  return { derived: null, right: null, runs: false, announced: 0 };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/**
 * One narrow column for each process, folded from what was said so far. A host's letter is the state that it says it is in, what the harness
 * saw of its process first: the dead and the paused say nothing. A service's column names who holds its grant, a switch's whom its clients
 * are led to.
 */
import { nameOf } from "../../harness/check/events.ts";
import type { RunEvent } from "../../harness/record/types.ts";
import { textIn } from "./recorded.ts";

/** By state, its letter and what it means. In capitals the host also has the VM: it announced it and did not take that back. */
export const HOST_STATES = {
  unheard: { letter: ".", meaning: "not heard yet" },
  starting: { letter: "o", meaning: "starting" },
  duplex: { letter: "d", meaning: "duplex (protected)" },
  "pre-elected": { letter: "e", meaning: "pre-elected (protected)" },
  simplex: { letter: "s", meaning: "simplex (alone)" },
  "resync-source": { letter: "f", meaning: "resync source (from)" },
  "resync-target": { letter: "t", meaning: "resync target (to)" },
  redirect: { letter: "r", meaning: "redirect (peer's disk)" },
  blocked: { letter: "w", meaning: "waits (blocked, suspended)" },
  suspended: { letter: "w", meaning: "waits (blocked, suspended)" },
  "split-brain": { letter: "y", meaning: "split brain" },
  paused: { letter: "z", meaning: "paused" },
  dead: { letter: "x", meaning: "dead" },
  unknown: { letter: "?", meaning: "a state not known here" },
} as const satisfies Record<string, { readonly letter: string; readonly meaning: string }>;

export type HostState = keyof typeof HOST_STATES;

export interface HostCell {
  readonly state: HostState;
  readonly hasVm: boolean;
}

/** A quorum service or a switch. */
export interface PointerCell {
  readonly isDead: boolean;
  /** Holder of the grant, or the host that is followed; `null`: nobody; undefined: it has not said. */
  readonly host: string | null | undefined;
}

/** In the order of their names. */
export interface Processes {
  readonly hosts: readonly string[];
  readonly services: readonly string[];
  readonly switches: readonly string[];
}

/** As things stand after an event: one entry a process, in its order. */
export interface Snapshot {
  readonly hosts: readonly HostCell[];
  readonly services: readonly PointerCell[];
  readonly switches: readonly PointerCell[];
}

export interface Columns {
  /** Events in the order of their instants. */
  take(event: RunEvent): void;
  /** As of the events so far; what comes later leaves it as it is. */
  snapshot(): Snapshot;
}

/** Beyond these columns a table would not stay narrow: then hosts alone have one. */
const POINTERS_MAX = 4;

/** Everyone who spoke, or was spoken of as a host. */
export function processesIn(events: readonly RunEvent[]): Processes {
  const [hosts, services, switches] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const { source, ...event } of events) {
    const host = nameOf(source, "host") ?? textIn(event, "host");
    const service = nameOf(source, "quorum");
    const name = nameOf(source, "switch");
    if (host !== null) hosts.add(host);
    if (service !== null) services.add(service);
    if (name !== null) switches.add(name);
  }
  return { hosts: sorted(hosts), services: sorted(services), switches: sorted(switches) };
}

export function hasPointerColumns({ services, switches }: Processes): boolean {
  return services.length + switches.length <= POINTERS_MAX;
}

/** @param vm whose states are shown; null: events name none */
export function createColumns(processes: Processes, vm: string | null): Columns {
  const hosts = new Map(processes.hosts.map((name) => [name, newHost()]));
  const services = new Map(processes.services.map((name) => [name, newPointer()]));
  const switches = new Map(processes.switches.map((name) => [name, newPointer()]));
  let shown: Snapshot | null = null;
  return {
    take(event) {
      const named = textIn(event, "vm");
      const isOther = named !== null && vm !== null && named !== vm;
      const host = hosts.get(nameOf(event.source, "host") ?? "");
      const service = services.get(nameOf(event.source, "quorum") ?? "");
      const follower = switches.get(nameOf(event.source, "switch") ?? "");
      shown = null;
      if (event.source === "harness") takeHarness(event, { hosts, services, switches });
      else if (isOther) return;
      else if (host !== undefined) takeHost(event, host);
      else if (service !== undefined) takeService(event, service);
      else if (follower !== undefined) takeSwitch(event, follower);
    },
    snapshot() {
      shown ??= {
        hosts: [...hosts.values()].map(cellOf),
        services: [...services.values()].map((it) => ({ ...it })),
        switches: [...switches.values()].map((it) => ({ ...it })),
      };
      return shown;
    },
  };
}

interface Host {
  said: HostState;
  hasVm: boolean;
  isDead: boolean;
  isPaused: boolean;
}

interface Pointer {
  isDead: boolean;
  host: string | null | undefined;
}

function newHost(): Host {
  return { said: "unheard", hasVm: false, isDead: false, isPaused: false };
}

function newPointer(): Pointer {
  return { isDead: false, host: undefined };
}

function cellOf({ said, hasVm, isDead, isPaused }: Host): HostCell {
  if (isDead) return { state: "dead", hasVm: false };
  return { state: isPaused ? "paused" : said, hasVm };
}

/** Only a new life tells its page, its state or that it is up: what else comes after an end was said before it. */
const SIGNS_OF_LIFE: ReadonlySet<string> = new Set(["started", "page", "state"]);

function takeHost(event: RunEvent, host: Host): void {
  if (host.isDead && !SIGNS_OF_LIFE.has(event.what)) return;
  if (host.isDead || event.what === "started") Object.assign(host, newHost());
  if (host.said === "unheard") host.said = "starting";
  if (event.what === "state") host.said = stateOf(event["derived"]);
  if (event.what !== "vm") return;
  const state = event["state"];
  if (state === "announced") host.hasVm = true;
  if (state === "booting" || state === "stopped" || state === "trapped") host.hasVm = false;
}

/** What the harness alone can see: no host says it of itself. */
const SEEN: ReadonlySet<HostState> = new Set(["unheard", "paused", "dead"]);

function stateOf(derived: unknown): HostState {
  return isState(derived) && !SEEN.has(derived) ? derived : "unknown";
}

export function isState(name: unknown): name is HostState {
  return typeof name === "string" && Object.hasOwn(HOST_STATES, name);
}

function takeService(event: RunEvent, service: Pointer): void {
  const holder = event["holder"];
  if (typeof holder === "string" || holder === null) service.host = holder;
}

function takeSwitch(event: RunEvent, follower: Pointer): void {
  if (event.what === "announce" && event["state"] === "accepted") {
    follower.host = textIn(event, "host");
  }
  if (event.what === "unfollowed") follower.host = null;
}

function takeHarness(
  event: RunEvent,
  all: {
    readonly hosts: ReadonlyMap<string, Host>;
    readonly services: ReadonlyMap<string, Pointer>;
    readonly switches: ReadonlyMap<string, Pointer>;
  },
): void {
  const process = textIn(event, "process") ?? "";
  const host = all.hosts.get(process);
  const service = all.services.get(process);
  const follower = all.switches.get(process);
  if (event.what === "exit") {
    if (host !== undefined) Object.assign(host, newHost(), { isDead: true });
    // A service's store outlives it, what a switch follows does not.
    if (service !== undefined) service.isDead = true;
    if (follower !== undefined) Object.assign(follower, { isDead: true, host: undefined });
  }
  if (event.what === "started") {
    // It takes in connections; its own first words may have come before.
    if (host?.isDead === true) Object.assign(host, newHost(), { said: "starting" });
    if (service !== undefined) service.isDead = false;
    if (follower !== undefined) follower.isDead = false;
  }
  const paused =
    event["fault"] === "pause-host" ? all.hosts.get(textIn(event, "target") ?? "") : undefined;
  if (event.what === "fault" && paused !== undefined)
    paused.isPaused = event["state"] === "injected";
}

function sorted(names: ReadonlySet<string>): readonly string[] {
  return [...names].sort((left, right) => (left < right ? -1 : 1));
}

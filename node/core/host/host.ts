/**
 * The host core for one VM: `step(event) → effects`. Pure but for its own private state. A driver performs the effects of a step in order and
 * awaits none of them.
 */

import type { DiskOp } from "../disk/ops.ts";
import type { RandomId, VmBoot, VolumeId } from "../identity.ts";
import { invariant, unreachable } from "../invariant.ts";
import { openBook } from "../mirror/book.ts";
import { markIntentsDirty, UNKNOWN_WRITE } from "../mirror/dirty.ts";
import { tidyIntents } from "../mirror/mirror.ts";
import { serviceDown, takeAnswer } from "../pair/answers.ts";
import { cancelClaim } from "../pair/claims.ts";
import type { PathId } from "../pair/frames.ts";
import { takePeerFrame } from "../pair/incoming.ts";
import { mayIntake } from "../pair/lease.ts";
import { blankPage, type CopyState, type Page, type Right } from "../pair/page.ts";
import { countSilence, pathOf } from "../pair/paths.ts";
import { pursue } from "../pair/pursue.ts";
import { isLower } from "../pair/send.ts";
import { beatServices, serviceOf, serviceUp } from "../pair/services.ts";
import { pathClosed } from "../pair/session.ts";
import type { Instant } from "../units.ts";
import { machineReady, volumesRead } from "./boot.ts";
import { commit, copyOf, drawId, mark, note, rightOf } from "./context.ts";
import type { DerivedState, HostConfig, HostEffect, HostEvent } from "./contract.ts";
import { diskFailed, watchDisk } from "./dead-disk.ts";
import { blocksRead, blocksSaved, committed } from "./durable.ts";
import { initialState } from "./initial.ts";
import { announceTo, takeSwitchFrame } from "./lan.ts";
import { takeCommand } from "./operator.ts";
import type { HostState } from "./state.ts";
import { machineResult } from "./vm.ts";

/** A look inside for invariants, status and tests: always at the state as it is now. Nothing in it may be changed. */
export interface HostPeek {
  readonly page: Page;
  readonly pageNext: Page;
  /** Right and copy that this host acts on now. */
  readonly right: Right;
  readonly copy: CopyState;
  readonly running: boolean;
  readonly vmBoot: VmBoot | null;
  readonly leaseUntil: Instant | null;
  readonly promiseUntil: Instant;
  readonly session: {
    readonly id: RandomId;
    readonly peerRight: Right;
    readonly peerGen: RandomId | null;
  } | null;
  /** Write number durable here, and complete wherever it must be. */
  readonly durable: number;
  readonly completed: number;
  /** Computed when asked for. */
  readonly intents: ReadonlyMap<VolumeId, ReadonlySet<number>>;
  readonly derived: DerivedState;
  readonly barred: string | null;
  /** Commits given to the disk and not yet durable. */
  readonly commitsUnderWay: number;
  mayIntake(now: Instant): boolean;
}

export interface HostCore {
  /** @returns effects in the order in which the driver is to start them */
  step(event: HostEvent): readonly HostEffect[];
  peek(): HostPeek;
}

export function createHost(config: HostConfig): HostCore {
  const host = initialState(config);
  const peek = peekOf(host);
  return {
    step(event) {
      invariant(event.now >= host.now, "a host's clock never runs backwards");
      host.now = event.now;
      host.isMoreDue = event.isMoreDue === true;
      host.out = [];
      take(host, event);
      pursue(host);
      return host.out;
    },
    peek: () => peek,
  };
}

function take(host: HostState, event: HostEvent): void {
  switch (event.kind) {
    case "start":
      start(host, event);
      return;
    case "tick":
      tick(host);
      return;
    case "ids":
      host.ids.push(...event.ids);
      return;
    case "path-up":
      pathUp(host, event.path, event.conn);
      return;
    case "path-down":
      pathDown(host, event.path, event.conn);
      return;
    case "path-refused":
      pathRefused(host, event.path);
      return;
    case "peer-frame":
      takePeerFrame(host, event.path, event.conn, event.frame);
      return;
    case "service-up":
    case "service-down":
    case "service-frame":
      takeService(host, event);
      return;
    case "switch-up":
    case "switch-down":
    case "switch-frame":
      takeSwitch(host, event);
      return;
    case "disk-done":
      committed(host, event.token);
      return;
    case "disk-failed":
      diskFailed(host, event.code);
      return;
    case "volumes-read":
      volumesRead(host, event);
      return;
    case "blocks-read":
      blocksRead(host, event);
      return;
    case "blocks-saved":
    case "save-failed":
      blocksSaved(host, event);
      return;
    case "operator":
      takeCommand(host, event.command);
      return;
    case "machine-ready":
      machineReady(host, event);
      return;
    case "machine-result":
      machineResult(host, event.vmBoot, event.result);
      return;
    default:
      unreachable(event);
  }
}

/** `starts` is durable before anything else happens (P1), and a host behaves as if it had promised just now (P5). */
function start(host: HostState, event: HostEvent & { kind: "start" }): void {
  const { config } = host;
  const { disk } = event;
  host.ids.push(...event.ids);
  host.promiseUntil = host.now + config.timing.claimWait;
  const identity = { cluster: config.cluster, vm: config.vm, volumes: config.volumes };
  if (disk.page === null) {
    mark(host, "both-pages-bad");
    note(host, { what: "alert", code: "quarantine", detail: "both metadata pages are unreadable" });
  }
  const found: Page = disk.page ?? { ...blankPage(identity), copy: "inconsistent" };
  host.page = found;
  host.mirror.sumsHere = openBook(config.volumes, disk.sums);
  for (const [volume, extents] of disk.intents) {
    const unknown = [...extents].map(
      (extent) => [extent, { lastWrite: UNKNOWN_WRITE, lastAt: host.now }] as const,
    );
    host.mirror.intents.set(volume, new Map(unknown));
  }
  for (const [volume, blocks] of disk.dirty) host.mirror.dirty.set(volume, new Set(blocks));
  if (disk.applied !== null && disk.applied.boot === found.vmBoot?.id) {
    host.mirror.writer.durable = disk.applied.number;
  }
  const page: Page = {
    ...found,
    starts: found.starts + 1,
    startId: drawId(host),
    lastStartId: found.startId,
  };
  if (disk.torn.length > 0) mark(host, "torn-blocks-sealed");
  // A write that the power failure tore was never acknowledged; what is there now is what there is, so its sum is made true.
  const ops: DiskOp[] = disk.torn.map((block) => ({ op: "block", ...block }));
  if (found.right === "sole") ops.push(...markIntentsDirty(host));
  host.pageNext = page;
  host.pages.push({ page, after: { kind: "nothing" }, ops });
  commit(host, [...ops, { op: "page", page }], { kind: "started" });
}

/** Spacing of the intent log's tidying. Unit: milliseconds. */
const TIDY_EVERY = 250;

function tick(host: HostState): void {
  const counted = countSilence(host);
  if (!host.isStarted) return;
  watchDisk(host, counted);
  beatServices(host);
  if (host.now - host.tidyAt < TIDY_EVERY) return;
  host.tidyAt = host.now;
  tidyIntents(host);
}

function pathUp(host: HostState, id: PathId, conn: number): void {
  const path = pathOf(host, id);
  if (path === undefined) return;
  if (path.conn !== null) pathDown(host, id, path.conn);
  path.conn = conn;
  path.silentFor = 0;
  path.isRefused = false;
  if (path.config.role !== "alink" || host.session.kind !== "none") return;
  host.helloAt = host.now;
  if (isLower(host) && host.peerBarred === null)
    cancelClaim(host, "a way to the peer is open again");
}

function pathDown(host: HostState, id: PathId, conn: number): void {
  const path = pathOf(host, id);
  if (path?.conn !== conn) return;
  path.conn = null;
  // Silence goes on where this host dials; where the peer does, it has `redial` to come back, if it was not silent before.
  if (!path.config.dials && path.silentFor < host.config.timing.silence) path.silentFor = 0;
  path.isRefused = false;
  pathClosed(host, path, conn);
}

function pathRefused(host: HostState, id: PathId): void {
  const path = pathOf(host, id);
  if (path !== undefined && path.conn === null) path.isRefused = true;
}

function takeService(
  host: HostState,
  event: HostEvent & { kind: "service-up" | "service-down" | "service-frame" },
): void {
  const service = serviceOf(host, event.service);
  if (service === undefined) return;
  if (event.kind === "service-up") serviceUp(host, service, event.conn);
  else if (event.kind === "service-down") serviceDown(host, service, event.conn);
  else if (service.conn === event.conn) takeAnswer(host, service, event.frame);
}

function takeSwitch(
  host: HostState,
  event: HostEvent & { kind: "switch-up" | "switch-down" | "switch-frame" },
): void {
  const isCurrent = host.switches.get(event.switch) === event.conn;
  if (event.kind === "switch-up") {
    host.switches.set(event.switch, event.conn);
    if (host.vm.kind === "running" && host.vm.isAnnounced) announceTo(host, host.vm, event.switch);
  } else if (event.kind === "switch-down") {
    if (isCurrent) host.switches.delete(event.switch);
  } else if (isCurrent) takeSwitchFrame(host, event.switch, event.frame);
}

/** One object for the whole life: rules ask after every step. */
function peekOf(host: HostState): HostPeek {
  const { mirror } = host;
  return {
    get page() {
      return host.page;
    },
    get pageNext() {
      return host.pageNext;
    },
    get right() {
      return rightOf(host);
    },
    get copy() {
      return copyOf(host);
    },
    get running() {
      return host.vm.kind === "running";
    },
    get vmBoot() {
      return host.vm.kind === "none" ? null : host.vm.vmBoot;
    },
    get leaseUntil() {
      return host.leaseUntil;
    },
    get promiseUntil() {
      return host.promiseUntil;
    },
    get session() {
      const { session } = host;
      if (session.kind !== "open") return null;
      return {
        id: session.id,
        peerRight: session.peerRight,
        peerGen: session.peerGenNow?.id ?? null,
      };
    },
    get durable() {
      return mirror.writer.durable;
    },
    get completed() {
      return mirror.completed;
    },
    get intents() {
      return new Map(
        [...mirror.intents].map(([volume, extents]) => [volume, new Set(extents.keys())] as const),
      );
    },
    get derived() {
      return host.derived;
    },
    get barred() {
      return host.barred?.why ?? null;
    },
    get commitsUnderWay() {
      return host.commits.size;
    },
    mayIntake: (now) => mayIntake(host, now),
  };
}

/**
 * Asks every rule whenever something that it depends on has changed: after each step over all hosts, at each effect, at each landing on a
 * disk. The first broken rule ends the run.
 */
import type { DiskOp } from "../../../node/core/disk/ops.ts";
import type { HostEffect } from "../../../node/core/host/contract.ts";
import type { QuorumRecord } from "../../../node/core/quorum/messages.ts";
import type { Micros } from "../../record/types.ts";
import type { SimHost } from "../sim-host.ts";
import type { Watch } from "../watch.ts";
import { bootHoldsAcknowledged, newestBootRuns } from "./acknowledged.ts";
import {
  dirtyBeforeAck,
  epochGiven,
  epochOrder,
  intentFirst,
  noSilentDivergence,
  peerCurrent,
  type Reach,
} from "./copies.ts";
import { type BlockKey, createDiskImage, keyOf } from "./disk-image.ts";
import { intakeHasRight, promiseCoversLease } from "./intake.ts";
import { createLedger, type GuestVersion, type Ledger } from "./ledger.ts";
import { type Finding, type HostLook, type PairLook, peerIn, rightIn } from "./look.ts";
import { oneGrant, oneRight, oneRunner } from "./rights.ts";
import { type Doubts, sessionTruth } from "./session-truth.ts";

/** Names of docs/ARCHITECTURE.md, "Invariants". */
export const RULES = [
  "one-runner",
  "intake-has-right",
  "one-right",
  "one-grant",
  "no-lost-ack",
  "peer-current",
  "no-silent-divergence",
  "intent-first",
  "dirty-before-ack",
  "epoch-order",
  "promise-covers-lease",
  "session-truth",
] as const;
export type RuleName = (typeof RULES)[number];

export interface RuleWatchOptions {
  readonly now: () => Micros;
  /** In host order. */
  readonly hosts: () => readonly SimHost[];
  readonly record: (service: string) => QuorumRecord | null;
  /** The longest that a step of the protocol may take. Unit: microseconds. */
  readonly stepUs: Micros;
  /** The policy lets both hosts go on alone: a split brain is what it is, and counted elsewhere. */
  readonly maySplit: boolean;
  readonly violated: (name: RuleName, detail: string) => void;
}

/** What a split brain breaks by its nature, as long as both are `sole`. */
const SPLIT_RULES: ReadonlySet<RuleName> = new Set([
  "one-runner",
  "one-right",
  "no-lost-ack",
  "peer-current",
]);

interface Watched extends HostLook {
  isForeign: boolean;
  readonly host: SimHost;
  peek: HostLook["peek"];
  image: HostLook["image"];
  readonly reach: Reach;
  /** Highest completed write seen, of `boot`. */
  completed: number;
  boot: string | null;
}

/**
 * What a step touched is judged at once. Everything is judged again after so many steps, and whenever somebody died, greets or was granted
 * something: a rule that looks at too little is found out. With more blocks to look at it takes as many steps more.
 */
const EVERYTHING_EVERY = 1_000;
/** Writes executed between two looks at what the ledger may forget. */
const FORGET_EVERY = 4_096;

export function createRuleWatch(options: RuleWatchOptions): Watch {
  return new RuleWatch(options);
}

class RuleWatch implements Watch {
  readonly #options: RuleWatchOptions;
  readonly #ledger: Ledger = createLedger();
  readonly #doubts: Doubts = new Map();
  readonly #completed = new Map<BlockKey, number>();
  readonly #differing = new Set<BlockKey>();
  #watched: readonly Watched[] = [];
  #look: PairLook | null = null;
  /** Both are `sole`, and may be. */
  #isSplit = false;
  #stepsLeft = EVERYTHING_EVERY;
  #executed = 0;

  constructor(options: RuleWatchOptions) {
    this.#options = options;
  }

  effect(name: string, effect: HostEffect): void {
    if (effect.kind === "commit") this.#commit(name, effect.ops);
    else if (effect.kind === "machine-start") {
      this.#ledger.begin(effect.vmBoot);
      this.#judge("no-lost-ack", bootHoldsAcknowledged(name, this.#ledger, effect.blocks));
    } else if (effect.kind === "machine-run") {
      this.#refresh(name);
      this.#judge("intake-has-right", intakeHasRight(this.#lookNow(), name, effect));
    } else if (effect.kind === "send-switch") {
      if (effect.frame.kind === "data") this.#ledger.release(effect.frame.vmBoot, effect.frame);
    } else if (effect.kind === "send-peer" && effect.frame.body.kind === "hello") {
      this.#everything();
    }
  }

  stepped(name: string): void {
    const look = this.#lookNow();
    const host = this.#refresh(name);
    this.#judge("one-runner", oneRunner(look));
    this.#judge("promise-covers-lease", promiseCoversLease(look));
    this.#judge("session-truth", sessionTruth(look, this.#doubts, this.#options.stepUs));
    this.#judge("no-lost-ack", newestBootRuns(look, this.#ledger));
    if (host !== null) this.#complete(host, look);
    this.#stepsLeft -= 1;
    if (this.#stepsLeft <= 0) this.#everything();
  }

  result(...[, vmBoot, result]: Parameters<Watch["result"]>): void {
    this.#ledger.execute(vmBoot, result);
    this.#executed += result.writes.length;
    if (this.#executed < FORGET_EVERY) return;
    this.#executed = 0;
    this.#forget();
  }

  given(name: string, offset: number, length: number): void {
    const host = this.#find(name);
    if (host === null) return;
    const blocks = host.image.blocksIn(offset, length);
    if (blocks.length === 0) return;
    this.#judge("intent-first", intentFirst(host, this.#watched, blocks));
  }

  landed(name: string, ranges: Parameters<Watch["landed"]>[1]): void {
    const host = this.#find(name);
    if (host === null) return;
    const wasSole = rightIn(host) === "sole";
    const wasTarget = host.image.page()?.copy === "inconsistent";
    const { isPage, isCleared, blocks } = host.image.land(ranges);
    const look = this.#lookNow();
    const isAdopted = host.isForeign && wasTarget && host.image.page()?.copy === "in-sync";
    if (isAdopted) host.isForeign = false;
    if (isPage) this.#followSplit(look);
    this.#compare(blocks);
    if (isPage) {
      this.#judge("one-right", oneRight(look));
      this.#judge("one-grant", oneGrant(look));
    }
    const isEverything = isAdopted || (isPage && wasSole && rightIn(host) !== "sole");
    const current = isEverything ? this.#completed.keys() : blocks;
    this.#judge("peer-current", peerCurrent(look.hosts, this.#ledger, this.#completed, current));
    const differing =
      isPage || isCleared ? this.#differing : blocks.filter((key) => this.#differing.has(key));
    this.#judge("no-silent-divergence", noSilentDivergence(look.hosts, differing));
    this.#judge("epoch-order", epochOrder(host, this.#ledger, host.reach, blocks));
  }

  died(name: string): void {
    const host = this.#find(name);
    if (host !== null) host.peek = null;
    this.#everything();
  }

  replaced(name: string, ranges: Parameters<Watch["replaced"]>[1]): void {
    const host = this.#find(name);
    if (host === null) return;
    host.image = createDiskImage(host.host.disk());
    host.reach.clear();
    host.isForeign = true;
    const { blocks } = host.image.land(ranges);
    this.#compare([...this.#completed.keys(), ...blocks]);
  }

  recorded(): void {
    this.#everything();
  }

  /** Every rule that the disks and the services alone decide. */
  #everything(): void {
    this.#stepsLeft = Math.max(EVERYTHING_EVERY, this.#completed.size);
    const look = this.#lookNow();
    const { hosts } = look;
    const keys = this.#completed.keys();
    this.#judge("one-right", oneRight(look));
    this.#judge("one-grant", oneGrant(look));
    this.#judge("peer-current", peerCurrent(hosts, this.#ledger, this.#completed, keys));
    this.#judge("no-silent-divergence", noSilentDivergence(hosts, this.#differing));
  }

  #commit(name: string, ops: readonly DiskOp[]): void {
    const host = this.#find(name);
    const blocks: { readonly key: BlockKey; readonly sum: number }[] = [];
    for (const op of ops) {
      if (op.op === "block") blocks.push({ key: keyOf(op.volume, op.lba), sum: op.sum });
    }
    if (host === null || blocks.length === 0) return;
    this.#judge("epoch-order", epochGiven(host, this.#ledger, host.reach, blocks));
  }

  /** Writes that the runner counts as complete since its last step. */
  #complete(host: Watched, look: PairLook): void {
    const { peek } = host;
    const boot = peek?.running === true ? (peek.vmBoot?.id ?? null) : null;
    if (peek === null || boot === null) return;
    const to = peek.completed;
    if (host.boot === boot && to <= host.completed) return;
    const writes = this.#newlyComplete(host, boot, to);
    if (writes.length === 0) return;
    const peer = peerIn(look, host.name);
    if (rightIn(host) === "sole" && peer !== null) {
      for (const write of writes) {
        this.#judge("dirty-before-ack", dirtyBeforeAck(host, peer, this.#ledger, write));
      }
      return;
    }
    const keys = writes.map(({ key }) => key);
    this.#judge("peer-current", peerCurrent(look.hosts, this.#ledger, this.#completed, keys));
  }

  #newlyComplete(host: Watched, boot: string, to: number): readonly GuestVersion[] {
    const ledger = this.#ledger.boot(boot);
    if (ledger === null) return [];
    if (host.boot !== boot) host.completed = 0;
    host.boot = boot;
    const writes: GuestVersion[] = [];
    for (let number = host.completed + 1; number <= to; number += 1) {
      const write = ledger.write(number);
      if (write === undefined) continue;
      writes.push(write);
      const { key, index } = write;
      this.#completed.set(key, Math.max(this.#completed.get(key) ?? 0, index));
    }
    host.completed = Math.max(host.completed, to);
    return writes;
  }

  #forget(): void {
    const hosts = this.#watched;
    this.#ledger.forget({
      writesAbove: (boot) => {
        const completed = hosts.map((host) => (host.boot === boot ? host.completed : 0));
        const reached = hosts.map(({ reach }) => reach.get(boot) ?? Number.MAX_SAFE_INTEGER);
        return Math.min(Math.max(...completed), ...reached);
      },
      isHeld: (key, sum) => hosts.some(({ image }) => image.sum(key) === sum),
    });
  }

  #compare(blocks: Iterable<BlockKey>): void {
    const [low, high] = this.#watched;
    for (const key of blocks) {
      if (low?.image.sum(key) === high?.image.sum(key)) this.#differing.delete(key);
      else this.#differing.add(key);
    }
  }

  #judge(name: RuleName, finding: Finding): void {
    if (finding === null || (this.#isSplit && SPLIT_RULES.has(name))) return;
    this.#options.violated(name, finding);
  }

  /** By policy, or by an operator's force. When it is over, one side's promises are gone: what counts begins anew. */
  #followSplit({ hosts }: PairLook): void {
    const areSole = hosts.length === 2 && hosts.every((host) => rightIn(host) === "sole");
    const isForced = hosts.some(({ image }) => {
      const kind = image.page()?.gen?.kind;
      return kind === "forced" || kind === "damaged";
    });
    const wasSplit = this.#isSplit;
    this.#isSplit = areSole && (this.#options.maySplit || isForced);
    if (!wasSplit || this.#isSplit) return;
    this.#completed.clear();
    this.#ledger.forgive();
  }

  #find(name: string): Watched | null {
    if (this.#watched.length === 0) this.#lookNow();
    for (const host of this.#watched) if (host.name === name) return host;
    return null;
  }

  #refresh(name: string): Watched | null {
    const host = this.#find(name);
    if (host !== null) host.peek = host.host.core()?.peek() ?? null;
    return host;
  }

  /** The hosts are known only when all are made. */
  #lookNow(): PairLook {
    if (this.#look === null) {
      this.#watched = this.#options.hosts().map((host): Watched => {
        const { name, clock } = host;
        const image = createDiskImage(host.disk());
        const reach: Reach = new Map();
        const nothing = { peek: null, reach, completed: 0, boot: null, isForeign: false };
        return { host, name, clock, image, ...nothing };
      });
      const { now, record } = this.#options;
      const hosts = this.#watched;
      this.#look = {
        get now() {
          return now();
        },
        hosts,
        record,
      };
    }
    return this.#look;
  }
}

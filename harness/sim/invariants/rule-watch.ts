/**
 * Asks every rule whenever something that it depends on has changed: after each step over all hosts, at each effect, at each landing on a
 * disk. The first broken rule ends the run.
 */
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
import { createLedger, type Ledger } from "./ledger.ts";
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
  peek: HostLook["peek"];
  image: HostLook["image"];
  readonly reach: Reach;
  /** Highest completed write seen, of `boot`. */
  completed: number;
  boot: string | null;
}

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

  constructor(options: RuleWatchOptions) {
    this.#options = options;
  }

  effect(name: string, effect: HostEffect): void {
    if (effect.kind === "commit") this.#commit(name, effect);
    else if (effect.kind === "machine-start") {
      this.#ledger.begin(effect.vmBoot);
      this.#judge("no-lost-ack", bootHoldsAcknowledged(name, this.#ledger, effect.blocks));
    } else if (effect.kind === "machine-run") {
      this.#refresh(name);
      this.#judge("intake-has-right", intakeHasRight(this.#lookNow(), name, effect));
    } else if (effect.kind === "send-switch" && effect.frame.kind === "data") {
      this.#ledger.release(effect.frame.vmBoot, effect.frame);
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
  }

  result(...[, vmBoot, result]: Parameters<Watch["result"]>): void {
    this.#ledger.execute(vmBoot, result);
  }

  given(name: string, offset: number, length: number): void {
    const host = this.#find(name);
    if (host === null) return;
    this.#judge(
      "intent-first",
      intentFirst(host, this.#watched, host.image.blocksIn(offset, length)),
    );
  }

  landed(name: string, ranges: Parameters<Watch["landed"]>[1]): void {
    const host = this.#find(name);
    if (host === null) return;
    const wasSole = rightIn(host) === "sole";
    const wasTarget = host.image.page()?.copy === "inconsistent";
    const landing = host.image.land(ranges);
    const look = this.#lookNow();
    const isAdopted = host.isForeign && wasTarget && host.image.page()?.copy === "in-sync";
    if (isAdopted) host.isForeign = false;
    if (landing.isPage) this.#followSplit(look);
    this.#compare(landing.blocks);
    if (landing.isPage) {
      this.#judge("one-right", oneRight(look));
      this.#judge("one-grant", oneGrant(look));
    }
    const isEverything = isAdopted || (landing.isPage && wasSole && rightIn(host) !== "sole");
    const current = isEverything ? this.#completed.keys() : landing.blocks;
    this.#judge("peer-current", peerCurrent(look.hosts, this.#ledger, this.#completed, current));
    if (landing.isPage || landing.isIntents || landing.isDirty || landing.blocks.length > 0) {
      this.#judge("no-silent-divergence", noSilentDivergence(look.hosts, this.#differing));
    }
    this.#judge("epoch-order", epochOrder(host, this.#ledger, host.reach, landing.blocks));
  }

  died(name: string): void {
    const host = this.#find(name);
    if (host !== null) host.peek = null;
  }

  replaced(name: string, ranges: Parameters<Watch["replaced"]>[1]): void {
    const host = this.#find(name);
    const found = this.#options.hosts().find((candidate) => candidate.name === name);
    if (host === null || found === undefined) return;
    host.image = createDiskImage(found.disk());
    host.reach.clear();
    host.isForeign = true;
    const { blocks } = host.image.land(ranges);
    this.#compare([...this.#completed.keys(), ...blocks]);
  }

  recorded(): void {
    this.#judge("one-grant", oneGrant(this.#lookNow()));
  }

  #commit(name: string, { ops }: Extract<HostEffect, { readonly kind: "commit" }>): void {
    const host = this.#find(name);
    const blocks = ops.flatMap((op) =>
      op.op === "block" ? [{ key: keyOf(op.volume, op.lba), sum: op.sum }] : [],
    );
    if (host === null || blocks.length === 0) return;
    this.#judge("epoch-order", epochGiven(host, this.#ledger, host.reach, blocks));
  }

  /** Writes that the runner counts as complete since its last step. */
  #complete(host: Watched, look: PairLook): void {
    const { peek } = host;
    const boot = peek?.running === true ? (peek.vmBoot?.id ?? null) : null;
    const ledger = boot === null ? null : this.#ledger.boot(boot);
    if (peek === null || boot === null || ledger === null) return;
    if (host.boot !== boot) {
      host.boot = boot;
      host.completed = 0;
    }
    if (peek.completed <= host.completed) return;
    const writes = ledger.writes.slice(host.completed, peek.completed);
    host.completed = peek.completed;
    for (const { key, index } of writes) {
      this.#completed.set(key, Math.max(this.#completed.get(key) ?? 0, index));
    }
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
    return this.#watched.find((host) => host.name === name) ?? null;
  }

  #refresh(name: string): Watched | null {
    const host = this.#find(name);
    const found = this.#options.hosts().find((candidate) => candidate.name === name);
    if (host !== null) host.peek = found?.core()?.peek() ?? null;
    return host;
  }

  /** The hosts are known only when all are made. */
  #lookNow(): PairLook {
    if (this.#look === null) {
      this.#watched = this.#options.hosts().map((host): Watched => {
        const { name, clock } = host;
        const image = createDiskImage(host.disk());
        return {
          name,
          clock,
          image,
          peek: null,
          reach: new Map(),
          completed: 0,
          boot: null,
          isForeign: false,
        };
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

/**
 * peer-current, no-silent-divergence, intent-first, dirty-before-ack, epoch-order: judged from what has landed on the disks. A block whose
 * content no guest ever wrote is torn: a later write of it was under way when the power failed, which its intent bit must say.
 */

import { type BlockKey, nameOfKey } from "./disk-image.ts";
import type { BootLedger, GuestVersion, Ledger } from "./ledger.ts";
import { UNKNOWN_VERSION } from "./ledger.ts";
import { type Finding, type HostLook, isSomebodySole, rightIn } from "./look.ts";

/** Version of the block on this disk; a torn one counts as the latest. */
export function versionAt({ image }: HostLook, ledger: Ledger, key: BlockKey): number {
  const version = ledger.versionOf(key, image.sum(key));
  return version === UNKNOWN_VERSION && image.hasIntent(key) ? Number.MAX_SAFE_INTEGER : version;
}

/** Neither host is `sole`: both disks hold every completed write of these blocks, or a later one over it. */
export function peerCurrent(
  hosts: readonly HostLook[],
  ledger: Ledger,
  completed: ReadonlyMap<BlockKey, number>,
  keys: Iterable<BlockKey>,
): Finding {
  if (isSomebodySole(hosts)) return null;
  for (const key of keys) {
    const wanted = completed.get(key) ?? 0;
    for (const host of hosts) {
      if (host.isForeign) continue;
      const found = versionAt(host, ledger, key);
      if (found >= wanted) continue;
      return `${host.name} holds version ${found} of ${nameOfKey(key)}, version ${wanted} is complete`;
    }
  }
  return null;
}

/** A block that differs lies in an intent extent of either host, or the host that is `sole` has marked it. */
export function noSilentDivergence(hosts: readonly HostLook[], keys: Iterable<BlockKey>): Finding {
  const [low, high] = hosts;
  if (low === undefined || high === undefined) return null;
  if (rightIn(low) === "sole" && rightIn(high) === "sole") return null;
  if (low.isForeign || high.isForeign) return null;
  for (const key of keys) {
    if (low.image.hasIntent(key) || high.image.hasIntent(key)) continue;
    const isMarked = hosts.some((host) => rightIn(host) === "sole" && host.image.hasDirty(key));
    if (!isMarked) return `${nameOfKey(key)} differs and nothing says so`;
  }
  return null;
}

/** A block is given to the disk only when the bit of its extent is durable there, or at a target the dirty bit of its source. */
export function intentFirst(
  host: HostLook,
  hosts: readonly HostLook[],
  keys: readonly BlockKey[],
): Finding {
  const { name, image } = host;
  const source =
    image.page()?.copy === "inconsistent"
      ? hosts.find((other) => other !== host && rightIn(other) === "sole")
      : undefined;
  const cold = keys.find((key) => !image.hasIntent(key) && source?.image.hasDirty(key) !== true);
  return cold === undefined
    ? null
    : `${name} writes ${nameOfKey(cold)} before its intent is durable`;
}

/** A write completes at a host that is `sole` when it is durable here, and marked here or durable at the peer. */
export function dirtyBeforeAck(
  host: HostLook,
  peer: HostLook,
  ledger: Ledger,
  write: GuestVersion,
): Finding {
  const { key, index } = write;
  if (versionAt(host, ledger, key) < index) {
    return `${host.name} completes a write of ${nameOfKey(key)} that its disk lacks`;
  }
  if (host.image.hasDirty(key) || versionAt(peer, ledger, key) >= index) return null;
  return `${host.name} is sole and completes a write of ${nameOfKey(key)} that nothing marks`;
}

/** How far each boot's writes are on one disk without a gap. */
export type Reach = Map<string, number>;

/** A write of one epoch on a disk that may boot: everything of the epochs before is there too, or something later over it. */
export function epochOrder(
  host: HostLook,
  ledger: Ledger,
  reach: Reach,
  landed: readonly BlockKey[],
): Finding {
  if (!isBootable(host)) return null;
  for (const key of landed) {
    const missing = missingBefore(host, ledger, reach, { key, sum: host.image.sum(key) });
    if (missing === null) continue;
    return `${host.name} holds epoch ${missing.epoch} and lacks ${describe(missing.write)}`;
  }
  return null;
}

/** The other half of the rule: a block is given to the disk only when all epochs before its own are durable there. */
export function epochGiven(
  host: HostLook,
  ledger: Ledger,
  reach: Reach,
  blocks: readonly { readonly key: BlockKey; readonly sum: number }[],
): Finding {
  if (!isBootable(host)) return null;
  for (const block of blocks) {
    const missing = missingBefore(host, ledger, reach, block);
    if (missing === null) continue;
    return `${host.name} gives its disk a write of epoch ${missing.epoch} before ${describe(missing.write)} is durable`;
  }
  return null;
}

/** A target in resync takes blocks in any order: nobody boots it. */
function isBootable({ image, isForeign }: HostLook): boolean {
  if (isForeign) return false;
  const copy = image.page()?.copy;
  return copy === "in-sync" || copy === "ahead";
}

function describe({ key, epoch }: GuestVersion): string {
  return `${nameOfKey(key)} of epoch ${epoch}`;
}

interface Missing {
  readonly epoch: number;
  readonly write: GuestVersion;
}

/** A write of an earlier epoch that is not on the disk, whichever of the writes with the block's content this one is. */
function missingBefore(
  host: HostLook,
  ledger: Ledger,
  reach: Reach,
  { key, sum }: { readonly key: BlockKey; readonly sum: number | null },
): Missing | null {
  const newest = ledger.version(key, ledger.versionOf(key, sum));
  const missing = missingOf(host, ledger, reach, newest);
  if (missing === null) return null;
  const others = ledger.versionsWith(key, sum).slice(1);
  return others.some((one) => missingOf(host, ledger, reach, one) === null) ? null : missing;
}

/** The first write of an earlier epoch of the same boot that is not on the disk. */
function missingOf(
  host: HostLook,
  ledger: Ledger,
  reach: Reach,
  version: GuestVersion | undefined,
): Missing | null {
  const boot = version === undefined ? null : ledger.boot(version.boot);
  if (version === undefined || boot === null) return null;
  const reached = advance(host, boot, ledger, reach);
  const write = reached < boot.epochEnd(version.epoch - 1) ? boot.write(reached + 1) : undefined;
  return write === undefined ? null : { epoch: version.epoch, write };
}

function advance(host: HostLook, boot: BootLedger, ledger: Ledger, reach: Reach): number {
  let reached = Math.max(reach.get(boot.id) ?? 0, boot.forgotten);
  for (;;) {
    const next = boot.write(reached + 1);
    if (next === undefined || versionAt(host, ledger, next.key) < next.index) break;
    reached += 1;
  }
  reach.set(boot.id, reached);
  return reached;
}

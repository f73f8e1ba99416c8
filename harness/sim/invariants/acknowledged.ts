/**
 * no-lost-ack: what was shown to anybody is in the view of whoever runs the VM. A running machine's view holds all it ever wrote, so it is
 * enough to look at the blocks that each boot starts from, and that no older boot takes in input once a newer one was heard.
 */
import type { VmBoot } from "../../../node/core/identity.ts";
import type { BootBlock } from "../../../node/core/machine/entry.ts";
import { nameOfKey } from "./disk-image.ts";
import { type Ledger, sumsOf, UNKNOWN_VERSION } from "./ledger.ts";
import { type Finding, type PairLook, takesIn } from "./look.ts";

export function bootHoldsAcknowledged(
  name: string,
  ledger: Ledger,
  blocks: readonly BootBlock[],
): Finding {
  const sums = sumsOf(blocks);
  for (const key of ledger.promised()) {
    const wanted = ledger.required(key);
    const found = ledger.versionOf(key, sums.get(key) ?? null);
    // Torn: a newer write of the block was under way when the power failed. What it makes of the older one is the guest's to bear.
    if (found === UNKNOWN_VERSION && ledger.version(key, wanted + 1) !== undefined) continue;
    if (found >= wanted) continue;
    return `${name} boots with version ${found} of ${nameOfKey(key)}, version ${wanted} was acknowledged`;
  }
  return null;
}

export function newestBootRuns({ now, hosts }: PairLook, ledger: Ledger): Finding {
  for (const host of hosts) {
    const boot: VmBoot | null = host.peek?.vmBoot ?? null;
    if (boot === null) continue;
    const order = ledger.boot(boot.id)?.order ?? Number.MAX_SAFE_INTEGER;
    if (order >= ledger.lastHeard() || !takesIn(host, now)) continue;
    return `${host.name} takes in input for a boot, after a newer one was heard`;
  }
  return null;
}

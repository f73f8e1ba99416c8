/**
 * one-runner, one-right, one-grant: judged from the durable pages, the services' durable records and what each host would do now. A host
 * whose process is gone keeps its page: it may come back with it.
 */
import { type Finding, type HostLook, type PairLook, takesIn } from "./look.ts";

/** At no instant do two hosts take in input. Asked after each step: in between, time only takes leases away. */
export function oneRunner({ now, hosts }: PairLook): Finding {
  if (!hosts.every(isRunning)) return null;
  let first: HostLook | null = null;
  for (const host of hosts) {
    if (!takesIn(host, now)) continue;
    if (first !== null) return `${say(first)} and ${say(host)} both take in input`;
    first = host;
  }
  return null;
}

function isRunning({ peek }: HostLook): boolean {
  return peek?.running === true;
}

function say({ name, peek }: HostLook): string {
  return `${name} (${peek?.right ?? "?"})`;
}

const FORBIDDEN = [
  ["sole", "sole"],
  ["elected", "elected"],
  ["elected", "sole"],
  ["elected", "open"],
  ["ceded", "ceded"],
] as const;

/** Some pairs of rights have no way out, or two: no sequence of durable steps passes through them. */
export function oneRight({ hosts }: PairLook): Finding {
  if (hosts.some(({ isForeign }) => isForeign)) return null;
  const [low, high] = hosts.map(({ image }) => image.page());
  if (low === null || low === undefined || high === null || high === undefined) return null;
  const isForbidden = FORBIDDEN.some(
    ([one, other]) =>
      (low.right === one && high.right === other) || (low.right === other && high.right === one),
  );
  return isForbidden ? `the pages say ${low.right} and ${high.right}` : null;
}

/** Beside a host that may go on alone, the arbiter of an armed other has nothing left to grant it, and has granted it nothing. */
export function oneGrant({ hosts, record }: PairLook): Finding {
  if (hosts.some(({ isForeign }) => isForeign)) return null;
  for (const alone of hosts) {
    const right = alone.image.page()?.right;
    if (right !== "sole" && right !== "elected") continue;
    for (const armed of hosts) {
      const page = armed.image.page();
      if (armed === alone || page?.right !== "open" || page.copy !== "in-sync") continue;
      const service = page.arbiter?.service;
      const word = service === undefined ? null : record(service);
      if (word === null || page.gen === null) continue;
      const name = `${alone.name} is ${right}`;
      if (word.holder === null && word.gen?.id === page.gen.id) {
        return `${name} while ${service} would still grant the generation of ${armed.name}`;
      }
      if (word.holder === armed.name && word.from?.id === page.gen.id) {
        return `${name} while ${service} has granted the same generation to ${armed.name}`;
      }
    }
  }
  return null;
}

/** The role `quorum`: the service's core over a file and the hosts' connections. */
import { unreachable } from "../core/invariant.ts";
import {
  createQuorumService,
  type QuorumEffect,
  type QuorumEvent,
} from "../core/quorum/service.ts";
import type { QuorumFile } from "../ports/process-file.ts";
import { encodeQuorumAnswer, parseQuorumRequest } from "../wire/quorum.ts";
import { monotonicMs } from "./clock.ts";
import { acceptHosts } from "./host-acceptor.ts";
import { createLagMeter } from "./lag-meter.ts";
import { openQuorumStore } from "./quorum-store.ts";
import type { RoleOptions, RunningRole } from "./running-process.ts";

const LAG_PERIOD_MS = 20;

/** Returns once the store is open and the address bound. */
export async function runQuorum({
  file,
  self,
  reporter,
}: RoleOptions<QuorumFile>): Promise<RunningRole> {
  const { cluster, service, confirmAfterRestart } = file;
  const store = openQuorumStore(file.storeFile, { cluster, service });
  let { records } = store;
  const { instance } = store;
  const core = createQuorumService({ cluster, service, instance, records, confirmAfterRestart });
  // The store is written in line: a grant takes as long as its fsync, and nothing overtakes it.
  const queue: QuorumEvent[] = [];
  const dispatch = (event: QuorumEvent): void => {
    queue.push(event);
    if (queue.length > 1) return;
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      for (const effect of core.step(next)) perform(effect);
      queue.shift();
    }
  };
  const perform = (effect: QuorumEffect): void => {
    switch (effect.kind) {
      case "send":
        acceptor.send(effect.conn, encodeQuorumAnswer(effect.frame));
        return;
      case "persist":
        store.persist(effect.records);
        ({ records } = effect);
        queue.push({ kind: "persisted", token: effect.token });
        return;
      case "note":
        reporter.event(effect.what, effect.fields);
        return;
      default:
        unreachable(effect);
    }
  };
  const acceptor = await acceptHosts({
    endpoint: file.listen,
    self,
    reporter,
    parse: parseQuorumRequest,
    up: (conn, host) => dispatch({ kind: "connected", conn, host }),
    down: (conn) => dispatch({ kind: "closed", conn }),
    frame: (conn, frame) => dispatch({ kind: "frame", conn, frame }),
  });
  const lag = createLagMeter(LAG_PERIOD_MS);
  setInterval(() => lag.tick(monotonicMs()), LAG_PERIOD_MS);
  return {
    quiesce: (done) => done({}),
    release: () => undefined,
    operate: () => false,
    farewell: () => undefined,
    status: () => ({
      service,
      instance: store.instance,
      records,
      lag: lag.take(),
      marks: reporter.marks(),
    }),
  };
}

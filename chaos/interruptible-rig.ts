/**
 * A rig whose waits end when a person interrupts the run. Nothing goes on behind the back of the teardown: a wait that is left pending has
 * no consequences, what has any (starting clients, killing) is awaited to its end, and every later call is refused, but for mending.
 */

import type { Rig, Workload } from "../harness/rig/rig.ts";

/** A person ended the run; nothing is wrong. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** @returns a rig whose calls reject with `Interrupted` once the signal is aborted */
export function interruptibleRig(rig: Rig, signal: AbortSignal): Rig {
  const wait = <T>(begin: () => Promise<T>): Promise<T> => untilAborted(begin, signal);
  const finish = async <T>(begin: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal);
    const result = await begin();
    throwIfAborted(signal);
    return result;
  };
  const guarded = (workload: Workload): Workload => ({
    phase: (name) => finish(() => workload.phase(name)),
    inFlightWrites: () => workload.inFlightWrites(),
    finish: (deadline) => wait(() => workload.finish(deadline)),
  });
  const { brokenDisks } = rig;
  return {
    ...(brokenDisks === undefined ? {} : { brokenDisks }),
    bed: rig.bed,
    topology: rig.topology,
    proxy: rig.proxy,
    now: () => rig.now(),
    until: (at) => wait(() => rig.until(at)),
    waitFor: (condition, deadline) => wait(() => rig.waitFor(condition, deadline)),
    hosts: () => rig.hosts(),
    resolve: (target) => rig.resolve(target),
    events: () => rig.events(),
    report: (what, fields) => rig.report(what, fields),
    kill: (...processes) => finish(() => rig.kill(...processes)),
    alive: (process) => rig.alive(process),
    start: (process) => finish(() => rig.start(process)),
    pause: (process) => finish(() => rig.pause(process)),
    resume: (process) => rig.resume(process),
    isPaused: (process) => rig.isPaused(process),
    cut: (links, kind, direction) => finish(() => rig.cut(links, kind, direction)),
    mend: (links) => rig.mend(links),
    stopped: (link) => rig.stopped(link),
    delay: (links, by, direction) => finish(() => rig.delay(links, by, direction)),
    undelay: (links) => rig.undelay(links),
    delayed: (link) => rig.delayed(link),
    saveDisk: (host) => finish(() => rig.saveDisk(host)),
    replaceDisk: (host, by) => finish(() => rig.replaceDisk(host, by)),
    operator: (host, command) => finish(() => rig.operator(host, command)),
    startWorkload: async (spec) => guarded(await finish(() => rig.startWorkload(spec))),
    quiesce: () => finish(() => rig.quiesce()),
    release: () => rig.release(),
    disks: () => rig.disks(),
    exits: () => rig.exits(),
    teardown: () => rig.teardown(),
  };
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new Interrupted("interrupted");
}

async function untilAborted<T>(begin: () => Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal);
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new Interrupted("interrupted"));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([begin(), aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

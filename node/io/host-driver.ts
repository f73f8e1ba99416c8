/**
 * Drives one VM's core on a real host: each event gets the clock's reading of its own, its effects are started in their order and none is awaited;
 * what they bring comes back as events. The only mutable place beside the core.
 */
import { randomBytes } from "node:crypto";
import type { HostEffect, HostEvent } from "../core/host/contract.ts";
import type { RandomId } from "../core/identity.ts";
import { unreachable } from "../core/invariant.ts";
import { monotonicMs } from "./clock.ts";
import type { HostDisk } from "./host-disk.ts";
import type { HostLinks } from "./host-links.ts";
import type { MachineClient } from "./machine-client.ts";
import type { Reporter } from "./reporter.ts";
import type { SaveBlocks } from "./saved-blocks.ts";

/** Ids given to the core at a time. */
const IDS_AT_ONCE = 32;
const ID_BYTES = 16;

type WithoutNow<Event> = Event extends unknown ? Omit<Event, "now"> : never;
/** An event before the driver has read the clock for it. */
export type HostInput = WithoutNow<HostEvent>;

export interface SteppedCore {
  step(event: HostEvent): readonly HostEffect[];
}

export interface HostDriverOptions {
  readonly core: SteppedCore;
  readonly vm: string;
  readonly peer: string;
  readonly disk: HostDisk;
  readonly links: HostLinks;
  readonly machine: MachineClient;
  readonly reporter: Reporter;
  readonly save: SaveBlocks;
}

export interface HostDriver {
  dispatch(input: HostInput): void;
  start(): void;
  /** When work last began or arrived: a run, a commit, mirrored writes or their answers. On the driver's clock. */
  readonly workedAt: number;
}

export function createHostDriver(options: HostDriverOptions): HostDriver {
  const { core, disk } = options;
  const queue: HostInput[] = [];
  // Until the core has started, what happens waits.
  let isStarted = false;
  let isDrainDue = false;
  let workedAt = monotonicMs();
  const loop: Loop = {
    dispatch(input) {
      queue.push(input);
      if (isDrainDue || !isStarted) return;
      isDrainDue = true;
      setImmediate(drain);
    },
    dispatchNext: (input) => queue.unshift(input),
  };

  function drain(): void {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) step(next);
    isDrainDue = false;
  }

  function step(input: HostInput): void {
    const now = monotonicMs();
    if (isWork(input)) workedAt = now;
    for (const effect of core.step({ ...input, now, isMoreDue: queue.length > 0 })) {
      if (isWork(effect)) workedAt = now;
      perform(effect, options, loop);
    }
  }

  return {
    dispatch: loop.dispatch,
    start() {
      loop.dispatchNext({ kind: "start", disk: disk.contents, ids: drawIds() });
      isStarted = true;
      isDrainDue = true;
      drain();
    },
    get workedAt() {
      return workedAt;
    },
  };
}

interface Loop {
  readonly dispatch: (input: HostInput) => void;
  /** Before everything that waits. */
  readonly dispatchNext: (input: HostInput) => void;
}

function perform(effect: HostEffect, options: HostDriverOptions, loop: Loop): void {
  const { disk, links, machine, reporter, vm } = options;
  switch (effect.kind) {
    case "send-peer":
    case "close-path":
    case "send-service":
    case "send-switch":
      send(effect, options);
      return;
    case "commit": {
      const { token, ops } = effect;
      // Frames first: the peer's disk works while this one's is told what to do.
      links.flush();
      disk.commit(ops, (code) => loop.dispatch(endOf(token, code)));
      return;
    }
    case "read-volumes": {
      const { token } = effect;
      disk.readAll((read) =>
        loop.dispatch(
          "error" in read ? endOf(token, read.error) : { kind: "volumes-read", token, ...read },
        ),
      );
      return;
    }
    case "read-blocks": {
      const { token } = effect;
      disk.readBlocks(effect.volume, effect.lbas, (read) =>
        loop.dispatch(
          "error" in read ? endOf(token, read.error) : { kind: "blocks-read", token, blocks: read },
        ),
      );
      return;
    }
    case "save-blocks": {
      const { token } = effect;
      options.save(effect.page, effect.blocks, (saved) =>
        loop.dispatch(
          "error" in saved
            ? { kind: "save-failed", token, code: saved.error }
            : { kind: "blocks-saved", token, file: saved.file },
        ),
      );
      return;
    }
    case "machine-start":
      machine.start(effect.vmBoot, effect.blocks, effect.delay);
      return;
    case "machine-run":
      machine.run(effect.vmBoot, effect.entries);
      return;
    case "machine-stop":
      machine.stop();
      return;
    case "need-ids":
      // The core counts on them within its next steps.
      loop.dispatchNext({ kind: "ids", ids: drawIds() });
      return;
    case "note": {
      const { what, ...fields } = effect.note;
      reporter.event(what, { vm, ...fields });
      return;
    }
    case "mark":
      reporter.mark(effect.mark);
      return;
    default:
      unreachable(effect);
  }
}

const WORK: ReadonlySet<string> = new Set(["write", "wrote", "sums", "copy", "copied"]);

function isWork(it: HostInput | HostEffect): boolean {
  if (it.kind === "peer-frame" || it.kind === "send-peer") {
    return WORK.has(it.frame.body.kind);
  }
  return it.kind === "commit" || it.kind === "machine-run" || it.kind === "machine-result";
}

function endOf(token: number, code: string | null): HostInput {
  return code === null ? { kind: "disk-done", token } : { kind: "disk-failed", token, code };
}

type Sent = Extract<
  HostEffect,
  { readonly kind: "send-peer" | "close-path" | "send-service" | "send-switch" }
>;

function send(effect: Sent, { links, peer }: HostDriverOptions): void {
  const { conn } = effect;
  switch (effect.kind) {
    case "send-peer":
      links.sendPeer({ kind: "path", peer, id: effect.path }, conn, effect.frame);
      return;
    case "close-path":
      links.close({ kind: "path", peer, id: effect.path }, conn);
      return;
    case "send-service":
      links.sendService({ kind: "service", id: effect.service }, conn, effect.frame);
      return;
    case "send-switch":
      links.sendSwitch({ kind: "switch", id: effect.switch }, conn, effect.frame);
      return;
    default:
      unreachable(effect);
  }
}

function drawIds(): readonly RandomId[] {
  const bytes = randomBytes(IDS_AT_ONCE * ID_BYTES);
  return Array.from({ length: IDS_AT_ONCE }, (_, index) =>
    bytes.toString("hex", index * ID_BYTES, (index + 1) * ID_BYTES),
  );
}

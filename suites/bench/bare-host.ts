/**
 * The bare loops beside which the mirror and a resync are measured: two processes, the hosts' own connections and frames through the same proxy,
 * and on each side pwrite and fdatasync. No core, no cache, no checksum table, no intents: nothing but what any synchronous mirror must do.
 */
import type { PeerBody, PeerFrame } from "../../node/core/pair/frames.ts";
import { createHostLinks, type HostLinks, type Place } from "../../node/io/host-links.ts";
import { runQuorum } from "../../node/io/quorum-process.ts";
import { runProcess } from "../../node/io/run-process.ts";
import type { RoleOptions, RunningRole } from "../../node/io/running-process.ts";
import { runSwitch } from "../../node/io/switch-process.ts";
import type { HostFile } from "../../node/ports/process-file.ts";
import { type BareDisk, openBareDisk, type Written } from "./bare-disk.ts";
import { createBareStream, takeStreamed } from "./bare-stream.ts";
import { type Block, type BlockPort, type LoadSpec, runLoad } from "./closed-loop.ts";
import { cpuUs, loadSocketOf, type StreamSpec, serveLoad, type Usage } from "./load-port.ts";

const PATH = "alink0";
const ID = "0123456789abcdef0123456789abcdef";

type Send = (body: PeerBody) => void;

interface Mirror extends BlockPort {
  /** Durable on this side. */
  written(served: readonly Written[]): void;
  /** Durable on the other one. */
  wrote(body: PeerBody & { kind: "wrote" }): void;
}

/** A write is done when both sides are. */
function createBareMirror(by: {
  readonly send: Send;
  readonly flush: () => void;
  readonly put: BareDisk["put"];
}): Mirror {
  const pending = new Map<number, { left: number; readonly done: () => void }>();
  let issued: { readonly block: Block; readonly number: number }[] = [];
  let last = 0;

  function halfDone(number: number): void {
    const found = pending.get(number);
    if (found === undefined) return;
    found.left -= 1;
    if (found.left > 0) return;
    pending.delete(number);
    found.done();
  }

  /** Frames first: the other side's disk works meanwhile. */
  function putIssued(): void {
    by.flush();
    for (const { block, number } of issued) by.put(block, number);
    issued = [];
  }

  return {
    write(block, done) {
      last += 1;
      pending.set(last, { left: 2, done });
      const write = { ...block, number: last, epoch: 1, cause: 1, volume: 0 };
      by.send({ kind: "write", write, isMoreDue: false });
      issued.push({ block, number: last });
      if (issued.length === 1) setImmediate(putIssued);
    },
    written(served) {
      for (const { number } of served) halfDone(number);
    },
    wrote({ sums }) {
      for (const [number] of sums) halfDone(number);
    },
  };
}

async function runBare({ file, self, reporter }: RoleOptions<HostFile>): Promise<RunningRole> {
  let at: { readonly place: Place; readonly conn: number } | null = null;
  let sent = 0;
  let isRunner = false;

  function send(body: PeerBody): void {
    if (at === null) throw new Error("the path is not up");
    sent += 1;
    const frame: PeerFrame = { vm: "vm1", session: ID, number: sent, from: ID, body };
    links.sendPeer(at.place, at.conn, frame);
  }

  function durable(served: readonly Written[]): void {
    if (isRunner) {
      mirror.written(served);
      return;
    }
    const upTo = served.at(-1)?.number ?? 0;
    send({ kind: "wrote", upTo, sums: served.map(({ number, sum }) => [number, sum]) });
  }

  function take(body: PeerBody): void {
    if (body.kind === "write") disk.put(body.write, body.write.number);
    if (body.kind === "wrote") mirror.wrote(body);
    if (body.kind === "copy") takeStreamed(body, disk, send);
    if (body.kind === "copied") stream.copied(body);
  }

  const disk = openBareDisk(file.diskFile, durable);
  const links: HostLinks = createHostLinks({
    file: {
      ...file,
      paths: file.paths.filter(({ id }) => id === PATH),
      services: [],
      switches: [],
    },
    self,
    reporter,
    events: {
      up(place, conn) {
        reporter.event("bare-path-up", {});
        at = { place, conn };
      },
      down() {
        at = null;
      },
      refused: () => undefined,
      frame(_place, _conn, arrived) {
        if (arrived.kind === "path") take(arrived.frame.body);
      },
    },
  });
  const mirror = createBareMirror({ send, flush: () => links.flush(), put: disk.put });
  const stream = createBareStream(send);
  serveLoad(loadSocketOf(file.logFile, file.host), (request) => {
    if (request === "usage") {
      const nothing = { copyBytes: 0, extentsCompared: 0 };
      const usage: Usage = { cpuUs: cpuUs(), flushes: disk.flushes, ...nothing };
      return Promise.resolve(usage);
    }
    isRunner = true;
    // The bench is the other half of this program, and asks exactly this.
    const spec = request as LoadSpec | StreamSpec;
    return "streamBytes" in spec ? stream.run(spec) : runLoad(mirror, spec);
  });
  await links.listen();
  links.dial();
  return {
    quiesce: (done) => done({}),
    release: () => undefined,
    operate: () => false,
    farewell: () => undefined,
    status: () => ({}),
  };
}

runProcess({ host: runBare, quorum: runQuorum, switch: runSwitch });

/** Builds the pair of hosts, its quorum services, the sites' switches and the links between them. */
import type { HostConfig, PathConfig } from "../../node/core/host/contract.ts";
import { invariant } from "../../node/core/invariant.ts";
import type { PeerFrame } from "../../node/core/pair/frames.ts";
import type { QuorumAnswer, QuorumFrame, QuorumRequest } from "../../node/core/quorum/messages.ts";
import type { FromSwitch, ToSwitch, TrunkFrame } from "../../node/core/switch/frames.ts";
import { type Timing, timingFor } from "../../node/core/timing.ts";
import type { MachineFactory } from "../../node/ports/machine.ts";
import { encodePeerFrame, parsePeerFrame } from "../../node/wire/peer.ts";
import { encodeQuorumRequest, parseQuorumRequest } from "../../node/wire/quorum.ts";
import { encodeToSwitch, parseToSwitch } from "../../node/wire/switch.ts";
import type { ClusterSpec, LinkName, Topology } from "../rig/rig.ts";
import type { MakeCore } from "./core.ts";
import { type AnyLink, createLink, type LinkEnd, type SimLink } from "./link.ts";
import { createSimHost, type Outlet, type SimHost } from "./sim-host.ts";
import { createSimQuorum, type SimQuorum } from "./sim-quorum.ts";
import { createSimSwitch, type SimSwitch, type TrunkLink } from "./sim-switch.ts";
import type { Watch } from "./watch.ts";
import { drawsOf, millis, parcelOf, type SimProcess, type World } from "./world.ts";

export interface Cluster {
  readonly topology: Topology;
  readonly timing: Timing;
  readonly hosts: ReadonlyMap<string, SimHost>;
  readonly services: ReadonlyMap<string, SimQuorum>;
  /** One a site, in the order of the sites. */
  readonly switches: ReadonlyMap<string, SimSwitch>;
  /** By name, in the order hosts, services, switches. */
  readonly processes: ReadonlyMap<string, SimProcess>;
  readonly links: ReadonlyMap<string, AnyLink>;
}

export interface ClusterOptions {
  readonly spec: ClusterSpec;
  readonly factory: MachineFactory;
  readonly makeCore: MakeCore;
  readonly watch: Watch;
  readonly exited: (process: string, status: number) => void;
}

const HOSTS = ["a", "b"] as const;
const ALINKS = ["alink0", "alink1"] as const;
const SERVICES = { none: [], one: ["q1"], two: ["q1", "q2"] } as const;
const SWITCHES = { one: ["s1"], two: ["s1", "s2"] } as const;

export function buildCluster(world: World, options: ClusterOptions): Cluster {
  const { spec, factory, makeCore, watch, exited } = options;
  const topology = topologyOf(spec);
  const roundTripMs = 2 * spec.linkDelayMs;
  const timing = timingFor({ peer: roundTripMs, quorum: roundTripMs });
  const links = new Map<string, AnyLink>();
  const hosts = new Map(
    HOSTS.map((name): [string, SimHost] => {
      const config = configOf(world, { spec, topology, timing, name });
      const host = createSimHost(world, {
        ...{ config, factory, makeCore, watch },
        ready: () => {
          for (const link of links.values()) link.ready(name);
        },
        exited: (status) => exited(name, status),
      });
      return [name, host];
    }),
  );
  const services = new Map(
    topology.services.map((name): [string, SimQuorum] => [
      name,
      createSimQuorum(world, { name, confirmAfterRestart: spec.confirmAfterRestart, watch }),
    ]),
  );
  const switches = new Map(
    topology.switches.map((name, index): [string, SimSwitch] => {
      const ready = (): void => {
        for (const link of links.values()) link.ready(name);
      };
      return [name, createSimSwitch(world, { name, site: index + 1, ready })];
    }),
  );
  const makeLink = linkMaker(world, { spec, timing });
  for (const name of topology.links) {
    const link = join(world, makeLink, { name, hosts, services, switches });
    links.set(link.id, link);
  }
  const processes = [...hosts.values(), ...services.values(), ...switches.values()];
  return {
    topology,
    timing,
    hosts,
    services,
    switches,
    processes: new Map(processes.map((process) => [process.name, process])),
    links,
  };
}

function topologyOf({ quorum, switches: count }: ClusterSpec): Topology {
  const services = SERVICES[quorum];
  const switches = SWITCHES[count];
  const [lower, higher] = HOSTS;
  const [first, second] = switches;
  const link = (dialler: string, listener: string, channel: string): LinkName => ({
    id: `${dialler}>${listener}/${channel}`,
    dialler,
    listener,
    channel,
  });
  return {
    hosts: HOSTS,
    services,
    switches,
    links: [
      ...ALINKS.map((channel) => link(lower, higher, channel)),
      link(higher, lower, "mgmt"),
      ...HOSTS.flatMap((host) => services.map((service) => link(host, service, "quorum"))),
      ...HOSTS.flatMap((host) => switches.map((name) => link(host, name, "lan"))),
      ...(second === undefined ? [] : [link(first, second, "trunk")]),
    ],
  };
}

function configOf(
  world: World,
  by: {
    readonly spec: ClusterSpec;
    readonly topology: Topology;
    readonly timing: Timing;
    readonly name: string;
  },
): HostConfig {
  const { spec, topology, timing, name } = by;
  const peer = HOSTS.find((host) => host !== name);
  invariant(peer !== undefined, "a pair has two hosts");
  const paths = topology.links
    .filter(({ dialler, listener }) =>
      [dialler, listener].every((end) => topology.hosts.includes(end)),
    )
    .map(
      ({ channel, dialler }): PathConfig => ({
        id: channel,
        role: channel === "mgmt" ? "mgmt" : "alink",
        dials: dialler === name,
      }),
    );
  return {
    cluster: world.cluster,
    vm: world.vm,
    host: name,
    peer,
    volumes: [{ id: 0, blocks: spec.volumeBlocks }],
    paths,
    services: topology.services,
    switches: topology.switches,
    preferred: spec.preferred,
    protect: spec.preferred === name,
    peerLoss: spec.peerLoss,
    bootDelay: spec.bootDelayMs,
    timing,
  };
}

function join(
  world: World,
  makeLink: LinkMaker,
  by: Pick<Cluster, "hosts" | "services" | "switches"> & { readonly name: LinkName },
): AnyLink {
  const { name, hosts, services, switches } = by;
  const dialler = hosts.get(name.dialler);
  const service = services.get(name.listener);
  const listener = hosts.get(name.listener);
  const lan = switches.get(name.listener);
  if (dialler !== undefined && service !== undefined) {
    return joinService(world, makeLink(name), { dialler, service });
  }
  if (dialler !== undefined && listener !== undefined) {
    return joinHosts(world, makeLink(name), { channel: name.channel, dialler, listener });
  }
  invariant(lan !== undefined, "hosts, services and switches are all there is");
  if (dialler !== undefined) return joinSwitch(world, makeLink(name), { dialler, lan });
  const first = switches.get(name.dialler);
  invariant(first !== undefined, "hosts and switches dial");
  const trunk: TrunkLink = makeLink<TrunkFrame, TrunkFrame>(name);
  trunk.attach(first.attachTrunk("dialler", trunk), lan.attachTrunk("listener", trunk));
  return trunk;
}

type LinkMaker = <Forward, Backward>(name: LinkName) => SimLink<Forward, Backward>;

function linkMaker(
  world: World,
  { spec, timing }: { readonly spec: ClusterSpec; readonly timing: Timing },
): LinkMaker {
  let conns = 0;
  const nextConn = (): number => {
    conns += 1;
    return conns;
  };
  return ({ id, dialler, listener }) =>
    createLink({
      id,
      dialler,
      listener,
      clock: world.clock,
      draws: drawsOf(world, `link ${id}`),
      delayUs: millis(spec.linkDelayMs),
      redialUs: millis(timing.redial),
      nextConn,
    });
}

function joinHosts(
  world: World,
  link: SimLink<PeerFrame, PeerFrame>,
  by: { readonly channel: string; readonly dialler: SimHost; readonly listener: SimHost },
): AnyLink {
  const codec = { encode: encodePeerFrame, parse: parsePeerFrame };
  const forward: Outlet<PeerFrame> = {
    send: (conn, frame) => link.sendForward(conn, parcelOf(world, frame, codec)),
    close: (conn) => link.close("dialler", conn),
  };
  const backward: Outlet<PeerFrame> = {
    send: (conn, frame) => link.sendBackward(conn, parcelOf(world, frame, codec)),
    close: (conn) => link.close("listener", conn),
  };
  const { channel } = by;
  link.attach(by.dialler.attachPath(channel, forward), by.listener.attachPath(channel, backward));
  return link;
}

function joinService(
  world: World,
  link: SimLink<QuorumFrame<QuorumRequest>, QuorumFrame<QuorumAnswer>>,
  by: { readonly dialler: SimHost; readonly service: SimQuorum },
): AnyLink {
  const codec = { encode: encodeQuorumRequest, parse: parseQuorumRequest };
  const outlet: Outlet<QuorumFrame<QuorumRequest>> = {
    send: (conn, frame) => link.sendForward(conn, parcelOf(world, frame, codec)),
    close: (conn) => link.close("dialler", conn),
  };
  const end = by.service.attach(by.dialler.name, link);
  link.attach(by.dialler.attachService(by.service.name, outlet), end);
  return link;
}

function joinSwitch(
  world: World,
  link: SimLink<ToSwitch, FromSwitch>,
  by: { readonly dialler: SimHost; readonly lan: SimSwitch },
): AnyLink {
  const outlet: Outlet<ToSwitch> = {
    send(conn, frame) {
      if (!world.isEncoded) {
        link.sendForward(conn, () => frame);
        return;
      }
      // Data above the limit of one frame is cut into several.
      for (const bytes of encodeToSwitch(frame)) {
        link.sendForward(conn, () => {
          const parsed = parseToSwitch(bytes);
          return parsed.ok ? parsed.value : null;
        });
      }
    },
    close: (conn) => link.close("dialler", conn),
  };
  const end: LinkEnd<ToSwitch> = by.lan.attach(by.dialler.name, link);
  link.attach(by.dialler.attachSwitch(by.lan.name, outlet), end);
  return link;
}

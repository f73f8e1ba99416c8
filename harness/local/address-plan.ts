/**
 * Every address and port of a run, from its cluster number n alone. It owns 127.n.0.0/16, so runs side by side cannot meet:
 *
 *     127.n.0.1        the number's reservation; Toxiproxy's API; the control port of a cluster that is kept running
 *     127.n.j.i        host i on NIC j (alink0 1, alink1 2, mgmt 3, business 4); services from i = 101, switches from i = 201
 *     127.n.(100+j).x  the proxy side of the x-th link on NIC j: what the dialler dials
 *     127.n.(200+s).v  VM v towards the clients of site s
 *
 * Ports are the same on every host, as on real machines, and below 32768, outside the range that kernels hand out.
 */
import type { Endpoint } from "../../node/ports/process-file.ts";
import type { LinkName, Topology } from "../rig/rig.ts";

const NIC = { alink0: 1, alink1: 2, mgmt: 3, business: 4 } as const;
type Nic = keyof typeof NIC;

const ALINKS = ["alink0", "alink1"] as const;
const SERVICE_FIRST = 101;
const SWITCH_FIRST = 201;
const PROXY_SIDE = 100;
const CLIENT_SIDE = 200;

const PORT = {
  control: 7001,
  alink: 7002,
  mgmt: 7003,
  quorum: 7004,
  lan: 7005,
  trunk: 7006,
  reservation: 7009,
  clusterControl: 7010,
  proxyApi: 8474,
  client: 6379,
} as const;

/** Cluster numbers run from 1 to this. */
export const CLUSTER_NUMBER_MAX = 250;

export interface Members {
  /** In order: the lower one dials the A-links. */
  readonly hosts: readonly string[];
  readonly services: readonly string[];
  /** One per site. */
  readonly switches: readonly string[];
  /** On every switch, in order. */
  readonly vms: readonly string[];
}

export interface LinkPlan extends LinkName {
  /** The proxy side, which the dialler dials. */
  readonly listen: Endpoint;
  /** The listener's own address. */
  readonly upstream: Endpoint;
  /** The dialler's own address on that NIC. */
  readonly from: string;
}

export interface AddressPlan {
  readonly number: number;
  readonly reservation: Endpoint;
  readonly proxyApi: Endpoint;
  /** For other commands, of a cluster that is kept running. */
  readonly clusterControl: Endpoint;
  /** By process name; not through a proxy. */
  readonly control: ReadonlyMap<string, Endpoint>;
  readonly links: readonly LinkPlan[];
  readonly vms: readonly string[];
  /** By `switch/vm`. */
  readonly clients: ReadonlyMap<string, Endpoint>;
  readonly topology: Topology;
}

export function planAddresses(number: number, members: Members): AddressPlan {
  const { hosts, services, switches, vms } = members;
  const place = placeOf(members);
  const links = planLinks(number, members, place);
  const control = [...hosts, ...services, ...switches].map(
    (name) =>
      [name, { address: addressOf(number, "mgmt", place(name)), port: PORT.control }] as const,
  );
  const clients = switches.flatMap((name, site) =>
    vms.map((vm, index) => {
      const address = `127.${number}.${CLIENT_SIDE + site + 1}.${index + 1}`;
      return [`${name}/${vm}`, { address, port: PORT.client }] as const;
    }),
  );
  return {
    number,
    reservation: reservationOf(number),
    proxyApi: { address: `127.${number}.0.1`, port: PORT.proxyApi },
    clusterControl: { address: `127.${number}.0.1`, port: PORT.clusterControl },
    control: new Map(control),
    links,
    vms,
    clients: new Map(clients),
    topology: { hosts, services, switches, links: links.map(nameOfLink) },
  };
}

/** What is bound for the life of a run, so that no other run takes its number. */
export function reservationOf(number: number): Endpoint {
  return { address: `127.${number}.0.1`, port: PORT.reservation };
}

/** Every address that a process of the run binds, the reservation not among them. */
export function boundEndpoints(plan: AddressPlan): readonly Endpoint[] {
  return [
    plan.proxyApi,
    plan.clusterControl,
    ...plan.control.values(),
    ...plan.links.map(({ listen }) => listen),
    ...plan.clients.values(),
    // Several diallers share a listener.
    ...new Map(
      plan.links.map(({ upstream }) => [`${upstream.address}:${upstream.port}`, upstream]),
    ).values(),
  ];
}

type Place = (name: string) => number;

function placeOf({ hosts, services, switches }: Members): Place {
  const places = new Map([
    ...hosts.map((name, index) => [name, index + 1] as const),
    ...services.map((name, index) => [name, SERVICE_FIRST + index] as const),
    ...switches.map((name, index) => [name, SWITCH_FIRST + index] as const),
  ]);
  return (name) => places.get(name) ?? 0;
}

interface Route {
  readonly dialler: string;
  readonly listener: string;
  readonly channel: string;
  readonly nic: Nic;
  readonly port: number;
}

function planLinks(number: number, members: Members, place: Place): readonly LinkPlan[] {
  const used = new Map<Nic, number>();
  return routesOf(members).map(({ dialler, listener, channel, nic, port }) => {
    const nth = (used.get(nic) ?? 0) + 1;
    used.set(nic, nth);
    return {
      id: `${dialler}>${listener}/${channel}`,
      dialler,
      listener,
      channel,
      listen: { address: `127.${number}.${PROXY_SIDE + NIC[nic]}.${nth}`, port },
      upstream: { address: addressOf(number, nic, place(listener)), port },
      from: addressOf(number, nic, place(dialler)),
    };
  });
}

/** Who dials whom: it decides what a one-way cut means. */
function routesOf({ hosts, services, switches }: Members): readonly Route[] {
  const pairs = hosts.flatMap((lower, index) =>
    hosts.slice(index + 1).map((higher) => ({ lower, higher })),
  );
  const between = (listeners: readonly string[], channel: "quorum" | "lan"): readonly Route[] =>
    hosts.flatMap((dialler) =>
      listeners.map((listener) => {
        return { dialler, listener, channel, nic: "business", port: PORT[channel] } as const;
      }),
    );
  return [
    ...pairs.flatMap(({ lower, higher }): readonly Route[] => [
      ...ALINKS.map((nic) => {
        return { dialler: lower, listener: higher, channel: nic, nic, port: PORT.alink } as const;
      }),
      // The other way round: either host can find out by dialling that its peer is gone.
      { dialler: higher, listener: lower, channel: "mgmt", nic: "mgmt", port: PORT.mgmt },
    ]),
    ...between(services, "quorum"),
    ...between(switches, "lan"),
    ...trunksOf(switches),
  ];
}

/** Each site's switch dials those after it. */
function trunksOf(switches: readonly string[]): readonly Route[] {
  return switches.flatMap((dialler, index) =>
    switches.slice(index + 1).map((listener): Route => {
      return { dialler, listener, channel: "trunk", nic: "business", port: PORT.trunk };
    }),
  );
}

function addressOf(number: number, nic: Nic, place: number): string {
  return `127.${number}.${NIC[nic]}.${place}`;
}

function nameOfLink({ id, dialler, listener, channel }: LinkPlan): LinkName {
  return { id, dialler, listener, channel };
}

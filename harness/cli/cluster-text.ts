/** A cluster that is kept running, for people: how to use and break it, and how it is. */

import { painter, type Screen, wrap } from "../../reports/screen.ts";
import type { ClusterStatus, FaultView } from "../cluster/control.ts";

const LABEL_WIDTH = 12;

/** What is printed once, when it is up. */
export function renderCluster(status: ClusterStatus, runDir: string, screen: Screen): string {
  const { name, clients, hosts, others, proxy, level } = status;
  const members = [...hosts.map(({ host }) => host), ...others.map((other) => other.name)].join(
    " ",
  );
  const [first] = clients;
  const vm = clients
    .map(({ site, address, port }) => `${address}:${port} (site ${site})`)
    .join(", ");
  const rows: readonly (readonly [string, string])[] = [
    ["the VM", `${vm}`],
    ["use it", `redis-cli -h ${first?.address ?? ""}`],
    ["break it", "npx faultline fault kill-host --on active"],
    ["", "npx faultline fault blackhole-link --on 'a>b/alink0' --for 3s"],
    ["", "npx faultline fault list"],
    ["mend it", "npx faultline heal"],
    ["look", "npx faultline status --watch"],
    ["end", "Ctrl-C, or: npx faultline down"],
    ["files", runDir],
  ];
  const paint = painter(screen);
  const head = `cluster ${name} is up: ${members}, level ${level}, through ${proxy}`;
  const lines = rows.map(([label, text]) => `  ${paint("dim", label.padEnd(LABEL_WIDTH))}${text}`);
  return `${wrap(head, screen.width).join("\n")}\n\n${lines.join("\n")}\n\n`;
}

/** One line: `a duplex, right open; b duplex, right open, runs the VM`. */
export function renderHosts({ hosts, others, faults }: ClusterStatus): string {
  const dead = others.filter(({ alive }) => !alive).map(({ name }) => `${name} dead`);
  const active = faults.filter(({ state }) => state === "active");
  const broken = active.map(({ fault, target }) => `${fault} of ${target}`);
  return [...hosts.map(hostText), ...dead, ...broken].join("; ");
}

/** As a table, for a screen that is drawn again and again. */
export function statusLines(status: ClusterStatus, screen: Screen): readonly string[] {
  const paint = painter(screen);
  const clip = (text: string): string =>
    text.length > screen.width ? `${text.slice(0, screen.width - 1)}…` : text;
  const hosts = status.hosts.map(({ host, alive, derived, right, runs }) => {
    const state = alive ? (derived ?? "starting") : "dead";
    const style = state === "duplex" ? "green" : alive ? "yellow" : "red";
    const text = `${paint(style, state.padEnd(15))}${(right ?? "").padEnd(9)}${runs ? "runs the VM" : ""}`;
    return `  host ${host}      ${text}`;
  });
  const others = status.others.map(({ name, alive }) => {
    const state = alive ? paint("green", "alive") : paint("red", "dead");
    return `  ${name.padEnd(12)}${state}`;
  });
  const time = `${(status.now / 1_000_000).toFixed(0)} s`;
  const head = clip(
    `cluster ${status.name}, level ${status.level}, up for ${time}, ${status.proxy}`,
  );
  return [head, ...hosts, ...others, ...status.faults.slice(-8).map((it) => clip(faultLine(it)))];
}

/** `  #2  jam-link of b: active, heals after 3000 ms; 5 links cut, each stopped something`. */
export function faultLine({ id, fault, target, state, forMs, proof }: FaultView): string {
  const until = state === "active" && forMs !== null && forMs > 0 ? `, for ${forMs} ms` : "";
  const bitten = proof === null ? "" : `; ${proof.why}`;
  return `  #${id}  ${fault} of ${target}: ${state}${until}${bitten}`;
}

function hostText({ host, alive, derived, right, runs }: ClusterStatus["hosts"][number]): string {
  if (!alive) return `${host} dead`;
  const of = [
    derived ?? "starting",
    `right ${right ?? "unknown"}`,
    ...(runs ? ["runs the VM"] : []),
  ];
  return `${host} ${of.join(", ")}`;
}

import { existsSync, readFileSync } from "node:fs";
import type { Child } from "../process/child.ts";

/** Linux's table of TCP sockets; elsewhere ports are not looked at. */
const SOCKET_TABLE = "/proc/net/tcp";
const LISTENING = "0A";

/**
 * What is left of a run that should be gone, each as a text for people: processes with their number, listening ports of the run's addresses, files.
 * Empty: nothing.
 */
export function findLeftovers(of: {
  readonly number: number;
  readonly processes: readonly Pick<Child, "name" | "pid" | "exit">[];
  readonly paths: readonly string[];
}): readonly string[] {
  return [
    ...of.processes
      .filter((child) => child.exit() === null)
      .map(({ name, pid }) => `process ${name} (${pid})`),
    ...listeningIn(of.number).map((endpoint) => `port ${endpoint}`),
    ...of.paths.filter((path) => existsSync(path)).map((path) => `file ${path}`),
  ];
}

/** Listening sockets in 127.n.0.0/16, as `address:port`; empty where the system has no such table. */
export function listeningIn(number: number): readonly string[] {
  if (!existsSync(SOCKET_TABLE)) return [];
  const found: string[] = [];
  for (const line of readFileSync(SOCKET_TABLE, "utf8").split("\n").slice(1)) {
    const [, local = "", , state] = line.trim().split(/\s+/);
    // `0100017F:1F90`: the address's bytes in the order of a little-endian machine, then the port.
    const match = /^(..)(..)(..)(..):(....)$/.exec(local);
    if (state !== LISTENING || match === null) continue;
    const [port = 0, ...address] = match
      .slice(1)
      .reverse()
      .map((digits) => Number.parseInt(digits, 16));
    if (address[0] === 127 && address[1] === number) found.push(`${address.join(".")}:${port}`);
  }
  return found;
}

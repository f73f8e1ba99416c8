import { createServer, type Server } from "node:net";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { HarnessError } from "../errors.ts";
import {
  type AddressPlan,
  boundEndpoints,
  CLUSTER_NUMBER_MAX,
  type Members,
  planAddresses,
  reservationOf,
} from "./address-plan.ts";

/** Numbers whose reservation was free and a port not, after which the cause is taken to be common to all: a wildcard listener. */
const PORT_CLASHES_MAX = 8;

export interface ClusterNumber {
  readonly plan: AddressPlan;
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Reserves a cluster number by binding a port on its first address; the kernel frees it with this process, however that ends. Every other
 * port of the plan is tried too, before anything is started.
 *
 * @param first number to begin with, so that runs side by side rarely try the same: 1…250
 * @throws HarnessError NO_CLUSTER_NUMBER when all are taken or loopback has no aliases; PORT_TAKEN when a port is busy in each tried one
 */
export async function reserveClusterNumber(
  members: Members,
  first: number,
): Promise<ClusterNumber> {
  let clashes = 0;
  for (let step = 0; step < CLUSTER_NUMBER_MAX; step += 1) {
    const number = ((first - 1 + step) % CLUSTER_NUMBER_MAX) + 1;
    const reservation = await bind(reservationOf(number));
    if (reservation === null) continue;
    const plan = planAddresses(number, members);
    const taken = await firstTaken(boundEndpoints(plan));
    if (taken === null) return { plan, release: () => close(reservation) };
    await close(reservation);
    clashes += 1;
    if (clashes === PORT_CLASHES_MAX) throw portTaken(taken);
  }
  throw new HarnessError(
    "NO_CLUSTER_NUMBER",
    `all ${CLUSTER_NUMBER_MAX} cluster numbers are taken`,
    { hint: "End other runs: each holds one address in 127.0.0.0/8 while it lives." },
  );
}

async function firstTaken(endpoints: readonly Endpoint[]): Promise<Endpoint | null> {
  const bound = await Promise.all(endpoints.map(bind));
  await Promise.all(bound.filter((server) => server !== null).map(close));
  const index = bound.indexOf(null);
  return endpoints[index] ?? null;
}

/** Null: somebody has it. */
function bind({ address, port }: Endpoint): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EADDRINUSE") resolve(null);
      else reject(noLoopback(address, cause));
    });
    server.listen({ host: address, port, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // The only error is that it is closed already.
    server.close(() => resolve());
  });
}

function noLoopback(address: string, cause: NodeJS.ErrnoException): HarnessError {
  return new HarnessError("NO_CLUSTER_NUMBER", `cannot bind ${address}: ${cause.message}`, {
    hint: "This bed needs every address of 127.0.0.0/8 on the loopback interface, as Linux has it.",
    cause,
  });
}

function portTaken({ address, port }: Endpoint): HarnessError {
  return new HarnessError(
    "PORT_TAKEN",
    `port ${port} is taken in every cluster, as at ${address}`,
    {
      hint: `End the program that listens on port ${port} of all addresses.`,
    },
  );
}

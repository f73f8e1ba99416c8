/** What this machine takes for the things that every figure of bed `local` rests on. */
import { randomInt } from "node:crypto";
import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { CLUSTER_NUMBER_MAX } from "../local/address-plan.ts";
import { reserveClusterNumber } from "../local/cluster-number.ts";
import { proxyNameOf } from "../local/link-names.ts";
import type { ProxySource } from "../proxy/find-proxy.ts";
import { spawnProxy } from "../proxy/proxy-server.ts";

/** Unit: milliseconds. */
export interface Times {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
  readonly n: number;
}

const FLUSHES = 100;
const BLOCK_BYTES = 4_096;
const ROUND_TRIPS = 300;
const LOOP_MS = 1_000;
const TICK_MS = 5;
const MEMBERS = { hosts: ["a", "b"], services: [], switches: [], vms: [] };

/** A write of 4 KiB and its fdatasync, in the folder where runs keep their disks. */
export async function measureFlush(folder: string): Promise<Times> {
  const place = mkdtempSync(join(folder, "doctor-"));
  const file = openSync(join(place, "disk"), "w");
  const block = Buffer.alloc(BLOCK_BYTES, 1);
  const flush = promisify(fdatasync);
  const times: number[] = [];
  try {
    for (let nth = 0; nth < FLUSHES; nth += 1) {
      const from = performance.now();
      writeSync(file, block, 0, BLOCK_BYTES, (nth % 64) * BLOCK_BYTES);
      await flush(file);
      times.push(performance.now() - from);
    }
    return timesOf(times);
  } finally {
    closeSync(file);
    rmSync(place, { recursive: true, force: true });
  }
}

/** How late a timer of 5 ms is: what stops one process for longer stops a host. */
export async function measureLoop(): Promise<Times> {
  const late: number[] = [];
  let last = performance.now();
  await new Promise<void>((resolve) => {
    const end = last + LOOP_MS;
    const timer = setInterval(() => {
      const now = performance.now();
      late.push(Math.max(0, now - last - TICK_MS));
      last = now;
      if (now < end) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  return timesOf(late);
}

/** Round trips of 64 bytes over loopback: straight, and through the proxy. */
export async function measureProxy(
  source: ProxySource,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly name: string; readonly straight: Times; readonly through: Times }> {
  const number = await reserveClusterNumber(MEMBERS, randomInt(CLUSTER_NUMBER_MAX) + 1);
  const folder = mkdtempSync(join(tmpdir(), "faultline-doctor-"));
  const [link] = number.plan.links;
  if (link === undefined) throw new Error("a cluster has links");
  const echo = createServer((socket) => {
    // The proxy ends it as it likes.
    socket.on("error", () => undefined);
    socket.setNoDelay(true).pipe(socket);
  });
  const proxy = await spawnProxy(source, {
    api: number.plan.proxyApi,
    logFile: join(folder, "proxy.log"),
    trash: null,
    env,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      echo.once("error", reject);
      echo.listen({ host: link.upstream.address, port: link.upstream.port }, resolve);
    });
    const name = await proxy.ready();
    await proxy.links.create([{ name: proxyNameOf(link), ...link }], 0);
    const straight = await roundTrips(link.upstream);
    return { name, straight, through: await roundTrips(link.listen) };
  } finally {
    await proxy.stop();
    echo.close();
    await number.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function roundTrips({ address, port }: Endpoint): Promise<Times> {
  const socket = connect({ host: address, port, noDelay: true });
  const message = Buffer.alloc(64, 1);
  const times: number[] = [];
  try {
    for (let nth = 0; nth < ROUND_TRIPS; nth += 1) {
      const from = performance.now();
      await exchange(socket, message);
      times.push(performance.now() - from);
    }
    return timesOf(times);
  } finally {
    socket.destroy();
  }
}

function exchange(socket: Socket, message: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = message.length;
    const take = (data: Buffer): void => {
      left -= data.length;
      if (left > 0) return;
      socket.off("data", take);
      socket.off("error", reject);
      resolve();
    };
    socket.on("data", take);
    socket.on("error", reject);
    socket.write(message);
  });
}

function timesOf(times: readonly number[]): Times {
  const sorted = times.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { p50: at(0.5), p95: at(0.95), max: at(1), n: sorted.length };
}

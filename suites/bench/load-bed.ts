/** A cluster whose hosts write blocks on demand: the product's hosts, or the bare loop's, behind the same proxy. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isServed } from "../../chaos/converge.ts";
import { startLocal } from "../../harness/local/start-local.ts";
import type { Rig } from "../../harness/rig/rig.ts";
import { askLoad, loadSocketOf, type Usage } from "./load-port.ts";
import { REFERENCE } from "./pair.ts";

const READY_WITHIN_US = 10_000_000;
const HOSTS = ["a", "b"] as const;

export interface LoadBed {
  readonly rig: Rig;
  /** Asks the process that writes. Rejects when it ends first, or the pair is lost. */
  ask(request: object): Promise<unknown>;
  /** As `ask`, whatever becomes of the peer. */
  askAlone(request: object): Promise<unknown>;
  /** What each of these hosts has used. Default: both, in host order. */
  usage(hosts?: readonly string[]): Promise<readonly Usage[]>;
  close(): Promise<void>;
}

export type LoadProgram = "block-host" | "bare-host";

export async function startLoadBed(program: LoadProgram): Promise<LoadBed> {
  const runDir = mkdtempSync(join(tmpdir(), `faultline-${program}-`));
  const main = fileURLToPath(new URL(`./${program}.js`, import.meta.url));
  const rig = await startLocal(REFERENCE, {
    runDir,
    scenario: "bench",
    env: process.env,
    // Its machine is no guest.
    guest: "none",
    commands: { host: [process.execPath, main] },
  });
  const socketOf = (host: string): string => loadSocketOf(join(runDir, `${host}.log`), host);
  const bed: LoadBed = {
    rig,
    ask: (request) => askLoad(socketOf(HOSTS[0]), request, () => whyLost(rig, program)),
    askAlone: (request) => askLoad(socketOf(HOSTS[0]), request, () => null),
    usage: (hosts = HOSTS) =>
      Promise.all(
        hosts.map(async (host) => (await askLoad(socketOf(host), "usage", () => null)) as Usage),
      ),
    async close() {
      await rig.teardown();
      rmSync(runDir, { recursive: true, force: true });
    },
  };
  try {
    await untilReady(rig, program);
    return bed;
  } catch (error: unknown) {
    await bed.close();
    throw error;
  }
}

async function untilReady(rig: Rig, program: LoadProgram): Promise<void> {
  const isReady = (): boolean =>
    program === "bare-host"
      ? rig.events().filter(({ what }) => what === "bare-path-up").length === HOSTS.length
      : whyLost(rig, program) === null;
  if (await rig.waitFor(isReady, rig.now() + READY_WITHIN_US)) return;
  throw new Error(`${program}: not ready within ${READY_WITHIN_US / 1_000} ms`);
}

/** Null: writes are mirrored. */
function whyLost(rig: Rig, program: LoadProgram): string | null {
  if (program === "bare-host") return null;
  const views = rig.hosts();
  const isDuplex = views.every(({ derived }) => derived === "duplex") && isServed(views);
  if (isDuplex) return null;
  return `the pair is no longer duplex: ${views.map(({ host, derived }) => `${host} ${derived ?? "dead"}`).join(", ")}`;
}

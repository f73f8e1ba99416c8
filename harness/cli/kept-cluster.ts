/** A cluster that takes requests of other commands for as long as it is kept: after `up`, or when a run that failed is to be looked at. */
import { randomBytes } from "node:crypto";
import { HandFaults } from "../../chaos/by-hand.ts";
import { compareDisks } from "../../chaos/compare-disks.ts";
import { removeClusterFile, writeClusterFile } from "../cluster/cluster-file.ts";
import type { ClusterStatus, ControlRequest } from "../cluster/control.ts";
import { type ControlServer, startControlServer } from "../cluster/control-server.ts";
import { HarnessError } from "../errors.ts";
import type { LocalRig } from "../local/local-rig.ts";
import type { SavedDisk } from "../rig/rig.ts";
import { renderHosts, statusLines } from "./cluster-text.ts";
import { type Shell, STATUS } from "./shell.ts";

export interface Keeping {
  readonly name: string;
  /** Of the cluster files. */
  readonly folder: string;
  readonly runDir: string;
  readonly shell: Shell;
}

export const LEVEL = 2;
/** How often the status is looked at. Unit: microseconds. */
const LOOK_EVERY_US = 200_000;
const SECRET_BYTES = 16;

export class KeptCluster {
  readonly #rig: LocalRig;
  readonly #by: Keeping;
  #faults: HandFaults | null = null;
  #server: ControlServer | null = null;
  /** What is done to the rig, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #isDown = false;

  constructor(rig: LocalRig, by: Keeping) {
    this.#rig = rig;
    this.#by = by;
  }

  /** From here on other commands find it. */
  async open(): Promise<void> {
    const rig = this.#rig;
    const { name, folder, runDir } = this.#by;
    const images: SavedDisk[] = [];
    for (const host of rig.topology.hosts) images.push(await rig.saveDisk(host));
    this.#faults = new HandFaults(rig, images, (act) => {
      this.#inTurn(act).catch((error: unknown) => {
        this.#by.shell.err(`${error instanceof Error ? error.message : String(error)}\n`);
      });
    });
    const secret = randomBytes(SECRET_BYTES).toString("hex");
    this.#server = await startControlServer(rig.control, secret, (asked) => this.#handle(asked));
    writeClusterFile(folder, {
      schema: 1,
      name,
      pid: process.pid,
      number: rig.number,
      level: LEVEL,
      proxy: rig.proxy,
      control: rig.control,
      secret,
      clients: [...rig.clients()],
      runDir,
      startedAt: new Date().toISOString(),
    });
  }

  /** Until Ctrl-C or `down`. @throws HarnessError when the rig breaks */
  async keep(): Promise<number> {
    const { outScreen, out, signal } = this.#by.shell;
    let shown = "";
    let height = 0;
    while (!signal.aborted && !this.#isDown) {
      const status = this.status();
      const text = renderHosts(status);
      if (outScreen.isTty) {
        const lines = statusLines(status, outScreen);
        // Up to where the last ones began, and everything below away.
        out(`${height > 0 ? `\u001b[${height}A\u001b[J` : ""}${lines.join("\n")}\n`);
        height = lines.length;
      } else if (text !== shown) {
        out(`${(status.now / 1_000_000).toFixed(1).padStart(7)} s  ${text}\n`);
      }
      shown = text;
      await this.#rig.until(this.#rig.now() + LOOK_EVERY_US);
    }
    return signal.aborted ? STATUS.interrupted : STATUS.done;
  }

  status(): ClusterStatus {
    const { topology } = this.#rig;
    const others = [...topology.services, ...topology.switches];
    return {
      name: this.#by.name,
      level: LEVEL,
      proxy: this.#rig.proxy,
      now: this.#rig.now(),
      hosts: this.#rig.hosts(),
      others: others.map((name) => ({ name, alive: this.#rig.alive(name) })),
      clients: this.#rig.clients(),
      faults: this.#faults?.list() ?? [],
      runDir: this.#by.runDir,
    };
  }

  /** Nothing more is done to it, and nobody finds it. Idempotent. */
  leave(): void {
    this.#server?.close();
    this.#faults?.close();
    removeClusterFile(this.#by.folder, this.#by.name);
  }

  #inTurn<Value>(act: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #handle(asked: ControlRequest): Promise<unknown> {
    if (asked.op === "status") return Promise.resolve(this.status());
    if (asked.op === "down") {
      this.#isDown = true;
      return Promise.resolve(null);
    }
    return this.#inTurn(() => this.#perform(asked));
  }

  async #perform(asked: Exclude<ControlRequest, { op: "status" | "down" }>): Promise<unknown> {
    const faults = this.#faults;
    if (faults === null) {
      const hint = "Try again in a moment.";
      throw new HarnessError("CLUSTER_LOST", "the cluster is only coming up", { hint });
    }
    switch (asked.op) {
      case "fault":
        return faults.inject(asked.fields, asked.forMs);
      case "heal":
        return faults.heal(asked.id);
      case "operator":
        return faults.operate(asked.host ?? this.#anyHost(), asked.fields);
      case "audit":
        return this.#audit();
      default:
        return asked satisfies never;
    }
  }

  #anyHost(): string {
    const alive = this.#rig.hosts().find((host) => host.alive);
    if (alive !== undefined) return alive.host;
    const hint = "faultline heal starts what a fault has killed.";
    throw new HarnessError("BAD_SCENARIO", "no host lives", { hint });
  }

  /** Beside a VM that runs: hosts take in no work meanwhile. */
  async #audit(): Promise<unknown> {
    await this.#rig.quiesce();
    try {
      return compareDisks(this.#rig, { name: "divergence", mustBeEqual: false }).check;
    } finally {
      await this.#rig.release();
    }
  }
}
